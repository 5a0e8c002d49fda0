/*
 * X25519 against RFC 7748, the shares that must be refused, and the secrets' own helpers.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/ecdh.h"
#include "crypto/provider.h"
#include "tests/unit/vector.h"

static void start(void)
{
    cr_assert(provider_start());
}

TestSuite(ecdh, .init = start);

static void expect_product(const char *scalar, const char *point, const char *product)
{
    struct secret32 secret;
    struct secret32 shared;
    uint8_t share[ECDH_SHARE_LEN];
    vector_read(scalar, secret.bytes, sizeof(secret.bytes));
    vector_read(point, share, sizeof(share));
    cr_assert(ecdh_agree(&secret, share, &shared));
    vector_expect(shared.bytes, sizeof(shared.bytes), product);
}

Test(ecdh, rfc_7748_section_5_2)
{
    expect_product("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                   "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                   "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    expect_product("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                   "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                   "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

Test(ecdh, rfc_7748_a_thousand_times)
{
    struct secret32 k = {.bytes = {9}};
    uint8_t u[ECDH_SHARE_LEN] = {9};
    for (int i = 0; i < 1000; i++) {
        struct secret32 next;
        cr_assert(ecdh_agree(&k, u, &next));
        memcpy(u, k.bytes, sizeof(u));
        k = next;
        if (i == 0) {
            vector_expect(k.bytes, sizeof(k.bytes),
                          "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        }
    }
    vector_expect(k.bytes, sizeof(k.bytes),
                  "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/* An entropy source that gives one fixed secret. */
static void fill_fixed(void *ctx, void *ret_bytes, size_t len)
{
    cr_assert_eq(len, sizeof(struct secret32));
    vector_read((const char *)ctx, (uint8_t *)ret_bytes, len);
}

Test(ecdh, rfc_7748_section_6_1)
{
    static char alice_hex[] = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    static char bob_hex[] = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    static const char agreed[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    struct entropy for_alice = {.fill = fill_fixed, .ctx = alice_hex};
    struct entropy for_bob = {.fill = fill_fixed, .ctx = bob_hex};
    struct secret32 alice;
    struct secret32 bob;
    struct secret32 shared;
    uint8_t alice_public[ECDH_SHARE_LEN];
    uint8_t bob_public[ECDH_SHARE_LEN];

    ecdh_make(&for_alice, &alice, alice_public);
    ecdh_make(&for_bob, &bob, bob_public);
    vector_expect(alice_public, sizeof(alice_public),
                  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    vector_expect(bob_public, sizeof(bob_public),
                  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    cr_assert(ecdh_agree(&alice, bob_public, &shared));
    vector_expect(shared.bytes, sizeof(shared.bytes), agreed);
    cr_assert(ecdh_agree(&bob, alice_public, &shared));
    vector_expect(shared.bytes, sizeof(shared.bytes), agreed);
}

Test(ecdh, fresh_pairs_agree_and_differ)
{
    struct entropy_seeded state;
    struct entropy entropy = entropy_seeded(&state, 7);
    struct secret32 a;
    struct secret32 b;
    struct secret32 of_a;
    struct secret32 of_b;
    uint8_t a_public[ECDH_SHARE_LEN];
    uint8_t b_public[ECDH_SHARE_LEN];
    for (int i = 0; i < 20; i++) {
        ecdh_make(&entropy, &a, a_public);
        ecdh_make(&entropy, &b, b_public);
        cr_assert_arr_neq(a_public, b_public, sizeof(a_public));
        cr_assert(ecdh_agree(&a, b_public, &of_a));
        cr_assert(ecdh_agree(&b, a_public, &of_b));
        cr_assert_arr_eq(of_a.bytes, of_b.bytes, sizeof(of_a.bytes));
    }
}

/* Orders 1, 2, 4 and 8 on the curve and its twist, and their other encodings above 2^255 - 19. */
Test(ecdh, low_order_shares_are_refused)
{
    static const char *const shares[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const uint8_t zeros[32];
    struct secret32 secret;
    struct secret32 shared;
    uint8_t share[ECDH_SHARE_LEN];

    memset(secret.bytes, 0x42, sizeof(secret.bytes));
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        vector_read(shares[i], share, sizeof(share));
        for (int top = 0; top < 2; top++) {
            /* X25519 ignores the top bit */
            share[31] ^= (uint8_t)(top << 7);
            memset(shared.bytes, 0xff, sizeof(shared.bytes));
            cr_assert_not(ecdh_agree(&secret, share, &shared), "share %zu, top bit %d", i, top);
            cr_assert_arr_eq(shared.bytes, zeros, sizeof(zeros));
        }
    }
}

Test(ecdh, secrets_compare_at_every_byte)
{
    uint8_t a[33] = {0};
    uint8_t b[33] = {0};
    cr_assert(secret_equal(a, b, sizeof(a)));
    cr_assert(secret_equal(a, b, 0));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 0x80;
        cr_assert_not(secret_equal(a, b, sizeof(a)), "byte %zu", i);
        cr_assert(secret_equal(a, b, i));
        b[i] = 0;
    }
}

Test(ecdh, secrets_are_wiped_and_nothing_else)
{
    uint8_t bytes[34];
    memset(bytes, 0xee, sizeof(bytes));
    secret_wipe(bytes + 1, 32);
    cr_assert_eq(bytes[0], 0xee);
    cr_assert_eq(bytes[33], 0xee);
    for (size_t i = 1; i < 33; i++) {
        cr_assert_eq(bytes[i], 0);
    }
}
