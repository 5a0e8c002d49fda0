/*
 * Fuzzes one provider's packet ciphers against the other's: packets of any length under any key and
 * sequence number are sealed alike, each opens what the other sealed, and a flipped bit is refused
 * by both. Where there is only one provider it plays both.
 *
 *     byte 0         which cipher
 *     bytes 1 to 5   the first sequence number
 *     bytes 5 to 81  key and IV
 *     then packets:  2 bytes of length, 2 of the bit to flip, 1 to fill the body with
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "crypto/provider.h"

enum { HEAD = 5 + CIPHER_KEY_MAX + CIPHER_IV_MAX, PACKET = 5, PACKETS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct duel {
    /* of two providers, to seal and to open */
    struct cipher seal[2];
    struct cipher open[2];
};

/* Damaged first, which must change nothing, then as it was. */
static void open_one(struct cipher *cipher, uint32_t sequence, const uint8_t *sealed, size_t bit)
{
    size_t body_len = cipher_peek(cipher, sequence, sealed);
    size_t len = CIPHER_LENGTH_LEN + body_len;
    uint8_t *copy = malloc(len + CIPHER_TAG_MAX);
    assert(copy != NULL);
    memcpy(copy, sealed, len + CIPHER_TAG_MAX);
    copy[bit / 8 % (len + CIPHER_TAG_MAX)] ^= (uint8_t)(1 << bit % 8);
    bool opened = cipher_open(cipher, sequence, copy, len);
    assert(!opened);
    memcpy(copy, sealed, len + CIPHER_TAG_MAX);
    opened = cipher_open(cipher, sequence, copy, len);
    assert(opened);
    for (size_t i = 1; i < body_len; i++) {
        assert(copy[CIPHER_LENGTH_LEN + i] ==
               (uint8_t)(copy[CIPHER_LENGTH_LEN] + i % 256 * copy[CIPHER_LENGTH_LEN]));
    }
    free(copy);
}

static void packet_run(struct duel *duel, uint32_t sequence, const uint8_t packet[PACKET])
{
    size_t body_len = 1 + ((size_t)packet[0] << 8 | packet[1]);
    size_t bit = (size_t)packet[2] << 8 | packet[3];
    size_t len = CIPHER_LENGTH_LEN + body_len;
    uint8_t *sealed[2];
    for (size_t i = 0; i < 2; i++) {
        sealed[i] = malloc(len + CIPHER_TAG_MAX);
        assert(sealed[i] != NULL);
        sealed[i][0] = 0;
        sealed[i][1] = (uint8_t)(body_len >> 16);
        sealed[i][2] = (uint8_t)(body_len >> 8);
        sealed[i][3] = (uint8_t)body_len;
        for (size_t j = 0; j < body_len; j++) {
            sealed[i][CIPHER_LENGTH_LEN + j] = (uint8_t)(packet[4] + j % 256 * packet[4]);
        }
        cipher_seal(&duel->seal[i], sequence, sealed[i], len);
    }
    assert(memcmp(sealed[0], sealed[1], len + CIPHER_TAG_MAX) == 0);
    for (size_t i = 0; i < 2; i++) {
        assert(cipher_peek(&duel->open[i], sequence, sealed[1 - i]) == body_len);
        open_one(&duel->open[i], sequence, sealed[1 - i], bit);
    }
    free(sealed[0]);
    free(sealed[1]);
}

/* The row by its name, of libcrypto if index is 1 and it has one. */
static const struct cipher_spec *row_of(size_t index, const char *name)
{
    bool selected = provider_select("libsodium");
    assert(selected);
    const struct cipher_spec *first = cipher_find(name, strlen(name));
    if ((index == 0 && first != NULL) || !provider_select("libcrypto")) {
        return first;
    }
    return cipher_find(name, strlen(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const names[] = {"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com",
                                        "aes128-gcm@openssh.com"};
    if (!provider_start() || len < HEAD) {
        return 0;
    }
    const char *name = names[bytes[0] % 3];
    if (row_of(0, name) == NULL) {
        return 0;
    }
    uint32_t sequence =
        (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    struct duel duel;
    for (size_t i = 0; i < 2; i++) {
        const struct cipher_spec *spec = row_of(i, name);
        bool made = cipher_init(&duel.seal[i], spec, bytes + 5, bytes + 5 + CIPHER_KEY_MAX) &&
                    cipher_init(&duel.open[i], spec, bytes + 5, bytes + 5 + CIPHER_KEY_MAX);
        assert(made);
    }
    bytes += HEAD;
    len -= HEAD;
    for (size_t i = 0; i < PACKETS_MAX && len >= PACKET; i++) {
        packet_run(&duel, sequence++, bytes);
        bytes += PACKET;
        len -= PACKET;
    }
    for (size_t i = 0; i < 2; i++) {
        cipher_wipe(&duel.seal[i]);
        cipher_wipe(&duel.open[i]);
    }
    return 0;
}
