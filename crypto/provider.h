/*
 * The crypto provider: one call before any other of this folder.
 *
 * Everything in crypto/ is reached through small faces (cipher, ecdh, sign, hash, encode, entropy,
 * secret); only the .c files of this folder include libsodium.
 */
#ifndef CULVERT_CRYPTO_PROVIDER_H
#define CULVERT_CRYPTO_PROVIDER_H

#include <stdbool.h>

/* Prepares the library. Call once, before threads start. False: no usable entropy or library. */
bool provider_start(void);

/* One line for --version, such as "libsodium 1.0.18 (aes-ni)". Static storage. */
const char *provider_describe(void);

#endif
