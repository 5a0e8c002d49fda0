/*
 * SHA-256 and SHA-512, running and at once; SHA-1 only as the HMAC that hashed known_hosts lines
 * use (that format leaves no choice).
 */
#ifndef CULVERT_CRYPTO_HASH_H
#define CULVERT_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_SHA1_LEN = 20, HASH_SHA256_LEN = 32, HASH_SHA512_LEN = 64, HASH_LEN_MAX = 64 };

enum hash_kind { HASH_SHA256, HASH_SHA512 };

/* A running hash. Copying the struct forks the computation. It may hold secret input: wipe it. */
struct hash {
    enum hash_kind kind;
    _Alignas(16) uint8_t state[216];
};

void hash_start(struct hash *hash, enum hash_kind kind);
void hash_add(struct hash *hash, const void *bytes, size_t len);
/* Writes hash_len(kind) bytes; the state is wiped. */
void hash_finish(struct hash *hash, uint8_t *ret_digest);

size_t hash_len(enum hash_kind kind);

/* At once. ret_digest takes hash_len(kind) bytes. */
void hash_of(enum hash_kind kind, const void *bytes, size_t len, uint8_t *ret_digest);

/* HMAC-SHA1 for "|1|salt|hash" host names in known_hosts (OpenSSH, sshd(8)). */
void hash_hmac_sha1(const void *key, size_t key_len, const void *bytes, size_t len,
                    uint8_t ret_digest[HASH_SHA1_LEN]);

#endif
