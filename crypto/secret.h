/*
 * Secrets: how they are wiped and how they are compared.
 *
 * The owner of a secret wipes it on every path out of its life.
 */
#ifndef CULVERT_CRYPTO_SECRET_H
#define CULVERT_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A symmetric or X25519 secret; typed so that it can't be mistaken for public bytes. */
struct secret32 {
    uint8_t bytes[32];
};

/* Overwrites len bytes so that the compiler can't drop it. */
void secret_wipe(void *at, size_t len);

/* Constant time over len. */
bool secret_equal(const void *a, const void *b, size_t len);

#endif
