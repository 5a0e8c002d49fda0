/*
 * proto/keytext: key lines and fingerprints as ssh-keygen writes them, blobs cut at every byte.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "proto/keytext.h"

/* Made with ssh-keygen; the fingerprints are what its -l says of them. */
#define ED25519_BASE64 "AAAAC3NzaC1lZDI1NTE5AAAAIOOJ4JznZKp/1/BAeZtqG2egpR+o4Fi1u6SQc2kkFSZv"
#define ED25519_PRINT  "SHA256:HXoYIfGMQaycQUkl4g3xaYBkVcBi9ELxgN68HwhuuM8"
#define RSA_BASE64                                                                                 \
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQCZ0RlffIKSRu7aJ/TzhrVcLccuut0Dak7wNbjbQ1jKVM0qJWaB"             \
    "AY0uJB4hLJF9ojGAeGK5MT5GghD/ZuG0l7c+ko19DvywjXBvvaHDxgloKjRz2EKboDaM4K9GzSzd0bFF"             \
    "WLIAXAYEpxlBee9LXdB2sBQv/dATlhjwSV2NRhAap7nLMCz18elC1573dt2ztLBFzg9rbcB82hDP8Ac6"             \
    "T4ez0/8+v9HChQwzTl0qdXCOnuQZOOHFdJ39YAZkFK04BhdUk/alDOpQiJyys10ZzsVClq10Ppd/cRRQ"             \
    "wEpZ4NxqowHyUi5xwKoYNC5bbt9NuJsYL7GRDXdhedHNE9istUY1"
#define RSA_PRINT "SHA256:iL4fW8Os3fLe86Dj3boDdqKYfD+YEc1PwNSChYdN1SE"

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct slice blob_of(const struct keytext *key)
{
    return (struct slice){key->blob, key->blob_len};
}

Test(keytext, line_and_back)
{
    struct keytext key;
    char text[KEYTEXT_LINE_SIZE + 32];
    char print[KEYTEXT_FINGERPRINT_SIZE];
    static const char line[] = "ssh-ed25519 " ED25519_BASE64 " alice@example";

    cr_assert(keytext_parse(text_slice(line), &key));
    cr_assert(slice_is(key.type, "ssh-ed25519"));
    cr_assert(slice_is(key.comment, "alice@example"));
    cr_assert_eq(key.blob_len, KEYTEXT_ED25519_BLOB_LEN);
    cr_assert_eq(keytext_write(blob_of(&key), "alice@example", text, sizeof(text)),
                 sizeof(line) - 1);
    cr_assert_str_eq(text, line);
    cr_assert_gt(keytext_write(blob_of(&key), NULL, text, sizeof(text)), 0);
    cr_assert_str_eq(text, "ssh-ed25519 " ED25519_BASE64);
    keytext_fingerprint(blob_of(&key), print);
    cr_assert_str_eq(print, ED25519_PRINT);
    cr_assert_str_eq(keytext_short_name(key.type), "ED25519");
}

Test(keytext, rsa)
{
    struct keytext key;
    char print[KEYTEXT_FINGERPRINT_SIZE];

    cr_assert(keytext_parse(text_slice("ssh-rsa " RSA_BASE64 " rsa key"), &key));
    cr_assert(slice_is(key.comment, "rsa key"));
    cr_assert(slice_is(keytext_type(blob_of(&key)), "ssh-rsa"));
    keytext_fingerprint(blob_of(&key), print);
    cr_assert_str_eq(print, RSA_PRINT);
    cr_assert_null(keytext_to_ed25519(blob_of(&key)));
}

Test(keytext, blanks)
{
    struct keytext key;

    cr_assert(keytext_parse(text_slice(" \t ssh-ed25519\t" ED25519_BASE64 "  a  b \r"), &key));
    cr_assert(slice_is(key.comment, "a  b"));
    cr_assert(keytext_parse(text_slice("ssh-ed25519 " ED25519_BASE64), &key));
    cr_assert_eq(key.comment.len, 0);
    cr_assert(keytext_parse(text_slice("ssh-ed25519 " ED25519_BASE64 "\r"), &key));
    cr_assert_eq(key.comment.len, 0);
}

Test(keytext, not_a_key)
{
    static const char *const lines[] = {
        "",
        " ",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 ====",
        "ssh-ed25519 !" ED25519_BASE64,
        "ssh-rsa " ED25519_BASE64,
        "ssh-ed2551 " ED25519_BASE64,
        "ssh-ed25519x " ED25519_BASE64,
        ED25519_BASE64,
        /* two more bytes behind the key */
        "ssh-ed25519 " ED25519_BASE64 "AAAA",
    };
    struct keytext key;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        cr_assert_not(keytext_parse(text_slice(lines[i]), &key), "'%s'", lines[i]);
    }
}

