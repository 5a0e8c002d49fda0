/*
 * The packet ciphers: expected bytes, every length, every damage; everything for each provider.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/provider.h"
#include "tests/unit/vector.h"

static const char chacha_name[] = "chacha20-poly1305@openssh.com";
static const char aes128gcm_name[] = "aes128-gcm@openssh.com";
static const char aesgcm_name[] = "aes256-gcm@openssh.com";

static bool libcrypto_used;

static void use(const char *provider)
{
    cr_assert(provider_start());
    libcrypto_used = strcmp(provider, "libcrypto") == 0;
    if (libcrypto_used && strstr(provider_describe(), "libcrypto") == NULL) {
        cr_skip_test("built without libcrypto");
    }
    cr_assert(provider_select(provider));
}

/* One body, two tests. */
#define BOTH(name)                                                                                 \
    static void name(void);                                                                        \
    Test(libsodium, name)                                                                          \
    {                                                                                              \
        use("libsodium");                                                                          \
        name();                                                                                    \
    }                                                                                              \
    Test(libcrypto, name)                                                                          \
    {                                                                                              \
        use("libcrypto");                                                                          \
        name();                                                                                    \
    }                                                                                              \
    static void name(void)

static void write_length(uint8_t *at, size_t length)
{
    at[0] = (uint8_t)(length >> 24);
    at[1] = (uint8_t)(length >> 16);
    at[2] = (uint8_t)(length >> 8);
    at[3] = (uint8_t)length;
}

static uint32_t read_length(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A packet of exactly as many bytes as it needs, so that AddressSanitizer sees one more. */
static uint8_t *make_packet(const struct cipher_spec *spec, size_t body_len)
{
    uint8_t *packet = (uint8_t *)malloc(CIPHER_LENGTH_LEN + body_len + spec->tag_len);
    cr_assert(packet != NULL);
    write_length(packet, body_len);
    for (size_t i = 0; i < body_len; i++) {
        packet[CIPHER_LENGTH_LEN + i] = (uint8_t)(i * 7 + 3);
    }
    return packet;
}

static void expect_clear(const uint8_t *packet, size_t body_len)
{
    cr_assert_eq(read_length(packet), body_len);
    for (size_t i = 0; i < body_len; i++) {
        cr_assert_eq(packet[CIPHER_LENGTH_LEN + i], (uint8_t)(i * 7 + 3), "byte %zu of %zu", i,
                     body_len);
    }
}

/* Key bytes 0, 1, 2 ...; an IV of a fixed field and a counter that soon carries. */
static struct cipher make_cipher(const struct cipher_spec *spec)
{
    uint8_t key[CIPHER_KEY_MAX];
    uint8_t iv[CIPHER_IV_MAX];
    struct cipher cipher;
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)i;
    }
    vector_read("0102030400000000000000fe", iv, sizeof(iv));
    cr_assert(cipher_init(&cipher, spec, key, spec->iv_len > 0 ? iv : NULL));
    return cipher;
}

static const struct cipher_spec *find(const char *name)
{
    return cipher_find(name, strlen(name));
}

static const struct cipher_spec *find_or_skip(const char *name)
{
    const struct cipher_spec *spec = find(name);
    if (spec == NULL) {
        cr_skip_test("no AES in this CPU, or not by this provider");
    }
    return spec;
}

BOTH(table)
{
    const struct cipher_spec *spec = cipher_at(0);
    cr_assert_str_eq(spec->name, chacha_name);
    cr_assert_eq(spec->key_len, 64);
    cr_assert_eq(spec->iv_len, 0);
    cr_assert_eq(spec->tag_len, 16);
    cr_assert_eq(spec->block_len, 8);
    cr_assert_eq(spec->rekey_bytes, UINT64_C(1073741824));
    cr_assert(spec->needs_strict_kex);

    for (size_t i = 0; (spec = cipher_at(i)) != NULL; i++) {
        cr_assert_eq(find(spec->name), spec);
        cr_assert_leq(spec->key_len, CIPHER_KEY_MAX);
        cr_assert_leq(spec->iv_len, CIPHER_IV_MAX);
        cr_assert_leq(spec->tag_len, CIPHER_TAG_MAX);
    }
    cr_assert_null(cipher_at(libcrypto_used ? 3 : 2));
    cr_assert_null(cipher_at(SIZE_MAX));
}

