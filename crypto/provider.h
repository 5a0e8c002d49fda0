/*
 * The crypto providers: one call before any other of this folder.
 *
 * Everything in crypto/ is reached through small faces (cipher, ecdh, sign, hash, encode, entropy,
 * secret); only the .c files of this folder include libsodium and libcrypto. libsodium does all of
 * it; libcrypto is compiled in where there is one (CULVERT_WITH_OPENSSL) and does the packet
 * ciphers, faster.
 */
#ifndef CULVERT_CRYPTO_PROVIDER_H
#define CULVERT_CRYPTO_PROVIDER_H

#include <stdbool.h>

/* Prepares the libraries. Call before threads start; again does no harm. False: no usable entropy
 * or library. */
bool provider_start(void);

/*
 * Whose packet ciphers are taken from now on: "libsodium", "libcrypto", or "auto", which is the
 * default: libcrypto if there is one. Call before or after provider_start, but before threads
 * start; ciphers that were initialised before are not touched. False, and nothing has changed: not
 * one of these names, or not in this program.
 */
__attribute__((warn_unused_result)) bool provider_select(const char *name);

/* One line for --version, such as "libsodium 1.0.18 (aes-ni)" or "libsodium 1.0.18,
 * libcrypto 3.0.17 (ciphers by libcrypto, aes-ni)". Static storage, until the next provider_select.
 */
const char *provider_describe(void);

#endif
