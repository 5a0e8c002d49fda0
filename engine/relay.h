/*
 * A relay: one forwarded socket <-> one channel.
 *
 *     OPENING ----------> OPEN ------------------------------> CLOSING ----> freed
 *     the peer has not    two halves, each on its own          the channel is let go,
 *     confirmed: nothing                                       the ops end, then the
 *     is read             in:  socket -> channel               socket is closed
 *                              FLOWING -> ENDED (EOF sent)
 *                         out: channel -> socket
 *                              FLOWING -> DRAINING (EOF came) -> ENDED (shut down)
 *                              any -> BROKEN (the socket takes no more: bytes are discarded)
 *
 * CLOSING comes when both halves are over, when the peer has closed the channel and what it sent
 * before has left, on a reset of the socket, or with the session. Level-triggered: whatever
 * happens is only recorded, and relay_settle, once per turn, looks at what holds now and starts
 * what can be started. An idle relay holds no buffer.
 */
#ifndef CULVERT_ENGINE_RELAY_H
#define CULVERT_ENGINE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/io.h"
#include "proto/cell.h"

struct connection;
struct relay_batch;
struct relay_gather;
struct relay_chunk;

enum relay_state { RELAY_OPENING, RELAY_OPEN, RELAY_CLOSING };
enum relay_half { RELAY_FLOWING, RELAY_DRAINING, RELAY_ENDED, RELAY_BROKEN };

/* Visible for connection.c, which keeps the lists; others use the functions. */
struct relay {
    struct connection *connection;
    struct relay *next, *prev;
    struct relay *next_ready;
    struct relay *next_parked;
    bool ready;
    bool parked;

    enum relay_state state;
    enum relay_half in;
    enum relay_half out;
    bool peer_closed;
    bool abort;
    /* the channel number is ours to use: not closed, not refused */
    bool channel_live;
    uint32_t channel;
    uint32_t remote;
    int fd;
    char *what;

    struct io_op read_op;
    struct io_op write_op;
    struct io_op watch_op;

    /* reading: what was asked for and what came, until relay_settle takes it */
    bool read_ended;
    bool bulk;
    int read_result;
    int read_buffer;
    size_t read_asked;
    struct relay_batch *batch;

    /* writing: slices lent from a landing buffer or pieces of the queue; then the queue */
    bool write_ended;
    int write_result;
    struct relay_gather *gather;
    struct relay_chunk *queue_first;
    struct relay_chunk *queue_last;
    size_t queued;

    bool watched;
    bool watch_ended;
    int watch_result;

    uint64_t bytes_in;
    uint64_t bytes_out;
};

/*
 * Takes the descriptor. what describes it for the log, such as "direct-tcpip: listening port 8080
 * for db port 5432, connect from ...", and is copied. NULL: out of memory, the descriptor is still
 * the caller's.
 */
struct relay *relay_make(struct connection *connection, int fd, const char *what);
/* The number its channel has, once session_channel_open gave one. */
void relay_set_channel(struct relay *relay, uint32_t channel);
/* The channel is confirmed: bytes may flow. */
void relay_open(struct relay *relay, uint32_t channel, uint32_t remote);
/* The channel was refused or never came to be: its number is gone. */
void relay_refused(struct relay *relay);
/* The session is over. */
void relay_kill(struct relay *relay);

/* Channel events. landing is the landing buffer that bytes point into, or -1: then they are gone
 * after the return. */
void relay_data(struct relay *relay, const uint8_t *bytes, size_t len, int landing);
void relay_eof(struct relay *relay);
void relay_peer_closed(struct relay *relay);
/* Its window may have opened, or relays may be armed again. */
void relay_wake(struct relay *relay);

/* For the connection, once per turn for each ready relay; may free it. */
void relay_settle(struct relay *relay);

#endif
