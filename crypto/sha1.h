/*
 * SHA-1 (FIPS 180-4), private to this folder: only the HMAC of hashed known_hosts lines uses it,
 * and libsodium has none. Nothing else may: SHA-1 is broken as a plain hash.
 */
#ifndef CULVERT_CRYPTO_SHA1_H
#define CULVERT_CRYPTO_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_LEN = 20, SHA1_BLOCK_LEN = 64 };

struct sha1 {
    uint32_t chain[5];
    uint64_t total;
    uint8_t block[SHA1_BLOCK_LEN];
};

void sha1_start(struct sha1 *sha1);
void sha1_add(struct sha1 *sha1, const uint8_t *bytes, size_t len);
/* The caller wipes the state. */
void sha1_finish(struct sha1 *sha1, uint8_t ret_digest[SHA1_LEN]);

#endif
