/*
 * SHA-256, SHA-512 and HMAC-SHA1 against published vectors, and in every way of feeding them.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/provider.h"
#include "tests/unit/vector.h"

static void start(void)
{
    cr_assert(provider_start());
}

TestSuite(hash, .init = start);

static void expect_hash(enum hash_kind kind, const char *text, const char *hex)
{
    uint8_t digest[HASH_LEN_MAX];
    hash_of(kind, text, strlen(text), digest);
    vector_expect(digest, hash_len(kind), hex);
}

Test(hash, sha256_fips_180)
{
    expect_hash(HASH_SHA256, "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_hash(HASH_SHA256, "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_hash(HASH_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(hash, sha512_fips_180)
{
    expect_hash(HASH_SHA512, "",
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
    expect_hash(HASH_SHA512, "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    expect_hash(HASH_SHA512,
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909");
}

Test(hash, a_million_bytes_in_uneven_pieces)
{
    char piece[999];
    memset(piece, 'a', sizeof(piece));
    struct hash small;
    struct hash big;
    hash_start(&small, HASH_SHA256);
    hash_start(&big, HASH_SHA512);
    for (size_t left = 1000000; left > 0;) {
        size_t len = left < sizeof(piece) ? left : sizeof(piece);
        hash_add(&small, piece, len);
        hash_add(&big, piece, len);
        left -= len;
    }
    uint8_t digest[HASH_LEN_MAX];
    hash_finish(&small, digest);
    vector_expect(digest, HASH_SHA256_LEN,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hash_finish(&big, digest);
    vector_expect(digest, HASH_SHA512_LEN,
                  "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                  "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
}

static void expect_all_splits(enum hash_kind kind)
{
    uint8_t message[300];
    uint8_t whole[HASH_LEN_MAX];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)(i * 7);
    }
    hash_of(kind, message, sizeof(message), whole);

    for (size_t split = 0; split <= sizeof(message); split++) {
        struct hash hash;
        uint8_t parts[HASH_LEN_MAX];
        hash_start(&hash, kind);
        hash_add(&hash, message, split);
        hash_add(&hash, message + split, sizeof(message) - split);
        hash_finish(&hash, parts);
        cr_assert_arr_eq(parts, whole, hash_len(kind), "split at %zu", split);
    }
}

Test(hash, every_split_gives_the_same)
{
    expect_all_splits(HASH_SHA256);
    expect_all_splits(HASH_SHA512);
}

Test(hash, a_copy_is_a_fork)
{
    for (int kind = HASH_SHA256; kind <= HASH_SHA512; kind++) {
        struct hash trunk;
        uint8_t left[HASH_LEN_MAX];
        uint8_t right[HASH_LEN_MAX];
        uint8_t expected[HASH_LEN_MAX];
        hash_start(&trunk, (enum hash_kind)kind);
        hash_add(&trunk, "K and H", 7);
        struct hash fork = trunk;
        hash_add(&fork, "A", 1);
        hash_finish(&fork, left);
        hash_add(&trunk, "B", 1);
        hash_finish(&trunk, right);

        hash_of((enum hash_kind)kind, "K and HA", 8, expected);
        cr_assert_arr_eq(left, expected, hash_len((enum hash_kind)kind));
        hash_of((enum hash_kind)kind, "K and HB", 8, expected);
        cr_assert_arr_eq(right, expected, hash_len((enum hash_kind)kind));
    }
}

Test(hash, finish_wipes_the_state)
{
    static const uint8_t zeros[sizeof(((struct hash *)0)->state)];
    struct hash hash;
    uint8_t digest[HASH_LEN_MAX];
    hash_start(&hash, HASH_SHA512);
    hash_add(&hash, "secret", 6);
    hash_finish(&hash, digest);
    cr_assert_arr_eq(hash.state, zeros, sizeof(zeros));
}

Test(hash, nothing_added_by_no_bytes)
{
    uint8_t digest[HASH_LEN_MAX];
    hash_of(HASH_SHA256, NULL, 0, digest);
    vector_expect(digest, HASH_SHA256_LEN,
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

struct hmac_vector {
    const char *key;
    size_t key_len;
    const char *text;
    const char *mac;
};

#define TEN(x)    x x x x x x x x x x
#define TWENTY(x) TEN(x) TEN(x)
#define FIFTY(x)  TWENTY(x) TWENTY(x) TEN(x)

Test(hash, hmac_sha1_rfc_2202)
{
    static const struct hmac_vector vectors[] = {
        {TWENTY("\x0b"), 20, "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
        {"Jefe", 4, "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {TWENTY("\xaa"), 20, FIFTY("\xdd"), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
        {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16"
         "\x17\x18\x19",
         25, FIFTY("\xcd"), "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
        {TWENTY("\x0c"), 20, "Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
        {FIFTY("\xaa") TWENTY("\xaa") TEN("\xaa"), 80,
         "Test Using Larger Than Block-Size Key - Hash Key First",
         "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
        {FIFTY("\xaa") TWENTY("\xaa") TEN("\xaa"), 80,
         "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
         "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t mac[HASH_SHA1_LEN];
        hash_hmac_sha1(vectors[i].key, vectors[i].key_len, vectors[i].text, strlen(vectors[i].text),
                       mac);
        vector_expect(mac, sizeof(mac), vectors[i].mac);
    }
}

/* The expected digest was made with Python's hmac and hashlib: SHA-256 over the 301 MACs. */
Test(hash, hmac_sha1_of_every_length)
{
    struct hash all;
    uint8_t key[300];
    uint8_t message[300];
    uint8_t mac[HASH_SHA1_LEN];
    uint8_t digest[HASH_SHA256_LEN];

    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i * 5 + 1);
        message[i] = (uint8_t)(i * 3);
    }
    hash_start(&all, HASH_SHA256);
    for (size_t len = 0; len <= sizeof(key); len++) {
        hash_hmac_sha1(key, len, message, len, mac);
        hash_add(&all, mac, sizeof(mac));
    }
    hash_finish(&all, digest);
    vector_expect(digest, sizeof(digest),
                  "671f174c44a8f41b8c79166ad420f08302d4b4e3b17ffa25591e03ec798940bd");
}

/* A line that ssh-keygen -H of OpenSSH 9.2 made. */
Test(hash, hmac_sha1_hides_a_host_as_openssh_does)
{
    static const char host[] = "host.example.org";
    uint8_t salt[HASH_SHA1_LEN];
    uint8_t expected[HASH_SHA1_LEN];
    uint8_t mac[HASH_SHA1_LEN];
    size_t len;
    cr_assert(encode_base64_decode("GJVUxBiAtDE7BjJ0rcBHcXXYrdQ=", 28, salt, sizeof(salt), &len));
    cr_assert_eq(len, sizeof(salt));
    cr_assert(
        encode_base64_decode("u5aNovuZlmBhwnoJveSqj2a8J8w=", 28, expected, sizeof(expected), &len));
    cr_assert_eq(len, sizeof(expected));
    hash_hmac_sha1(salt, sizeof(salt), host, strlen(host), mac);
    cr_assert_arr_eq(mac, expected, sizeof(mac));
}
