/*
 * SHA-256 and SHA-512 by libsodium; HMAC-SHA1 on our own SHA-1, as libsodium has none.
 */
#include "crypto/hash.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "crypto/secret.h"
#include "crypto/sha1.h"

static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(((struct hash *)0)->state),
              "struct hash holds a running SHA-256");
static_assert(sizeof(crypto_hash_sha512_state) <= sizeof(((struct hash *)0)->state),
              "struct hash holds a running SHA-512");
static_assert((int)SHA1_LEN == (int)HASH_SHA1_LEN, "one length, two headers");

static crypto_hash_sha256_state *sha256_of(struct hash *hash)
{
    return (crypto_hash_sha256_state *)(void *)hash->state;
}

static crypto_hash_sha512_state *sha512_of(struct hash *hash)
{
    return (crypto_hash_sha512_state *)(void *)hash->state;
}

void hash_start(struct hash *hash, enum hash_kind kind)
{
    assert(kind == HASH_SHA256 || kind == HASH_SHA512);
    hash->kind = kind;
    if (kind == HASH_SHA256) {
        crypto_hash_sha256_init(sha256_of(hash));
    } else {
        crypto_hash_sha512_init(sha512_of(hash));
    }
}

void hash_add(struct hash *hash, const void *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    if (hash->kind == HASH_SHA256) {
        crypto_hash_sha256_update(sha256_of(hash), (const uint8_t *)bytes, len);
    } else {
        crypto_hash_sha512_update(sha512_of(hash), (const uint8_t *)bytes, len);
    }
}

void hash_finish(struct hash *hash, uint8_t *ret_digest)
{
    if (hash->kind == HASH_SHA256) {
        crypto_hash_sha256_final(sha256_of(hash), ret_digest);
    } else {
        crypto_hash_sha512_final(sha512_of(hash), ret_digest);
    }
    secret_wipe(hash->state, sizeof(hash->state));
}

size_t hash_len(enum hash_kind kind)
{
    assert(kind == HASH_SHA256 || kind == HASH_SHA512);
    return kind == HASH_SHA256 ? HASH_SHA256_LEN : HASH_SHA512_LEN;
}

void hash_of(enum hash_kind kind, const void *bytes, size_t len, uint8_t *ret_digest)
{
    struct hash hash;
    hash_start(&hash, kind);
    hash_add(&hash, bytes, len);
    hash_finish(&hash, ret_digest);
}

void hash_hmac_sha1(const void *key, size_t key_len, const void *bytes, size_t len,
                    uint8_t ret_digest[HASH_SHA1_LEN])
{
    uint8_t inner[SHA1_BLOCK_LEN] = {0};
    uint8_t outer[SHA1_BLOCK_LEN];
    struct sha1 sha1;

    /* a key longer than a block is hashed first (RFC 2104 section 2) */
    if (key_len > SHA1_BLOCK_LEN) {
        sha1_start(&sha1);
        sha1_add(&sha1, (const uint8_t *)key, key_len);
        sha1_finish(&sha1, inner);
    } else if (key_len > 0) {
        memcpy(inner, key, key_len);
    }
    for (size_t i = 0; i < SHA1_BLOCK_LEN; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }

    sha1_start(&sha1);
    sha1_add(&sha1, inner, sizeof(inner));
    sha1_add(&sha1, (const uint8_t *)bytes, len);
    sha1_finish(&sha1, ret_digest);
    sha1_start(&sha1);
    sha1_add(&sha1, outer, sizeof(outer));
    sha1_add(&sha1, ret_digest, HASH_SHA1_LEN);
    sha1_finish(&sha1, ret_digest);

    secret_wipe(&sha1, sizeof(sha1));
    secret_wipe(inner, sizeof(inner));
    secret_wipe(outer, sizeof(outer));
}
