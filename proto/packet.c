/*
 * Binary packets: plain until the first NEWKEYS, AEAD from then on.
 */
#include "proto/packet.h"

#include <assert.h>
#include <string.h>

#include "crypto/secret.h"

/* Plain packets are padded to 8 bytes, their length field counted (RFC 4253 6). */
enum { PLAIN_BLOCK = 8 };

static uint32_t load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static bool keyed(const struct packet_way *way)
{
    return way->cipher.spec != NULL;
}

bool packet_rekey(struct packet_way *way, const struct cipher_spec *spec, const uint8_t *key,
                  const uint8_t *iv, bool reset_sequence)
{
    struct cipher next;
    if (!cipher_init(&next, spec, key, iv)) {
        return false;
    }
    cipher_wipe(&way->cipher);
    way->cipher = next;
    secret_wipe(&next, sizeof next);
    way->packets = 0;
    way->bytes = 0;
    if (reset_sequence) {
        way->sequence = 0;
    }
    return true;
}

static void count(struct packet_way *way, size_t wire_len)
{
    way->sequence++;
    way->packets++;
    way->bytes += wire_len;
}

/* Judges packet_length from the 4 bytes alone, authenticated or not. */
static bool length_possible(const struct packet_way *way, uint32_t length)
{
    uint32_t block = keyed(way) ? way->cipher.spec->block_len : PLAIN_BLOCK;
    uint32_t tag = keyed(way) ? way->cipher.spec->tag_len : 0;
    /* AEAD ciphers leave the length field out of the block count (RFC 5647 7.2) */
    uint32_t counted = keyed(way) ? length : length + CIPHER_LENGTH_LEN;
    if (length < LIMIT_PACKET_MIN || length > LIMIT_PACKET_WIRE - CIPHER_LENGTH_LEN - tag) {
        return false;
    }
    return counted % block == 0;
}

enum err packet_open(struct packet_way *way, uint8_t *bytes, size_t len, struct packet *ret_packet)
{
    *ret_packet = (struct packet){.sequence = way->sequence};
    if (len < CIPHER_LENGTH_LEN) {
        return ERR_OK;
    }
    uint32_t length =
        keyed(way) ? cipher_peek(&way->cipher, way->sequence, bytes) : load_u32(bytes);
    if (!length_possible(way, length)) {
        return ERR_PACKET_LENGTH;
    }
    size_t body = CIPHER_LENGTH_LEN + (size_t)length;
    size_t wire_len = body + (keyed(way) ? way->cipher.spec->tag_len : 0);
    if (len < wire_len) {
        return ERR_OK;
    }
    if (packet_worn(way)) {
        return ERR_KEYS_WORN;
    }
    if (keyed(way) && !cipher_open(&way->cipher, way->sequence, bytes, body)) {
        return ERR_MAC;
    }
    uint32_t padding = bytes[CIPHER_LENGTH_LEN];
    /* at least the padding_length byte and one byte of payload beside the padding */
    if (padding < LIMIT_PADDING_MIN || padding + 2 > length) {
        return ERR_PACKET_LENGTH;
    }
    ret_packet->payload = bytes + PACKET_HEAD;
    ret_packet->len = length - 1 - padding;
    ret_packet->wire_len = wire_len;
    count(way, wire_len);
    return ERR_OK;
}

size_t packet_seal(struct packet_way *way, uint8_t *payload, size_t len)
{
    assert(len > 0 && !packet_worn(way));
    uint32_t block = keyed(way) ? way->cipher.spec->block_len : PLAIN_BLOCK;
    uint32_t counted = (uint32_t)len + 1 + (keyed(way) ? 0 : CIPHER_LENGTH_LEN);
    uint32_t padding = block - counted % block;
    if (padding < LIMIT_PADDING_MIN) {
        padding += block;
    }
    uint32_t length = 1 + (uint32_t)len + padding;
    uint8_t *packet = payload - PACKET_HEAD;
    store_u32(packet, length);
    packet[CIPHER_LENGTH_LEN] = (uint8_t)padding;
    /* zeros will do: under an AEAD cipher nobody sees them, and before it nothing is secret */
    memset(payload + len, 0, padding);
    size_t body = CIPHER_LENGTH_LEN + (size_t)length;
    size_t wire_len = body;
    if (keyed(way)) {
        cipher_seal(&way->cipher, way->sequence, packet, body);
        wire_len += way->cipher.spec->tag_len;
    }
    count(way, wire_len);
    return wire_len;
}

bool packet_worn(const struct packet_way *way)
{
    return way->packets >= UINT32_MAX;
}
