/*
 * The connection protocol (RFC 4254): channels by number, and global requests. Private to proto.
 */
#ifndef CULVERT_PROTO_MUX_H
#define CULVERT_PROTO_MUX_H

#include "proto/channel.h"
#include "proto/replies.h"
#include "proto/transport.h"

enum { MUX_NONE = 0xffffffff };

struct mux {
    struct transport *transport;
    struct replies *replies;
    /* the table grows by chunks, so that a channel never moves */
    struct channel *chunks[LIMIT_CHANNELS / LIMIT_CHANNELS_CHUNK];
    uint32_t slots;
    uint32_t open;
    uint32_t free_first;
    uint32_t dirty_first, dirty_last;
    /* what is left for windows; below 0 only by the least that each channel gets */
    int64_t window_budget;
    /* our own global requests that wait for an answer, and when the last sign of life was asked */
    uint32_t requests_sent;
    bool ping_sent;
    int64_t asked_at;
    /* server: the client asked for a proof that the host key is ours (OpenSSH PROTOCOL 2.5), and
     * the signature over `proof` is awaited; no further request is read meanwhile */
    bool proving;
    uint8_t proof[512];
};

void mux_start(struct mux *mux, struct transport *transport, struct replies *replies);
void mux_end(struct mux *mux);

/* A message of numbers 80-100, 192 or 193. */
void mux_take(struct mux *mux, struct slice payload);
/* Says what is due, as far as the queue has room. */
void mux_flush(struct mux *mux);

/* A channel that is in use, or NULL. */
struct channel *mux_channel(const struct mux *mux, uint32_t id);

uint32_t mux_open(struct mux *mux, const char *host, uint16_t port, const char *originator,
                  uint16_t originator_port, void *owner);
void mux_confirm(struct mux *mux, uint32_t id, void *owner);
void mux_refuse(struct mux *mux, uint32_t id, enum open_failure reason, const char *text);
void mux_write(struct mux *mux, uint32_t id, struct cell *cell);
void mux_consumed(struct mux *mux, uint32_t id, size_t len);
void mux_eof(struct mux *mux, uint32_t id);
void mux_close(struct mux *mux, uint32_t id);

#endif