BOTH(table_aesgcm)
{
    const struct cipher_spec *spec = find_or_skip(aesgcm_name);
    cr_assert_eq(spec, cipher_at(libcrypto_used ? 2 : 1));
    cr_assert_eq(spec->key_len, 32);
    cr_assert_eq(spec->iv_len, 12);
    cr_assert_eq(spec->tag_len, 16);
    cr_assert_eq(spec->block_len, 16);
    cr_assert_eq(spec->rekey_bytes, UINT64_C(68719476736));
    cr_assert_not(spec->needs_strict_kex);
}

BOTH(table_aes128gcm)
{
    const struct cipher_spec *spec = find_or_skip(aes128gcm_name);
    cr_assert(libcrypto_used);
    cr_assert_eq(spec, cipher_at(1));
    cr_assert_eq(spec->key_len, 16);
    cr_assert_eq(spec->iv_len, 12);
    cr_assert_eq(spec->tag_len, 16);
    cr_assert_eq(spec->block_len, 16);
    cr_assert_eq(spec->rekey_bytes, UINT64_C(68719476736));
    cr_assert_not(spec->needs_strict_kex);
}

/* Both or none: what decides is the CPU. */
BOTH(table_has_aes128gcm_beside_aes256gcm)
{
    cr_assert_eq(find(aes128gcm_name) != NULL, libcrypto_used && find(aesgcm_name) != NULL);
}

BOTH(find_takes_whole_names_only)
{
    size_t len = strlen(chacha_name);
    for (size_t i = 0; i < len; i++) {
        cr_assert_null(cipher_find(chacha_name, i));
    }
    cr_assert_not_null(cipher_find(chacha_name, len));
    cr_assert_not_null(cipher_find("chacha20-poly1305@openssh.com,none", len));
    cr_assert_null(find("chacha20-poly1305@openssh.comx"));
    cr_assert_null(find("aes192-gcm@openssh.com"));
    cr_assert_null(find("none"));
    cr_assert_null(find(""));
}

/*
 * The expected bytes of these two tests were computed by a ChaCha20 and a Poly1305 written for the
 * purpose in Python from RFC 8439 and the draft's text, sharing nothing with libsodium; they
 * reproduce RFC 8439 2.5.2 and the well-known first block of the all-zero key, and their key stream
 * was compared with OpenSSL's. Keys are bytes 0 to 63, body byte i is 7 i + 3.
 */
BOTH(chacha_expected_bytes)
{
    const struct cipher_spec *spec = find(chacha_name);
    struct cipher cipher = make_cipher(spec);

    uint8_t *packet = make_packet(spec, 8);
    cipher_seal(&cipher, 0x01020304, packet, 12);
    vector_expect(packet, 28, "bc79807395c80daac4370b9daca15154c1bc3ca51c664f4f7b2930f7");
    free(packet);

    packet = make_packet(spec, 64);
    cipher_seal(&cipher, 0, packet, 68);
    vector_expect(packet, 84,
                  "94450e191bb25329b2c08be528231531f81d2b4b8bcb727d6e3bc6f8474a45d2edfba08091e2f995"
                  "2ee8314986a3711453304570c8fa9736b12b244a86b8d3df963bef71c3826127bc95ad0d64af31c2"
                  "3089409b");
    free(packet);
    cipher_wipe(&cipher);
}

struct long_vector {
    size_t body_len;
    const char *sha256;
};

