/*
 * A cell: the memory in which one packet is built, sealed and sent without being copied.
 *
 *     headroom | payload ... | tailroom
 *
 * The kernel receives into the payload part; proto writes the SSH header into the headroom, padding
 * and tag into the tailroom, encrypts in place, and queues the cell; the engine sends it and gives
 * it back. Cells come from a source that the caller supplies.
 */
#ifndef CULVERT_PROTO_CELL_H
#define CULVERT_PROTO_CELL_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* packet_length 4, padding_length 1, message 1, channel 4, length 4 = 14; whole cache line */
    CELL_HEADROOM = 64,
    /* padding up to 4 + 15, tag 16; whole cache line */
    CELL_TAILROOM = 64,
    /* payload of a data cell: one full CHANNEL_DATA */
    CELL_PAYLOAD = 32768,
    /* payload of a small cell, for control messages */
    CELL_SMALL = 4096 - CELL_HEADROOM - CELL_TAILROOM,
};

struct cell {
    /* queue link, the holder's */
    struct cell *next;
    uint8_t *bytes;
    /* all of bytes, headroom and tailroom included */
    uint32_t size;
    /* bytes[start .. end) are what counts: payload first, the sealed packet later */
    uint32_t start;
    uint32_t end;
    /* the source's own */
    int32_t index;
    uint32_t channel;
};

/* ctx is the source's. take returns NULL when none is free. Both run on the session's thread. */
struct cell_source {
    /* a cell with room for payload_len bytes between headroom and tailroom; start = end =
     * CELL_HEADROOM */
    struct cell *(*take)(void *ctx, size_t payload_len);
    void (*give)(void *ctx, struct cell *cell);
    void *ctx;
};

#endif
