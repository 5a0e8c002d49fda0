/*
 * proto/kex: both roles come to the same hash and keys, computed here once more by hand; what a
 * peer can send wrong is refused.
 */
#include <criterion/criterion.h>

#include "crypto/hash.h"
#include "crypto/provider.h"
#include "proto/kex.h"
#include "proto/keytext.h"

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct kex_names names_make(void)
{
    return (struct kex_names){text_slice("SSH-2.0-c"), text_slice("SSH-2.0-s"),
                              text_slice("client init"), text_slice("server init")};
}

struct both {
    struct kex client, server;
    struct sign_key key;
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
};

static void agree(struct both *both, uint64_t seed)
{
    struct entropy_seeded state;
    cr_assert(provider_start());
    struct entropy entropy = entropy_seeded(&state, seed);
    struct kex_names names = names_make();
    sign_key_make(&entropy, &both->key);
    keytext_from_ed25519(both->key.public, both->blob);
    kex_start(&both->client, HASH_SHA256, &names, &entropy);
    kex_start(&both->server, HASH_SHA256, &names, &entropy);
    struct kex_shares shares = {{both->blob, sizeof both->blob},
                                {both->client.share, ECDH_SHARE_LEN},
                                {both->server.share, ECDH_SHARE_LEN}};
    cr_assert_eq(kex_agree(&both->client, &shares, true), ERR_OK);
    cr_assert_eq(kex_agree(&both->server, &shares, false), ERR_OK);
}

/* H = HASH(V_C, V_S, I_C, I_S, K_S, Q_C, Q_S, K), RFC 5656 4, written out; from the shared secret
 * that both have. */
static void hash_by_hand(const struct both *both, uint8_t *ret_digest)
{
    uint8_t text[1024];
    struct wire_out out = wire_out_make(text, sizeof text);
    wire_put_text(&out, "SSH-2.0-c");
    wire_put_text(&out, "SSH-2.0-s");
    wire_put_text(&out, "client init");
    wire_put_text(&out, "server init");
    wire_put_string(&out, both->blob, sizeof both->blob);
    wire_put_string(&out, both->client.share, ECDH_SHARE_LEN);
    wire_put_string(&out, both->server.share, ECDH_SHARE_LEN);
    wire_put_mpint(&out, both->client.shared.bytes, 32);
    hash_of(HASH_SHA256, text, wire_out_len(&out), ret_digest);
}

Test(kex, both_roles_agree)
{
    /* secrets whose first byte is 0 or has its top bit set are among them */
    bool zero = false;
    bool top = false;
    for (uint64_t seed = 0; seed < 600; seed++) {
        struct both both;
        uint8_t digest[HASH_SHA256_LEN];
        agree(&both, seed);
        cr_assert_arr_eq(both.client.digest, both.server.digest, HASH_SHA256_LEN);
        cr_assert_arr_eq(both.client.shared.bytes, both.server.shared.bytes, 32);
        hash_by_hand(&both, digest);
        cr_assert_arr_eq(both.client.digest, digest, HASH_SHA256_LEN, "seed %lu", seed);
        zero = zero || both.client.shared.bytes[0] == 0;
        top = top || both.client.shared.bytes[0] >= 0x80;
    }
    cr_assert(zero && top);
}

/* K1 = HASH(K || H || X || session_id), K2 = HASH(K || H || K1) (RFC 4253 7.2). */
Test(kex, keys_by_hand)
{
    struct both both;
    uint8_t text[512];
    uint8_t made[64];
    uint8_t want[64];
    agree(&both, 7);
    for (char letter = 'A'; letter <= 'F'; letter++) {
        for (int later = 0; later < 2; later++) {
            struct slice id = {later ? both.blob : both.client.digest, 32};
            struct wire_out out = wire_out_make(text, sizeof text);
            wire_put_mpint(&out, both.client.shared.bytes, 32);
            wire_put_raw(&out, both.client.digest, 32);
            struct wire_out second = out;
            wire_put_u8(&out, (uint8_t)letter);
            wire_put_raw(&out, id.bytes, 32);
            hash_of(HASH_SHA256, text, wire_out_len(&out), want);
            wire_put_raw(&second, want, 32);
            hash_of(HASH_SHA256, text, wire_out_len(&second), want + 32);
            for (size_t len = 0; len <= 64; len++) {
                kex_derive(&both.server, id, letter, made, len);
                cr_assert(len == 0 || memcmp(made, want, len) == 0, "%c %zu", letter, len);
            }
        }
    }
}

Test(kex, shares_that_are_refused)
{
    /* the points of small order that RFC 7748 6.1 warns of, and the two encodings over p */
    static const uint8_t points[][32] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
         0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
         0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
         0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
         0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    struct entropy_seeded state;
    cr_assert(provider_start());
    struct entropy entropy = entropy_seeded(&state, 1);
    struct kex_names names = names_make();
    uint8_t share[64] = {9};
    for (int client = 0; client < 2; client++) {
        for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
            struct kex kex;
            kex_start(&kex, HASH_SHA256, &names, &entropy);
            struct slice theirs = {points[i], 32};
            struct slice ours = {kex.share, 32};
            struct kex_shares shares = {text_slice("key"), client ? ours : theirs,
                                        client ? theirs : ours};
            cr_assert_eq(kex_agree(&kex, &shares, client), ERR_KEX, "%zu", i);
        }
        for (size_t len = 0; len <= sizeof share; len++) {
            struct kex kex;
            kex_start(&kex, HASH_SHA256, &names, &entropy);
            struct slice theirs = {share, len};
            struct slice ours = {kex.share, 32};
            struct kex_shares shares = {text_slice("key"), client ? ours : theirs,
                                        client ? theirs : ours};
            cr_assert_eq(kex_agree(&kex, &shares, client), len == 32 ? ERR_OK : ERR_KEX);
        }
    }
}

Test(kex, signatures_that_are_refused)
{
    struct both both;
    uint8_t raw[SIGN_LEN];
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN];
    agree(&both, 3);
    sign_make(&both.key, both.server.digest, 32, raw);
    keytext_signature_from_ed25519(raw, signature);
    struct slice key = {both.blob, sizeof both.blob};
    struct slice good = {signature, sizeof signature};
    cr_assert(kex_signature_valid(&both.client, key, good));
    for (size_t len = 0; len < good.len; len++) {
        cr_assert(!kex_signature_valid(&both.client, key, (struct slice){signature, len}));
    }
    for (size_t len = 0; len < key.len; len++) {
        cr_assert(!kex_signature_valid(&both.client, (struct slice){both.blob, len}, good));
    }
    for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
        signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert(!kex_signature_valid(&both.client, key, good), "bit %zu", bit);
        signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    both.client.digest[31] ^= 1;
    cr_assert(!kex_signature_valid(&both.client, key, good));
}

Test(kex, nothing_is_left_behind)
{
    struct both both;
    static const uint8_t zeros[sizeof(struct kex)];
    agree(&both, 4);
    kex_wipe(&both.client);
    cr_assert_eq(memcmp(&both.client, zeros, sizeof zeros), 0);
}
