/*
 * Ed25519 signatures (RFC 8032) as ssh-ed25519 uses them (RFC 8709): raw 32-byte public keys and
 * raw 64-byte signatures; the SSH framing around them is proto's.
 */
#ifndef CULVERT_CRYPTO_SIGN_H
#define CULVERT_CRYPTO_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/entropy.h"

enum { SIGN_PUBLIC_LEN = 32, SIGN_SEED_LEN = 32, SIGN_LEN = 64 };

/* A private key: the seed, and the public half beside it. The owner wipes it. */
struct sign_key {
    uint8_t seed[SIGN_SEED_LEN];
    uint8_t public[SIGN_PUBLIC_LEN];
};

void sign_key_make(const struct entropy *entropy, struct sign_key *ret_key);
void sign_key_from_seed(const uint8_t seed[SIGN_SEED_LEN], struct sign_key *ret_key);

void sign_make(const struct sign_key *key, const void *bytes, size_t len,
               uint8_t ret_signature[SIGN_LEN]);

/* False for a wrong signature, a malleable one (S >= L) and small-order or non-canonical keys. */
__attribute__((warn_unused_result)) bool sign_verify(const uint8_t public[SIGN_PUBLIC_LEN],
                                                     const void *bytes, size_t len,
                                                     const uint8_t signature[SIGN_LEN]);

/* False when the key is no canonical point or has small order: such a key admits nobody. */
__attribute__((warn_unused_result)) bool sign_public_valid(const uint8_t public[SIGN_PUBLIC_LEN]);

#endif
