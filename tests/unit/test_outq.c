/*
 * proto/outq: order, partial sends, cells that come home.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "proto/outq.h"

static uint32_t away;
static bool empty;

static struct cell *take(void *ctx, size_t payload_len)
{
    (void)ctx;
    if (empty) {
        return NULL;
    }
    struct cell *cell = calloc(1, sizeof *cell);
    cell->size = (uint32_t)payload_len + CELL_HEADROOM + CELL_TAILROOM;
    cell->bytes = malloc(cell->size);
    cell->start = cell->end = CELL_HEADROOM;
    away++;
    return cell;
}

static void give(void *ctx, struct cell *cell)
{
    (void)ctx;
    away--;
    free(cell->bytes);
    free(cell);
}

static const struct cell_source source = {take, give, NULL};

static uint8_t next_byte;

static void put_control(struct outq *queue, size_t len)
{
    /* more room than is used, as sealing does */
    uint8_t *at = outq_reserve(queue, len + 40);
    cr_assert_not_null(at);
    for (size_t i = 0; i < len; i++) {
        at[i] = next_byte++;
    }
    outq_commit(queue, len);
}

static void put_cell(struct outq *queue, size_t len)
{
    struct cell *cell = take(NULL, len);
    for (size_t i = 0; i < len; i++) {
        cell->bytes[cell->end++] = next_byte++;
    }
    outq_append(queue, cell);
}

Test(outq, order_whatever_is_sent_at_a_time)
{
    for (size_t piece = 1; piece < 9000; piece = piece * 3 + 1) {
        struct outq queue = {.source = &source};
        size_t all = 0;
        uint8_t want = 0;
        next_byte = 0;
        for (size_t i = 0; i < 60; i++) {
            size_t len = 1 + i * 37 % 300;
            if (i % 3 == 2) {
                put_cell(&queue, len);
            } else {
                put_control(&queue, len);
            }
            all += len;
            cr_assert_eq(queue.bytes, all);
        }
        while (all > 0) {
            struct iovec iov[3];
            int count = outq_gather(&queue, iov, 3);
            size_t moved = 0;
            cr_assert(count > 0 && count <= 3);
            for (int i = 0; i < count && moved < piece; i++) {
                cr_assert_gt(iov[i].iov_len, 0);
                for (size_t k = 0; k < iov[i].iov_len && moved < piece; k++, moved++) {
                    cr_assert_eq(((uint8_t *)iov[i].iov_base)[k], want++);
                }
            }
            outq_sent(&queue, moved);
            all -= moved;
            cr_assert_eq(queue.bytes, all);
        }
        cr_assert_eq(away + queue.cells, 0);
    }
}

Test(outq, control_packets_share_a_cell)
{
    struct outq queue = {.source = &source};
    for (int i = 0; i < 20; i++) {
        put_control(&queue, 50);
    }
    cr_assert_eq(queue.cells, 1);
    /* growing behind what is being sent moves nothing */
    struct iovec iov[2];
    cr_assert_eq(outq_gather(&queue, iov, 2), 1);
    const uint8_t *base = iov[0].iov_base;
    put_control(&queue, 50);
    outq_sent(&queue, 1000);
    cr_assert_eq(outq_gather(&queue, iov, 2), 1);
    cr_assert_eq(iov[0].iov_base, base + 1000);
    cr_assert_eq(iov[0].iov_len, 50);
    outq_sent(&queue, 50);
    cr_assert_eq(away, 0);
    put_control(&queue, 10);
    cr_assert_eq(queue.bytes, 10);
    outq_clear(&queue);
    cr_assert_eq(away, 0);
}

Test(outq, large_control_packets_get_cells_of_their_size)
{
    struct outq queue = {.source = &source};
    put_control(&queue, 30000);
    put_control(&queue, 10);
    cr_assert_eq(queue.bytes, 30010);
    outq_clear(&queue);
    cr_assert_eq(away + queue.bytes, 0);
}

Test(outq, no_cell)
{
    struct outq queue = {.source = &source};
    empty = true;
    cr_assert_null(outq_reserve(&queue, 10));
    cr_assert_eq(queue.cells, 0);
    empty = false;
    /* reserved and not used: nothing to send, and it comes home with the rest */
    cr_assert_not_null(outq_reserve(&queue, 10));
    struct iovec iov[1];
    cr_assert_eq(outq_gather(&queue, iov, 1), 0);
    put_cell(&queue, 5);
    cr_assert_eq(outq_gather(&queue, iov, 1), 1);
    outq_sent(&queue, 5);
    cr_assert_eq(away, 0);
}