/* Lengths around the places where the key stream is made in another way. */
BOTH(chacha_expected_long_packets)
{
    static const struct long_vector vectors[] = {
        {440, "5d68137ef6556c6147ac3f3d498dd71e3f6d43ba74ed3e1990909617baf85220"},
        {448, "235d675f3cded0503d05a35f4f6d14be047043daaa2b5826cd07c3e1e6be4f4e"},
        {456, "eeb83ced74c2a436777fa1dd93ad2b6b7b01b5320ae9977f53f4f48625bfbd70"},
        {512, "dd53b494b848f0f6c97d4c7702cf579db20b4cc7f318189789e3203df5ad422b"},
        {960, "b6ad2925162d2b6ce9be70c431e76a3c43b44f087c93b285662912f4d793ea16"},
        {968, "9ce4c7737de875efde4ae56e7ab4b62c41500811bfd6a38691c0ea9c9072eca4"},
        {1024, "f3ff855a714b7d5b027986fd0102b6e842126f6c259ab106afb6047c3a02e4ec"},
        {1032, "be19942fd82130ab514ae56b8d033b46ca63909ba86528ba4ba4445343c930f0"},
        {1472, "ba1e5a12a243116f4875f72da65c9a4557cfb4a584c774c53b93f0870991bb0c"},
        {4096, "58dade686ce2407826a540d2ccb6aeb7f1dfecd3f1946f70c26519eae245cb77"},
        {32768, "e10a430915052dcedaca64e43d248c6128cd4eb46bbb5d8eee4b0414e231fd2b"},
    };
    const struct cipher_spec *spec = find(chacha_name);
    struct cipher cipher = make_cipher(spec);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t len = CIPHER_LENGTH_LEN + vectors[i].body_len;
        uint8_t digest[HASH_SHA256_LEN];
        uint8_t *packet = make_packet(spec, vectors[i].body_len);
        cipher_seal(&cipher, UINT32_MAX, packet, len);
        hash_of(HASH_SHA256, packet, len + spec->tag_len, digest);
        vector_expect(digest, sizeof(digest), vectors[i].sha256);
        free(packet);
    }
    cipher_wipe(&cipher);
}

