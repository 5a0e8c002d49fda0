/*
 * The out queue: a list of cells, consumed from the head.
 */
#include "proto/outq.h"

#include <assert.h>

static void link_tail(struct outq *queue, struct cell *cell)
{
    cell->next = NULL;
    if (queue->tail == NULL) {
        queue->head = cell;
    } else {
        queue->tail->next = cell;
    }
    queue->tail = cell;
    queue->cells++;
}

uint8_t *outq_reserve(struct outq *queue, size_t need)
{
    if (queue->tail_open && queue->tail->size - queue->tail->end >= need) {
        return queue->tail->bytes + queue->tail->end;
    }
    size_t payload = need > CELL_SMALL ? need : CELL_SMALL;
    struct cell *cell = queue->source->take(queue->source->ctx, payload);
    if (cell == NULL) {
        return NULL;
    }
    /* what is built here brings its own headroom */
    cell->start = 0;
    cell->end = 0;
    link_tail(queue, cell);
    queue->tail_open = true;
    return cell->bytes;
}

void outq_commit(struct outq *queue, size_t len)
{
    assert(queue->tail_open && queue->tail->size - queue->tail->end >= len);
    queue->tail->end += (uint32_t)len;
    queue->bytes += len;
}

void outq_append(struct outq *queue, struct cell *cell)
{
    link_tail(queue, cell);
    queue->tail_open = false;
    queue->bytes += cell->end - cell->start;
}

int outq_gather(const struct outq *queue, struct iovec *iov, int max)
{
    int count = 0;
    for (struct cell *cell = queue->head; cell != NULL && count < max; cell = cell->next) {
        if (cell->end > cell->start) {
            iov[count++] = (struct iovec){.iov_base = cell->bytes + cell->start,
                                          .iov_len = cell->end - cell->start};
        }
    }
    return count;
}

static void drop_head(struct outq *queue)
{
    struct cell *cell = queue->head;
    queue->head = cell->next;
    if (queue->head == NULL) {
        queue->tail = NULL;
        queue->tail_open = false;
    }
    queue->cells--;
    queue->source->give(queue->source->ctx, cell);
}

void outq_sent(struct outq *queue, size_t len)
{
    assert(len <= queue->bytes);
    queue->bytes -= len;
    while (queue->head != NULL) {
        struct cell *cell = queue->head;
        size_t here = cell->end - cell->start;
        if (len < here) {
            cell->start += (uint32_t)len;
            return;
        }
        len -= here;
        drop_head(queue);
    }
    assert(len == 0);
}

void outq_clear(struct outq *queue)
{
    while (queue->head != NULL) {
        drop_head(queue);
    }
    queue->bytes = 0;
}
