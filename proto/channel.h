/*
 * One channel: two half machines and two close bits (RFC 4254 section 5). It stores no data.
 *
 *     FREE --our open--> ASKED --confirmation--> OPEN --CLOSE out and CLOSE in--> FREE
 *       \                  \---failure--> FREE     ^
 *        --peer's open--> OFFERED --we confirm-----+
 *                            \-----we refuse--> FREE, or REFUSED until that can be said
 *
 *     in OPEN, each way on its own:   data ... EOF ... CLOSE      (CLOSE without EOF is legal)
 *
 * What has to be said is a set of `due` flags, not a queue: whatever happens, a channel waits with
 * at most one adjust, one EOF and one CLOSE, and they go in that order.
 */
#ifndef CULVERT_PROTO_CHANNEL_H
#define CULVERT_PROTO_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/limits.h"

enum channel_state {
    CHANNEL_FREE,
    CHANNEL_ASKED,
    CHANNEL_OFFERED,
    CHANNEL_OPEN,
    CHANNEL_REFUSED,
};

struct channel {
    void *owner;
    /* the peer's number, window and largest packet */
    uint32_t remote;
    uint32_t peer_window;
    uint32_t peer_packet_max;
    /* what the peer may still send, what our side has consumed and not yet granted again, where the
     * window is kept, and what was consumed since that last grew */
    uint32_t window;
    uint32_t credit;
    uint32_t target;
    uint32_t consumed;
    /* the next free or the next dirty channel */
    uint32_t next;

    uint8_t state;
    /* REFUSED: the reason, RFC 4254 5.1 */
    uint8_t refusal;
    bool eof_in, eof_out;
    bool close_in, close_out;
    bool due_adjust, due_eof, due_close;
    /* our side has closed: nothing is reported any more */
    bool disowned;
    bool dirty;
};

/* The peer sent len bytes of data. */
enum err channel_take_data(struct channel *channel, size_t len);
/* The peer granted more. *ret_reopened: there was none before. */
enum err channel_take_adjust(struct channel *channel, uint32_t bytes, bool *ret_reopened);
enum err channel_take_eof(struct channel *channel);
enum err channel_take_close(struct channel *channel);

/* Our side has handed on len bytes of what came. True: an adjust is due now. */
bool channel_consume(struct channel *channel, size_t len);
/*
 * The size of the adjust that is due: what was consumed, and, when a whole window went through
 * since the last time, as much again to grow (bounded by *budget, which is reduced).
 */
uint32_t channel_grant(struct channel *channel, uint32_t *budget);

/* What we may send now. */
size_t channel_budget(const struct channel *channel);

#endif