static const char gcm_key[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
static const char gcm_clear[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";

static struct cipher make_gcm(const struct cipher_spec *spec, const char *iv_hex)
{
    uint8_t key[32];
    uint8_t iv[12];
    struct cipher cipher;
    /* AES-128 takes its first half, as the published cases do */
    vector_read(gcm_key, key, sizeof(key));
    vector_read(iv_hex, iv, sizeof(iv));
    cr_assert(cipher_init(&cipher, spec, key, iv));
    return cipher;
}

static void seal_gcm(struct cipher *cipher, uint8_t packet[84])
{
    write_length(packet, 64);
    vector_read(gcm_clear, packet + CIPHER_LENGTH_LEN, 64);
    cipher_seal(cipher, 77, packet, 68);
}

/*
 * Test case 15 of the GCM specification submitted to NIST (McGrew and Viega): key, IV, text and
 * ciphertext. Its additional data is empty where an SSH packet has 4 bytes of length, which changes
 * the tag alone; that tag, and the whole second packet, were computed by OpenSSL's AES-256-GCM,
 * which also gave the published tag for the published case.
 */
BOTH(aesgcm_published_vector)
{
    struct cipher cipher = make_gcm(find_or_skip(aesgcm_name), "cafebabefacedbaddecaf888");
    uint8_t packet[84];
    seal_gcm(&cipher, packet);
    vector_expect(packet, sizeof(packet),
                  "00000040"
                  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
                  "4c94d832c068679ac9246e9aa8d1987a");
    seal_gcm(&cipher, packet);
    vector_expect(packet, sizeof(packet),
                  "00000040"
                  "46446ebb3f662e2bc2c3b3306a49d8b172227f8aadbc2cbb429bf8f83863be0c"
                  "01e49effabd136797d9e5813f35408172812c562f49719c09b9d6034b48c108a"
                  "244a3a9811a09e1e9d1e8a41224a1e32");
    cipher_wipe(&cipher);
}

/* Test case 3 of the same; its tag and the second packet are from an AES-GCM written for the
 * purpose in Python from the specification, which gave the published tag for the published case. */
BOTH(aes128gcm_published_vector)
{
    struct cipher cipher = make_gcm(find_or_skip(aes128gcm_name), "cafebabefacedbaddecaf888");
    uint8_t packet[84];
    seal_gcm(&cipher, packet);
    vector_expect(packet, sizeof(packet),
                  "00000040"
                  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
                  "e6114f6468325271e9b03b510a6dff85");
    seal_gcm(&cipher, packet);
    vector_expect(packet, sizeof(packet),
                  "00000040"
                  "5c21c68aa9787c7294b2d7a47a6e8e4d8adafeea894bf504323d55f62afe5ba1"
                  "18a028444d260b032d4936a7a62acedcb095f614fed4092166b3c89f8bfb6a26"
                  "18b9f3f32d9bd01561a21b00a1e07be5");
    cipher_wipe(&cipher);
}

/* The counter carries through its 8 bytes and never into the fixed field (OpenSSL's bytes). */
BOTH(aesgcm_counter_carries)
{
    struct cipher cipher = make_gcm(find_or_skip(aesgcm_name), "cafebabeffffffffffffffff");
    uint8_t packet[84];
    uint8_t digest[HASH_SHA256_LEN];
    seal_gcm(&cipher, packet);
    hash_of(HASH_SHA256, packet + CIPHER_LENGTH_LEN, 80, digest);
    vector_expect(digest, sizeof(digest),
                  "f52ece0a388f274c0ca8bb960384e776e8864f98c64d2beca44c06bfc7600111");
    seal_gcm(&cipher, packet);
    hash_of(HASH_SHA256, packet + CIPHER_LENGTH_LEN, 80, digest);
    vector_expect(digest, sizeof(digest),
                  "cce53e72c8b50bb2972f2222229ee4e977eb4000e9e23ae46c7e67a79daf0936");
    cipher_wipe(&cipher);
}

static void round_trip(struct cipher ends[2], uint32_t sequence, size_t body_len)
{
    size_t len = CIPHER_LENGTH_LEN + body_len;
    uint8_t *packet = make_packet(ends[0].spec, body_len);
    cipher_seal(&ends[0], sequence, packet, len);
    cr_assert_eq(cipher_peek(&ends[1], sequence, packet), body_len);
    cr_assert(cipher_open(&ends[1], sequence, packet, len), "%zu bytes", body_len);
    expect_clear(packet, body_len);
    free(packet);
}

BOTH(there_and_back_at_every_length)
{
    static const size_t big[] = {4095, 8192, 16384, 32776, 35000, 65536, 262136, 262140, 262144};
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        struct cipher ends[2] = {make_cipher(spec), make_cipher(spec)};
        uint32_t sequence = UINT32_MAX - 500;
        for (size_t body_len = 1; body_len <= 1700; body_len++) {
            round_trip(ends, sequence, body_len);
            sequence++;
        }
        for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++) {
            round_trip(ends, sequence, big[i]);
            sequence++;
        }
        cipher_wipe(&ends[0]);
        cipher_wipe(&ends[1]);
    }
}

/* A stream cipher encrypts the start of a packet alike, however long the packet is. */
BOTH(every_length_is_a_prefix_of_a_longer_one)
{
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        struct cipher cipher = make_cipher(spec);
        uint8_t *whole = make_packet(spec, 4096);
        cipher_seal(&cipher, 9, whole, CIPHER_LENGTH_LEN + 4096);
        for (size_t body_len = 1; body_len < 4096; body_len += 1 + body_len / 700) {
            uint8_t *packet = make_packet(spec, body_len);
            cipher_wipe(&cipher);
            cipher = make_cipher(spec);
            cipher_seal(&cipher, 9, packet, CIPHER_LENGTH_LEN + body_len);
            cr_assert_eq(memcmp(packet + CIPHER_LENGTH_LEN, whole + CIPHER_LENGTH_LEN, body_len), 0,
                         "%s, %zu bytes", spec->name, body_len);
            free(packet);
        }
        free(whole);
        cipher_wipe(&cipher);
    }
}

