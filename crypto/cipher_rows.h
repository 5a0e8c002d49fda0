/*
 * The rows of the cipher table, private to this folder. Who calls them is cipher.c.
 */
#ifndef CULVERT_CRYPTO_CIPHER_ROWS_H
#define CULVERT_CRYPTO_CIPHER_ROWS_H

#include "crypto/cipher.h"

extern const struct cipher_spec cipher_chacha_spec;
bool cipher_chacha_runs(void);

extern const struct cipher_spec cipher_aesgcm_spec;
/* Needs AES and carry-less multiplication in the CPU. */
bool cipher_aesgcm_runs(void);

#endif
