/*
 * The out queue of a session: sealed packets in wire order, in cells.
 *
 * Control packets are built right behind one another in small cells, data packets stay in the cell
 * they were received into. The engine gathers the queue into one send and says how far that got.
 */
#ifndef CULVERT_PROTO_OUTQ_H
#define CULVERT_PROTO_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/cell.h"

struct outq {
    const struct cell_source *source;
    struct cell *head;
    struct cell *tail;
    size_t bytes;
    uint32_t cells;
    /* the tail is a control cell that further packets may be appended to */
    bool tail_open;
};

/* Room for need bytes at the end of the queue, or NULL: no cell. Valid until the next call. */
uint8_t *outq_reserve(struct outq *queue, size_t need);
/* len of the reserved bytes now belong to the queue. */
void outq_commit(struct outq *queue, size_t len);
/* Appends a cell whose bytes[start..end) are sealed. */
void outq_append(struct outq *queue, struct cell *cell);
int outq_gather(const struct outq *queue, struct iovec *iov, int max);
/* The first len bytes are sent; whole cells go home. */
void outq_sent(struct outq *queue, size_t len);
void outq_clear(struct outq *queue);

#endif