struct damage {
    size_t at;
    uint8_t bit;
};

/* Refused, nothing of the text shows, and the undamaged packet opens afterwards. */
static void expect_refused(const struct cipher_spec *spec, const uint8_t *sealed, size_t body_len,
                           struct damage damage)
{
    size_t len = CIPHER_LENGTH_LEN + body_len;
    struct cipher cipher = make_cipher(spec);
    uint8_t *clear = make_packet(spec, body_len);
    uint8_t *packet = make_packet(spec, body_len);

    memcpy(packet, sealed, len + spec->tag_len);
    packet[damage.at] ^= damage.bit;
    cr_assert_not(cipher_open(&cipher, 5, packet, len), "%s: bit %u of byte %zu", spec->name,
                  damage.bit, damage.at);
    for (size_t i = CIPHER_LENGTH_LEN; i + 8 <= len; i += 8) {
        cr_assert_neq(memcmp(packet + i, clear + i, 8), 0, "decrypted at %zu", i);
    }

    memcpy(packet, sealed, len + spec->tag_len);
    cr_assert(cipher_open(&cipher, 5, packet, len), "%s: not open after damage", spec->name);
    expect_clear(packet, body_len);
    free(clear);
    free(packet);
    cipher_wipe(&cipher);
}

BOTH(damage_at_every_byte_is_refused)
{
    static const size_t body_lens[] = {8, 64, 1032};
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        for (size_t i = 0; i < sizeof(body_lens) / sizeof(body_lens[0]); i++) {
            size_t len = CIPHER_LENGTH_LEN + body_lens[i];
            struct cipher cipher = make_cipher(spec);
            uint8_t *sealed = make_packet(spec, body_lens[i]);
            cipher_seal(&cipher, 5, sealed, len);
            for (size_t at = 0; at < len + spec->tag_len; at++) {
                expect_refused(spec, sealed, body_lens[i],
                               (struct damage){.at = at, .bit = (uint8_t)(1 << at % 8)});
            }
            free(sealed);
            cipher_wipe(&cipher);
        }
    }
}

BOTH(chacha_refusal_leaves_the_packet_alone)
{
    const struct cipher_spec *spec = find(chacha_name);
    struct cipher cipher = make_cipher(spec);
    uint8_t *packet = make_packet(spec, 640);
    uint8_t *copy = make_packet(spec, 640);
    cipher_seal(&cipher, 0, packet, 644);
    packet[100] ^= 1;
    memcpy(copy, packet, 660);
    cr_assert_not(cipher_open(&cipher, 0, packet, 644));
    cr_assert_arr_eq(packet, copy, 660);
    free(packet);
    free(copy);
    cipher_wipe(&cipher);
}

BOTH(another_length_is_refused)
{
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        for (size_t len = 0; len < CIPHER_LENGTH_LEN + 64; len++) {
            struct cipher cipher = make_cipher(spec);
            uint8_t *packet = make_packet(spec, 64);
            cipher_seal(&cipher, 0, packet, CIPHER_LENGTH_LEN + 64);
            cipher_wipe(&cipher);
            cipher = make_cipher(spec);
            cr_assert_not(cipher_open(&cipher, 0, packet, len), "%s: %zu", spec->name, len);
            free(packet);
            cipher_wipe(&cipher);
        }
    }
}

