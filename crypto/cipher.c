/*
 * The tables of packet ciphers in our order of preference, and the one way into their rows.
 *
 * libsodium's rows are listed here, libcrypto's where they are made. One table is shown at a time.
 */
#include "crypto/cipher.h"

#include <assert.h>
#include <string.h>

#include "crypto/cipher_rows.h"
#include "crypto/secret.h"

struct row {
    const struct cipher_spec *spec;
    bool (*runs)(void);
};

static const struct row rows[] = {
    {&cipher_chacha_spec, cipher_chacha_runs},
    {&cipher_aesgcm_spec, cipher_aesgcm_runs},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static bool libcrypto_shown;

void cipher_show_libcrypto(bool show)
{
    libcrypto_shown = show;
}

bool cipher_shows_libcrypto(void)
{
    return libcrypto_shown;
}

const struct cipher_spec *cipher_at(size_t index)
{
    if (libcrypto_shown) {
        return cipher_libcrypto_at(index);
    }
    for (size_t i = 0; i < ROWS; i++) {
        if (!rows[i].runs()) {
            continue;
        }
        if (index == 0) {
            return rows[i].spec;
        }
        index--;
    }
    return NULL;
}

const struct cipher_spec *cipher_find(const char *name, size_t name_len)
{
    const struct cipher_spec *spec;
    for (size_t i = 0; (spec = cipher_at(i)) != NULL; i++) {
        if (strlen(spec->name) == name_len && memcmp(spec->name, name, name_len) == 0) {
            return spec;
        }
    }
    return NULL;
}

bool cipher_init(struct cipher *cipher, const struct cipher_spec *spec, const uint8_t *key,
                 const uint8_t *iv)
{
    assert(spec->iv_len == 0 || iv != NULL);
    cipher->spec = spec;
    if (!spec->init(cipher->state, key, iv)) {
        secret_wipe(cipher, sizeof(*cipher));
        return false;
    }
    return true;
}

void cipher_wipe(struct cipher *cipher)
{
    if (cipher->spec != NULL && cipher->spec->wipe != NULL) {
        cipher->spec->wipe(cipher->state);
    }
    secret_wipe(cipher, sizeof(*cipher));
}

uint32_t cipher_peek(const struct cipher *cipher, uint32_t sequence,
                     const uint8_t head[CIPHER_LENGTH_LEN])
{
    return cipher->spec->peek(cipher->state, sequence, head);
}

bool cipher_open(struct cipher *cipher, uint32_t sequence, uint8_t *packet, size_t len)
{
    if (len <= CIPHER_LENGTH_LEN) {
        return false;
    }
    return cipher->spec->open(cipher->state, sequence, packet, len);
}

void cipher_seal(struct cipher *cipher, uint32_t sequence, uint8_t *packet, size_t len)
{
    assert(len > CIPHER_LENGTH_LEN);
    cipher->spec->seal(cipher->state, sequence, packet, len);
}
