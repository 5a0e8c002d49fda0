/*
 * The crypto providers: how one is chosen, and that both say the same, byte for byte.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "crypto/provider.h"

static const char chacha_name[] = "chacha20-poly1305@openssh.com";
static const char aesgcm_name[] = "aes256-gcm@openssh.com";

static const struct cipher_spec *find(const char *name)
{
    return cipher_find(name, strlen(name));
}

static bool has_libcrypto(void)
{
    cr_assert(provider_start());
    return strstr(provider_describe(), "libcrypto") != NULL;
}

Test(provider, names)
{
    static const char *const wrong[] = {"",           "Auto",        "auto ",         "libsodium2",
                                        "libsodiu",   "openssl",     "libcrypt",      "none",
                                        "libcrypto,", "libcrypto\n", "auto,libsodium"};
    cr_assert(provider_start());
    const struct cipher_spec *before = cipher_at(0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(provider_select(wrong[i]), "\"%s\"", wrong[i]);
        cr_assert_eq(cipher_at(0), before);
    }
    cr_assert(provider_select("libsodium"));
    cr_assert(provider_select("auto"));
    cr_assert_eq(provider_select("libcrypto"), has_libcrypto());
}

/* "auto" is the default, and takes libcrypto where there is one. */
Test(provider, auto_is_the_default)
{
    bool both = has_libcrypto();
    const struct cipher_spec *first = cipher_at(0);
    cr_assert(provider_select("libsodium"));
    cr_assert_eq(cipher_at(0) == first, !both);
    cr_assert(provider_select("auto"));
    cr_assert_eq(cipher_at(0), first);
    if (both) {
        cr_assert(provider_select("libcrypto"));
        cr_assert_eq(cipher_at(0), first);
    }
}

/* The choice holds whether it was made before or after the start, and through another one. */
Test(provider, a_choice_outlives_a_start)
{
    cr_assert(provider_select("libsodium"));
    cr_assert(provider_start());
    const struct cipher_spec *first = cipher_at(0);
    cr_assert_null(find("aes128-gcm@openssh.com"));
    cr_assert(provider_start());
    cr_assert_eq(cipher_at(0), first);
    cr_assert(provider_select("libsodium"));
    cr_assert_eq(cipher_at(0), first);
}

Test(provider, describe)
{
    bool both = has_libcrypto();
    cr_assert_eq(strncmp(provider_describe(), "libsodium 1.", 12), 0);
    if (!both) {
        cr_assert_null(strstr(provider_describe(), "ciphers by"));
        return;
    }
    cr_assert_not_null(strstr(provider_describe(), ", libcrypto 3."));
    cr_assert_not_null(strstr(provider_describe(), " (ciphers by libcrypto, "));
    cr_assert(provider_select("libsodium"));
    cr_assert_not_null(strstr(provider_describe(), ", libcrypto 3."));
    cr_assert_not_null(strstr(provider_describe(), " (ciphers by libsodium, "));
}

/* A cipher that is in use goes on as it began. */
Test(provider, a_choice_leaves_ciphers_in_use_alone)
{
    uint8_t key[CIPHER_KEY_MAX] = {1};
    uint8_t packet[CIPHER_LENGTH_LEN + 1024 + CIPHER_TAG_MAX] = {0, 0, 4, 0};
    struct cipher ends[2];
    cr_assert(provider_start());
    cr_assert(cipher_init(&ends[0], find(chacha_name), key, NULL));
    cr_assert(provider_select("libsodium"));
    cr_assert(cipher_init(&ends[1], find(chacha_name), key, NULL));
    cr_assert(provider_select("auto"));
    cipher_seal(&ends[0], 3, packet, CIPHER_LENGTH_LEN + 1024);
    cr_assert_eq(cipher_peek(&ends[1], 3, packet), 1024);
    cr_assert(cipher_open(&ends[1], 3, packet, CIPHER_LENGTH_LEN + 1024));
    cipher_wipe(&ends[0]);
    cipher_wipe(&ends[1]);
}

/* ---- libsodium against libcrypto ---------------------------------------------------------------
 */

enum { BODY_MAX = 256 * 1024, TAG = 16 };

/* The same cipher with the same key of two providers: one to seal and one to open, of each. */
struct rivals {
    struct cipher seal[2];
    struct cipher open[2];
    /* sealed[0] by libsodium, sealed[1] by libcrypto */
    uint8_t *clear;
    uint8_t *sealed[2];
};

