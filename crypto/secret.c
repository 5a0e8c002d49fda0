/*
 * Wiping and comparing secrets.
 */
#include "crypto/secret.h"

#include <sodium.h>

void secret_wipe(void *at, size_t len)
{
    sodium_memzero(at, len);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}