Test(keytext, every_truncation_of_a_line)
{
    static const char line[] = "ssh-ed25519 " ED25519_BASE64;
    struct keytext key;

    for (size_t cut = 0; cut < sizeof(line) - 1; cut++) {
        char *copy = malloc(cut + 1);

        memcpy(copy + 1, line, cut);
        cr_assert_not(keytext_parse((struct slice){(const uint8_t *)copy + 1, cut}, &key));
        free(copy);
    }
}

Test(keytext, blob_too_large)
{
    static char line[8 + 4 * (LIMIT_KEY_BLOB / 3 + 3)];
    static uint8_t bytes[LIMIT_KEY_BLOB + 1];
    static struct keytext key;
    struct wire_out out = wire_out_make(bytes, sizeof(bytes));

    wire_put_text(&out, "ssh-rsa");
    memcpy(line, "ssh-rsa ", 8);
    encode_base64(bytes, LIMIT_KEY_BLOB, true, line + 8);
    cr_assert(keytext_parse(text_slice(line), &key));
    encode_base64(bytes, LIMIT_KEY_BLOB + 1, true, line + 8);
    cr_assert_not(keytext_parse(text_slice(line), &key));
}

Test(keytext, write_bounds)
{
    uint8_t public[SIGN_PUBLIC_LEN] = {1, 2, 3};
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    struct slice whole = {blob, sizeof(blob)};
    char text[256];
    size_t len;

    keytext_from_ed25519(public, blob);
    len = keytext_write(whole, "c", text, sizeof(text));
    cr_assert_gt(len, 0);
    for (size_t size = 0; size <= len; size++) {
        char *room = malloc(size + 1);

        cr_assert_eq(keytext_write(whole, "c", room + 1, size), 0);
        free(room);
    }
    cr_assert_eq(keytext_write(whole, "c", text, len + 1), len);
    cr_assert_eq(keytext_write(whole, "a\nb", text, sizeof(text)), 0);
    cr_assert_eq(keytext_write((struct slice){blob, 3}, NULL, text, sizeof(text)), 0);
}

Test(keytext, ed25519_blobs_are_strict)
{
    uint8_t public[SIGN_PUBLIC_LEN];
    uint8_t signature[SIGN_LEN];
    uint8_t blob[KEYTEXT_ED25519_SIGNATURE_LEN + 1] = {0};

    memset(public, 7, sizeof(public));
    memset(signature, 9, sizeof(signature));
    keytext_from_ed25519(public, blob);
    cr_assert_arr_eq(keytext_to_ed25519((struct slice){blob, KEYTEXT_ED25519_BLOB_LEN}), public,
                     sizeof(public));
    for (size_t len = 0; len <= sizeof(blob); len++) {
        if (len != KEYTEXT_ED25519_BLOB_LEN) {
            cr_assert_null(keytext_to_ed25519((struct slice){blob, len}));
        }
        cr_assert_null(keytext_signature_to_ed25519((struct slice){blob, len}));
    }
    keytext_signature_from_ed25519(signature, blob);
    cr_assert_arr_eq(
        keytext_signature_to_ed25519((struct slice){blob, KEYTEXT_ED25519_SIGNATURE_LEN}),
        signature, sizeof(signature));
    for (size_t len = 0; len < KEYTEXT_ED25519_SIGNATURE_LEN; len++) {
        cr_assert_null(keytext_signature_to_ed25519((struct slice){blob, len}));
    }
    cr_assert_null(keytext_signature_to_ed25519((struct slice){blob, sizeof(blob)}));
    blob[4] = 'x';
    cr_assert_null(
        keytext_signature_to_ed25519((struct slice){blob, KEYTEXT_ED25519_SIGNATURE_LEN}));
}

Test(keytext, short_names)
{
    cr_assert_str_eq(keytext_short_name(text_slice("sk-ssh-ed25519@openssh.com")), "ED25519-SK");
    cr_assert_str_eq(keytext_short_name(text_slice("ecdsa-sha2-nistp521")), "ECDSA");
    cr_assert_str_eq(keytext_short_name(text_slice("rsa-sha2-512")), "RSA");
    cr_assert_str_eq(keytext_short_name(text_slice("ssh-ed2551")), "UNKNOWN");
    cr_assert_str_eq(keytext_short_name(text_slice("")), "UNKNOWN");
}

Test(keytext, words)
{
    struct slice line = text_slice("  one\ttwo ");

    cr_assert(slice_is(keytext_word(&line), "one"));
    cr_assert(slice_is(keytext_word(&line), "two"));
    cr_assert_eq(keytext_word(&line).len, 0);
    cr_assert_eq(line.len, 0);
    line = (struct slice){NULL, 0};
    cr_assert_eq(keytext_word(&line).len, 0);
}
