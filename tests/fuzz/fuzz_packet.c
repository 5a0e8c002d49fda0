/*
 * Fuzzes packets: as they come, in clear and under each cipher; with fuzzed contents behind a valid
 * tag; and sealed honestly, then changed, which must never open.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/provider.h"
#include "proto/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct packet_way way_make(uint8_t mode)
{
    struct packet_way way = {.sequence = 0};
    uint8_t key[CIPHER_KEY_MAX] = {1};
    uint8_t iv[CIPHER_IV_MAX] = {2};
    if (mode % 3 != 0 && cipher_at(mode % 3 - 1U) != NULL) {
        if (!packet_rekey(&way, cipher_at(mode % 3 - 1U), key, iv, true)) {
            abort();
        }
    }
    return way;
}

static void check(const struct packet *packet, const uint8_t *bytes, size_t len)
{
    assert(packet->wire_len <= len && packet->len > 0);
    assert(packet->payload == bytes + PACKET_HEAD);
    assert(packet->len + PACKET_HEAD + LIMIT_PADDING_MIN <= packet->wire_len);
}

static void open_all(struct packet_way *way, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        uint8_t *copy = malloc(len);
        assert(copy != NULL);
        memcpy(copy, bytes, len);
        struct packet packet;
        enum err err = packet_open(way, copy, len, &packet);
        bool opened = err == ERR_OK && packet.payload != NULL;
        if (opened) {
            check(&packet, copy, len);
        }
        free(copy);
        if (!opened) {
            return;
        }
        bytes += packet.wire_len;
        len -= packet.wire_len;
    }
}

/* The bytes are packet_length, padding_length and so on, in clear; sealed as they are. */
static void open_sealed(uint8_t mode, const uint8_t *bytes, size_t len)
{
    struct packet_way out = way_make(mode);
    struct packet_way in = way_make(mode);
    if (out.cipher.spec == NULL || len <= CIPHER_LENGTH_LEN) {
        return;
    }
    uint8_t *copy = malloc(len + CIPHER_TAG_MAX);
    assert(copy != NULL);
    memcpy(copy, bytes, len);
    cipher_seal(&out.cipher, 0, copy, len);
    open_all(&in, copy, len + CIPHER_TAG_MAX);
    free(copy);
}

static void open_changed(uint8_t mode, const uint8_t *bytes, size_t len)
{
    struct packet_way out = way_make(mode);
    struct packet_way in = way_make(mode);
    if (out.cipher.spec == NULL || len < 4 || len > LIMIT_CHANNEL_DATA) {
        return;
    }
    uint8_t *block = malloc(PACKET_HEAD + len + PACKET_TAIL);
    assert(block != NULL);
    memcpy(block + PACKET_HEAD, bytes, len);
    size_t wire_len = packet_seal(&out, block + PACKET_HEAD, len);
    size_t at = ((size_t)bytes[0] << 8 | bytes[1]) % wire_len;
    block[at] ^= bytes[2];
    struct packet packet;
    enum err err = packet_open(&in, block, wire_len, &packet);
    bool opened = err == ERR_OK && packet.payload != NULL;
    assert(opened == (bytes[2] == 0));
    assert(!opened || (packet.len == len && memcmp(packet.payload, bytes, len) == 0));
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    /* its ciphers own no memory: the ways here are plain copies that nobody wipes */
    if (!provider_start() || !provider_select("libsodium") || len < 2) {
        return 0;
    }
    uint8_t mode = bytes[0];
    if (mode < 86) {
        struct packet_way way = way_make(mode);
        open_all(&way, bytes + 1, len - 1);
    } else if (mode < 172) {
        open_sealed(mode, bytes + 1, len - 1);
    } else {
        open_changed(mode, bytes + 1, len - 1);
    }
    return 0;
}
