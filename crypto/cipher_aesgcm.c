/*
 * aes256-gcm@openssh.com (RFC 5647, OpenSSH PROTOCOL 1.6) by libsodium, on CPUs with AES.
 *
 *     nonce            fixed field (4) | invocation counter (8, big-endian), both from the IV
 *     additional data  packet_length, 4 bytes in clear
 *     encrypted        padding_length, payload, padding
 *
 * The counter moves by one per packet, not per block; the packet's sequence number plays no part.
 */
#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "crypto/cipher_rows.h"

enum { KEY_LEN = 32, IV_LEN = 12, TAG_LEN = 16, FIXED_LEN = 4 };

struct state {
    crypto_aead_aes256gcm_state key;
    uint8_t nonce[IV_LEN];
};

static_assert(sizeof(struct state) <= CIPHER_STATE_LEN, "the expanded key fits the state");
static_assert((int)crypto_aead_aes256gcm_KEYBYTES == (int)KEY_LEN, "AES-256 key");
static_assert((int)crypto_aead_aes256gcm_NPUBBYTES == (int)IV_LEN, "GCM nonce");
static_assert((int)crypto_aead_aes256gcm_ABYTES == (int)TAG_LEN, "GCM tag");

static void nonce_next(uint8_t nonce[IV_LEN])
{
    for (size_t i = IV_LEN; i > FIXED_LEN; i--) {
        nonce[i - 1]++;
        if (nonce[i - 1] != 0) {
            return;
        }
    }
}

static bool aesgcm_init(void *state, const uint8_t *key, const uint8_t *iv)
{
    struct state *self = (struct state *)state;
    crypto_aead_aes256gcm_beforenm(&self->key, key);
    memcpy(self->nonce, iv, IV_LEN);
    return true;
}

static uint32_t aesgcm_peek(const void *state, uint32_t sequence, const uint8_t *head)
{
    (void)state;
    (void)sequence;
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

static void aesgcm_seal(void *state, uint32_t sequence, uint8_t *packet, size_t len)
{
    struct state *self = (struct state *)state;
    uint8_t *body = packet + CIPHER_LENGTH_LEN;

    (void)sequence;
    crypto_aead_aes256gcm_encrypt_detached_afternm(
        body, packet + len, NULL, body, len - CIPHER_LENGTH_LEN, packet, CIPHER_LENGTH_LEN, NULL,
        self->nonce, (const crypto_aead_aes256gcm_state *)&self->key);
    nonce_next(self->nonce);
}

/* libsodium checks the tag before it decrypts; the body of a forged packet it clears. */
static bool aesgcm_open(void *state, uint32_t sequence, uint8_t *packet, size_t len)
{
    struct state *self = (struct state *)state;
    uint8_t *body = packet + CIPHER_LENGTH_LEN;

    (void)sequence;
    if (crypto_aead_aes256gcm_decrypt_detached_afternm(
            body, NULL, body, len - CIPHER_LENGTH_LEN, packet + len, packet, CIPHER_LENGTH_LEN,
            self->nonce, (const crypto_aead_aes256gcm_state *)&self->key) != 0) {
        return false;
    }
    nonce_next(self->nonce);
    return true;
}

bool cipher_aesgcm_runs(void)
{
    return crypto_aead_aes256gcm_is_available() != 0;
}

const struct cipher_spec cipher_aesgcm_spec = {
    .name = "aes256-gcm@openssh.com",
    .key_len = KEY_LEN,
    .iv_len = IV_LEN,
    .tag_len = TAG_LEN,
    .block_len = 16,
    /* OpenSSH's: 2^32 blocks of 16 bytes, 64 GiB (RFC 4344 3.2) */
    .rekey_bytes = (uint64_t)1 << 36,
    .needs_strict_kex = false,
    .init = aesgcm_init,
    .peek = aesgcm_peek,
    .open = aesgcm_open,
    .seal = aesgcm_seal,
};
