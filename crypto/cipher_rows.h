/*
 * The rows of the cipher tables, private to this folder. Who calls them is cipher.c.
 */
#ifndef CULVERT_CRYPTO_CIPHER_ROWS_H
#define CULVERT_CRYPTO_CIPHER_ROWS_H

#include "crypto/cipher.h"

/* The state of cipher_chacha_spec: the 64 bytes of its key. */
struct cipher_chacha_keys {
    uint8_t body[32];
    uint8_t header[32];
};

extern const struct cipher_spec cipher_chacha_spec;
bool cipher_chacha_runs(void);

extern const struct cipher_spec cipher_aesgcm_spec;
/* Needs AES and carry-less multiplication in the CPU. */
bool cipher_aesgcm_runs(void);

/* Call once libsodium has started and before the calls below. False: libcrypto is not compiled in,
 * or does not offer what we need. A second call costs nothing. */
bool cipher_libcrypto_start(void);
/* Such as "3.0.17"; NULL when libcrypto is not compiled in. Needs no start. */
const char *cipher_libcrypto_version(void);
/* Row by position in our order of preference, NULL past the end; only rows this machine runs. */
const struct cipher_spec *cipher_libcrypto_at(size_t index);

/* Which of the two tables cipher_at and cipher_find show: libsodium's at first. */
void cipher_show_libcrypto(bool show);
bool cipher_shows_libcrypto(void);

#endif
