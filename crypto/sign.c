/*
 * Ed25519 by libsodium.
 */
#include "crypto/sign.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "crypto/secret.h"

static_assert((int)crypto_sign_ed25519_BYTES == (int)SIGN_LEN, "Ed25519 signature");
static_assert((int)crypto_sign_ed25519_PUBLICKEYBYTES == (int)SIGN_PUBLIC_LEN, "Ed25519 public");
static_assert((int)crypto_sign_ed25519_SEEDBYTES == (int)SIGN_SEED_LEN, "Ed25519 seed");
/* libsodium's secret key is seed and public half in a row: our struct as it stands */
static_assert(sizeof(struct sign_key) == crypto_sign_ed25519_SECRETKEYBYTES &&
                  offsetof(struct sign_key, seed) == 0 &&
                  offsetof(struct sign_key, public) == SIGN_SEED_LEN,
              "sign_key is what libsodium calls a secret key");

void sign_key_make(const struct entropy *entropy, struct sign_key *ret_key)
{
    uint8_t seed[SIGN_SEED_LEN];
    entropy_fill(entropy, seed, sizeof(seed));
    sign_key_from_seed(seed, ret_key);
    secret_wipe(seed, sizeof(seed));
}

void sign_key_from_seed(const uint8_t seed[SIGN_SEED_LEN], struct sign_key *ret_key)
{
    uint8_t public[SIGN_PUBLIC_LEN];
    int rc = crypto_sign_ed25519_seed_keypair(public, (uint8_t *)ret_key, seed);
    assert(rc == 0);
}

void sign_make(const struct sign_key *key, const void *bytes, size_t len,
               uint8_t ret_signature[SIGN_LEN])
{
    int rc = crypto_sign_ed25519_detached(ret_signature, NULL, (const uint8_t *)bytes, len,
                                          (const uint8_t *)key);
    assert(rc == 0);
}

bool sign_verify(const uint8_t public[SIGN_PUBLIC_LEN], const void *bytes, size_t len,
                 const uint8_t signature[SIGN_LEN])
{
    return crypto_sign_ed25519_verify_detached(signature, (const uint8_t *)bytes, len, public) == 0;
}

/* Refuses points outside the prime-order subgroup too: no honest key generation makes them. */
bool sign_public_valid(const uint8_t public[SIGN_PUBLIC_LEN])
{
    return crypto_core_ed25519_is_valid_point(public) == 1;
}