BOTH(chacha_wrong_sequence_is_refused)
{
    static const uint32_t others[] = {0, 8, 6, 7 << 8, 7 << 16, 0x07000000, UINT32_MAX};
    const struct cipher_spec *spec = find(chacha_name);
    struct cipher cipher = make_cipher(spec);
    uint8_t *packet = make_packet(spec, 64);
    cipher_seal(&cipher, 7, packet, 68);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_assert_neq(cipher_peek(&cipher, others[i], packet), 64);
        cr_assert_not(cipher_open(&cipher, others[i], packet, 68));
    }
    cr_assert(cipher_open(&cipher, 7, packet, 68));
    free(packet);
    cipher_wipe(&cipher);
}

/* Replayed, skipped and swapped packets: GCM's counter is the position. */
BOTH(aesgcm_out_of_order_is_refused)
{
    const struct cipher_spec *spec = find_or_skip(aesgcm_name);
    struct cipher sender = make_cipher(spec);
    struct cipher receiver = make_cipher(spec);
    uint8_t *packets[3];
    uint8_t *copy = make_packet(spec, 32);
    for (uint32_t i = 0; i < 3; i++) {
        packets[i] = make_packet(spec, 32);
        cipher_seal(&sender, i, packets[i], 36);
    }
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t j = 0; j < 3; j++) {
            memcpy(copy, packets[j], 52);
            cr_assert(i == j || !cipher_open(&receiver, i, copy, 36), "%u for %u", j, i);
        }
        memcpy(copy, packets[i], 52);
        cr_assert(cipher_open(&receiver, i, copy, 36));
        expect_clear(copy, 32);
    }
    for (size_t i = 0; i < 3; i++) {
        free(packets[i]);
    }
    free(copy);
    cipher_wipe(&sender);
    cipher_wipe(&receiver);
}

BOTH(wrong_key_is_refused)
{
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        struct cipher sender = make_cipher(spec);
        uint8_t *packet = make_packet(spec, 64);
        uint8_t key[CIPHER_KEY_MAX] = {1};
        uint8_t iv[CIPHER_IV_MAX] = {0};
        struct cipher other;
        cr_assert(cipher_init(&other, spec, key, iv));
        cipher_seal(&sender, 0, packet, 68);
        cr_assert_not(cipher_open(&other, 0, packet, 68));
        free(packet);
        cipher_wipe(&sender);
        cipher_wipe(&other);
    }
}

static void expect_zero(const struct cipher *cipher)
{
    static const uint8_t zeros[CIPHER_STATE_LEN];
    cr_assert_null(cipher->spec);
    cr_assert_arr_eq(cipher->state, zeros, sizeof(zeros));
}

BOTH(wipe_leaves_no_key)
{
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        struct cipher cipher = make_cipher(spec);
        cipher_wipe(&cipher);
        expect_zero(&cipher);
        cipher_wipe(&cipher);
        expect_zero(&cipher);
    }
}

BOTH(wipe_takes_what_never_had_a_key)
{
    struct cipher cipher = {0};
    cipher_wipe(&cipher);
    expect_zero(&cipher);
}

/* A packet refused, whatever its length, leaves no trace in the ones behind it. */
BOTH(refusals_between_packets_of_all_sizes)
{
    static const size_t body_lens[] = {16, 192, 208, 256, 272, 320, 960, 976, 4096, 32768};
    const struct cipher_spec *spec;
    for (size_t row = 0; (spec = cipher_at(row)) != NULL; row++) {
        struct cipher ends[2] = {make_cipher(spec), make_cipher(spec)};
        for (uint32_t i = 0; i < 100; i++) {
            size_t forged_len = CIPHER_LENGTH_LEN + body_lens[i / 10];
            uint8_t *forged = make_packet(spec, body_lens[i / 10]);
            memset(forged + forged_len, 0, spec->tag_len);
            cr_assert_not(cipher_open(&ends[1], i, forged, forged_len));
            round_trip(ends, i, body_lens[i % 10]);
            free(forged);
        }
        cipher_wipe(&ends[0]);
        cipher_wipe(&ends[1]);
    }
}