/* False: there are no two who have that cipher. */
static bool rivals_make(struct rivals *rivals, const char *name)
{
    static const char *const providers[] = {"libsodium", "libcrypto"};
    uint8_t key[CIPHER_KEY_MAX];
    static const uint8_t iv[CIPHER_IV_MAX] = {9, 8, 7, 6, 0, 0, 0, 0, 0, 0, 0xff, 0x80};
    if (!has_libcrypto()) {
        return false;
    }
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i * i + 11);
    }
    const struct cipher_spec *specs[2];
    for (size_t i = 0; i < 2; i++) {
        cr_assert(provider_select(providers[i]));
        specs[i] = find(name);
        if (specs[i] == NULL) {
            return false;
        }
        cr_assert(cipher_init(&rivals->seal[i], specs[i], key, iv));
        cr_assert(cipher_init(&rivals->open[i], specs[i], key, iv));
        rivals->sealed[i] = (uint8_t *)malloc(CIPHER_LENGTH_LEN + BODY_MAX + TAG);
        cr_assert_not_null(rivals->sealed[i]);
    }
    cr_assert_neq(specs[0], specs[1]);
    rivals->clear = (uint8_t *)malloc(CIPHER_LENGTH_LEN + BODY_MAX + TAG);
    cr_assert_not_null(rivals->clear);
    uint32_t random = 1;
    for (size_t i = 0; i < CIPHER_LENGTH_LEN + BODY_MAX; i++) {
        random = random * 1664525 + 1013904223;
        rivals->clear[i] = (uint8_t)(random >> 24);
    }
    return true;
}

static void rivals_free(struct rivals *rivals)
{
    for (size_t i = 0; i < 2; i++) {
        cipher_wipe(&rivals->seal[i]);
        cipher_wipe(&rivals->open[i]);
        free(rivals->sealed[i]);
    }
    free(rivals->clear);
}

/* Sealed alike by both; each opens what the other sealed, after it has refused it damaged. */
static void compare(struct rivals *rivals, uint32_t sequence, size_t body_len)
{
    size_t len = CIPHER_LENGTH_LEN + body_len;
    rivals->clear[0] = (uint8_t)(body_len >> 24);
    rivals->clear[1] = (uint8_t)(body_len >> 16);
    rivals->clear[2] = (uint8_t)(body_len >> 8);
    rivals->clear[3] = (uint8_t)body_len;
    for (size_t i = 0; i < 2; i++) {
        memcpy(rivals->sealed[i], rivals->clear, len);
        cipher_seal(&rivals->seal[i], sequence, rivals->sealed[i], len);
    }
    cr_assert_eq(memcmp(rivals->sealed[0], rivals->sealed[1], len + TAG), 0, "%zu bytes, number %u",
                 body_len, sequence);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *packet = rivals->sealed[1 - i];
        cr_assert_eq(cipher_peek(&rivals->open[i], sequence, packet), body_len);
        cr_assert(cipher_open(&rivals->open[i], sequence, packet, len), "%zu bytes", body_len);
        cr_assert_eq(memcmp(packet, rivals->clear, len), 0, "%zu bytes", body_len);
    }
}

static void refuse(struct rivals *rivals, uint32_t sequence, size_t body_len)
{
    size_t len = CIPHER_LENGTH_LEN + body_len;
    size_t at = sequence % (len + TAG);
    for (size_t i = 0; i < 2; i++) {
        memset(rivals->sealed[i], 0x77, len + TAG);
        rivals->sealed[i][at] ^= 1;
        cr_assert_not(cipher_open(&rivals->open[i], sequence, rivals->sealed[i], len));
    }
}

static void compare_all(const char *name)
{
    static const size_t big[] = {959,   960,   961,   1023,  1024,  1025,   1216,   1217,   1472,
                                 1984,  2048,  2240,  2241,  4095,  4096,   8192,   16384,  32767,
                                 32768, 32776, 35000, 65536, 99991, 131072, 200000, 262143, 262144};
    static const uint32_t sequences[] = {
        0,        1,         0x7f,       0x80,       0xff,       0x100,      0xffff,    0x10000,
        0xffffff, 0x1000000, 0x01020304, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    struct rivals rivals = {0};
    if (!rivals_make(&rivals, name)) {
        rivals_free(&rivals);
        cr_skip_test("no two providers of that cipher here");
    }
    for (size_t body_len = 8; body_len <= 700; body_len++) {
        refuse(&rivals, (uint32_t)body_len, body_len);
        compare(&rivals, (uint32_t)body_len * 2654435761, body_len);
    }
    for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++) {
        refuse(&rivals, (uint32_t)i, big[i]);
        compare(&rivals, (uint32_t)(UINT32_MAX - 3 + i), big[i]);
    }
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        compare(&rivals, sequences[i], 64);
        compare(&rivals, sequences[i], 1504);
    }
    rivals_free(&rivals);
}

Test(provider, both_seal_chacha_alike)
{
    compare_all(chacha_name);
}

Test(provider, both_seal_aesgcm_alike)
{
    compare_all(aesgcm_name);
}
