/*
 * Ed25519 against RFC 8032, and the signatures and keys that must be refused.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/provider.h"
#include "crypto/sign.h"
#include "tests/unit/vector.h"

static void start(void)
{
    cr_assert(provider_start());
}

TestSuite(sign, .init = start);

struct sign_vector {
    const char *seed;
    const char *public;
    const char *message;
    const char *signature;
};

/* RFC 8032 section 7.1: TEST 1, 2, 3 and SHA(abc). */
static const struct sign_vector vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
     "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"},
};

Test(sign, rfc_8032)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct sign_vector *vector = &vectors[i];
        uint8_t seed[SIGN_SEED_LEN];
        uint8_t message[64];
        uint8_t signature[SIGN_LEN];
        size_t len = strlen(vector->message) / 2;
        struct sign_key key;

        vector_read(vector->seed, seed, sizeof(seed));
        vector_read(vector->message, message, len);
        sign_key_from_seed(seed, &key);
        cr_assert_arr_eq(key.seed, seed, sizeof(seed));
        vector_expect(key.public, sizeof(key.public), vector->public);
        sign_make(&key, message, len, signature);
        vector_expect(signature, sizeof(signature), vector->signature);
        cr_assert(sign_verify(key.public, message, len, signature));
        cr_assert(sign_public_valid(key.public));
    }
}

struct signed_text {
    struct sign_key key;
    uint8_t text[48];
    uint8_t signature[SIGN_LEN];
};

static struct signed_text make_signed(uint64_t seed)
{
    struct entropy_seeded state;
    struct entropy entropy = entropy_seeded(&state, seed);
    struct signed_text made;
    sign_key_make(&entropy, &made.key);
    entropy_fill(&entropy, made.text, sizeof(made.text));
    sign_make(&made.key, made.text, sizeof(made.text), made.signature);
    return made;
}

static bool verify(const struct signed_text *it)
{
    return sign_verify(it->key.public, it->text, sizeof(it->text), it->signature);
}

Test(sign, a_bit_flipped_anywhere_is_refused)
{
    struct signed_text it = make_signed(1);
    cr_assert(verify(&it));
    for (size_t i = 0; i < 8 * SIGN_LEN; i++) {
        it.signature[i / 8] ^= (uint8_t)(1 << i % 8);
        cr_assert_not(verify(&it), "signature bit %zu", i);
        it.signature[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * sizeof(it.text); i++) {
        it.text[i / 8] ^= (uint8_t)(1 << i % 8);
        cr_assert_not(verify(&it), "text bit %zu", i);
        it.text[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * SIGN_PUBLIC_LEN; i++) {
        it.key.public[i / 8] ^= (uint8_t)(1 << i % 8);
        cr_assert_not(verify(&it), "key bit %zu", i);
        it.key.public[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    cr_assert(verify(&it));
}

Test(sign, truncated_and_extended_text_is_refused)
{
    struct signed_text it = make_signed(2);
    uint8_t longer[sizeof(it.text) + 1] = {0};
    memcpy(longer, it.text, sizeof(it.text));
    for (size_t len = 0; len < sizeof(it.text); len++) {
        cr_assert_not(sign_verify(it.key.public, it.text, len, it.signature));
    }
    cr_assert_not(sign_verify(it.key.public, longer, sizeof(longer), it.signature));
}

/* S + L is the same number modulo the group's order L: the classic second signature. */
Test(sign, malleable_s_is_refused)
{
    struct signed_text it = make_signed(3);
    uint8_t order[32];
    vector_read("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", order,
                sizeof(order));
    for (int times = 1; times <= 7; times++) {
        unsigned carry = 0;
        for (size_t i = 0; i < sizeof(order); i++) {
            unsigned sum = it.signature[32 + i] + order[i] + carry;
            it.signature[32 + i] = (uint8_t)sum;
            carry = sum >> 8;
        }
        cr_assert_eq(carry, 0);
        cr_assert_not(verify(&it), "S + %d L", times);
    }
}

/* All points of order 1, 2, 4 and 8, each also with the sign bit turned, and the encodings of such
 * points with y above 2^255 - 19. A signature of R = identity, S = 0 would suit the first one. */
static const char *const small_keys[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

Test(sign, small_order_keys_are_refused)
{
    for (size_t i = 0; i < sizeof(small_keys) / sizeof(small_keys[0]); i++) {
        uint8_t public[SIGN_PUBLIC_LEN];
        uint8_t signature[SIGN_LEN] = {0};
        vector_read(small_keys[i], public, sizeof(public));
        cr_assert_not(sign_public_valid(public), "%s", small_keys[i]);

        /* R = the identity, then R = the key itself; S = 0 */
        signature[0] = 1;
        for (uint8_t text = 0; text < 16; text++) {
            cr_assert_not(sign_verify(public, &text, 1, signature), "%s", small_keys[i]);
        }
        memcpy(signature, public, sizeof(public));
        for (uint8_t text = 0; text < 16; text++) {
            cr_assert_not(sign_verify(public, &text, 1, signature), "%s", small_keys[i]);
        }
    }
}

/* y = 2^255 - 19 + 3, + 4 and + 18: points of large order, written in a second way. The last is the
 * base point plus a point of order 8; it and y = 2 (no point at all) admit nobody either. */
Test(sign, keys_that_nobody_makes_are_refused)
{
    static const char *const keys[] = {
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
        "98519eadf35b995233b51b5cd23e9cc5a28b639b5a4af0ec903cb960d81b7819",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint8_t public[SIGN_PUBLIC_LEN];
        vector_read(keys[i], public, sizeof(public));
        cr_assert_not(sign_public_valid(public), "%s", keys[i]);
    }
}

Test(sign, honest_keys_are_valid)
{
    for (uint64_t seed = 10; seed < 30; seed++) {
        struct signed_text it = make_signed(seed);
        cr_assert(sign_public_valid(it.key.public));
        cr_assert(verify(&it));
    }
}

Test(sign, another_key_does_not_verify)
{
    struct signed_text it = make_signed(4);
    struct signed_text other = make_signed(5);
    cr_assert_not(sign_verify(other.key.public, it.text, sizeof(it.text), it.signature));
}
