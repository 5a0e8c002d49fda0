/*
 * Starts the crypto libraries, chooses between their ciphers and says which they are.
 */
#include "crypto/provider.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "crypto/cipher_rows.h"

enum choice { AUTO, LIBSODIUM, LIBCRYPTO };

static enum choice chosen = AUTO;
static char description[128] = "libsodium (not started)";

static void describe(void)
{
    const char *aes = crypto_aead_aes256gcm_is_available() ? "aes-ni" : "no aes-ni";
    const char *vector = sodium_runtime_has_avx2() ? ", avx2" : "";
    const char *libcrypto = cipher_libcrypto_version();
    if (libcrypto == NULL) {
        snprintf(description, sizeof(description), "libsodium %.20s (%s%s)",
                 sodium_version_string(), aes, vector);
        return;
    }
    snprintf(description, sizeof(description),
             "libsodium %.20s, libcrypto %.20s (ciphers by %s, %s%s)", sodium_version_string(),
             libcrypto, cipher_shows_libcrypto() ? "libcrypto" : "libsodium", aes, vector);
}

bool provider_start(void)
{
    if (sodium_init() < 0) {
        return false;
    }
    cipher_show_libcrypto(chosen != LIBSODIUM && cipher_libcrypto_start());
    describe();
    return true;
}

static bool choice_find(const char *name, enum choice *ret_choice)
{
    static const char *const names[] = {
        [AUTO] = "auto", [LIBSODIUM] = "libsodium", [LIBCRYPTO] = "libcrypto"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]) + 1;
        if (strlen(name) + 1 == len && sodium_memcmp(name, names[i], len) == 0) {
            *ret_choice = (enum choice)i;
            return true;
        }
    }
    return false;
}

bool provider_select(const char *name)
{
    enum choice choice;
    if (!choice_find(name, &choice) || sodium_init() < 0 ||
        (choice == LIBCRYPTO && !cipher_libcrypto_start())) {
        return false;
    }
    chosen = choice;
    return provider_start();
}

const char *provider_describe(void)
{
    return description;
}
