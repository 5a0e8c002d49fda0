/*
 * Binary packets (RFC 4253 section 6), one direction at a time: sequence number, keys, counters;
 * open what comes and seal what goes, in place.
 */
#ifndef CULVERT_PROTO_PACKET_H
#define CULVERT_PROTO_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/cipher.h"
#include "proto/err.h"
#include "proto/limits.h"

enum {
    /* packet_length and padding_length in front of the payload */
    PACKET_HEAD = 5,
    /* padding and tag behind it: 4 + 15 at most with blocks of 16, and the tag */
    PACKET_TAIL = LIMIT_PADDING_MIN + 15 + CIPHER_TAG_MAX,
};

/* One direction. cipher.spec is NULL until the first NEWKEYS. */
struct packet_way {
    uint32_t sequence;
    /* since these keys were taken into use */
    uint64_t packets;
    uint64_t bytes;
    struct cipher cipher;
};

/* New keys from here on; reset_sequence under strict key exchange. False: out of memory, the old
 * keys stay. */
__attribute__((warn_unused_result)) bool packet_rekey(struct packet_way *way,
                                                      const struct cipher_spec *spec,
                                                      const uint8_t *key, const uint8_t *iv,
                                                      bool reset_sequence);

struct packet {
    uint8_t *payload;
    size_t len;
    /* bytes of the input that this packet took */
    size_t wire_len;
    uint32_t sequence;
};

/*
 * Opens the packet at bytes[0..len) in place. ERR_OK with payload NULL: it is not complete yet. The
 * length is bounded before anything is waited for; nothing is decrypted before the tag is checked.
 */
enum err packet_open(struct packet_way *way, uint8_t *bytes, size_t len, struct packet *ret_packet);

/*
 * Seals payload[0..len), which has PACKET_HEAD bytes of room in front and PACKET_TAIL behind; the
 * packet begins at payload - PACKET_HEAD. The number of bytes of the packet.
 */
size_t packet_seal(struct packet_way *way, uint8_t *payload, size_t len);

/* True when these keys may not seal or open another packet: nonces would repeat (RFC 4344 3.1). */
bool packet_worn(const struct packet_way *way);

#endif
