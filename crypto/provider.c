/*
 * Starts libsodium and says which one it is.
 */
#include "crypto/provider.h"

#include <stdio.h>

#include <sodium.h>

static char description[64] = "libsodium (not started)";

bool provider_start(void)
{
    if (sodium_init() < 0) {
        return false;
    }
    const char *aes = crypto_aead_aes256gcm_is_available() ? "aes-ni" : "no aes-ni";
    const char *vector = sodium_runtime_has_avx2() ? ", avx2" : "";
    snprintf(description, sizeof(description), "libsodium %.20s (%s%s)", sodium_version_string(),
             aes, vector);
    return true;
}

const char *provider_describe(void)
{
    return description;
}
