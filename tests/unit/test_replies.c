/*
 * proto/replies: order, the bound, and the block that is lent only while something waits.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "crypto/provider.h"
#include "proto/replies.h"

struct scene {
    struct session_config config;
    struct entropy_seeded seeded;
    struct events events;
    struct transport transport;
    struct replies replies;
    bool no_cells, no_memory;
    uint32_t cells, blocks;
};

static struct cell *take_cell(void *ctx, size_t payload_len)
{
    struct scene *s = ctx;
    if (s->no_cells) {
        return NULL;
    }
    struct cell *cell = calloc(1, sizeof *cell);
    cell->size = (uint32_t)payload_len + CELL_HEADROOM + CELL_TAILROOM;
    cell->bytes = malloc(cell->size);
    cell->start = cell->end = CELL_HEADROOM;
    s->cells++;
    return cell;
}

static void give_cell(void *ctx, struct cell *cell)
{
    struct scene *s = ctx;
    s->cells--;
    free(cell->bytes);
    free(cell);
}

static void *take_block(void *ctx, size_t size)
{
    struct scene *s = ctx;
    s->blocks += !s->no_memory;
    return s->no_memory ? NULL : malloc(size);
}

static void give_block(void *ctx, void *block, size_t size)
{
    struct scene *s = ctx;
    cr_assert_eq(size, LIMIT_REPLIES);
    s->blocks--;
    free(block);
}

/* A transport behind its first exchange, still in clear, whose queue is empty. */
static void set(struct scene *s)
{
    cr_assert(provider_start());
    *s = (struct scene){.no_cells = false};
    s->config = (struct session_config){
        .entropy = entropy_seeded(&s->seeded, 1),
        .memory = {take_block, give_block, s},
        .cells = {take_cell, give_cell, s},
        .software = "x",
    };
    transport_start(&s->transport, &s->config, &s->events, 0);
    s->transport.stage = STAGE_OPEN;
    s->transport.step = KEX_NONE;
    s->transport.first_done = true;
    s->transport.keys_since = INT64_MAX / 2;
    outq_clear(&s->transport.queue);
    s->replies.transport = &s->transport;
}

static void clear(struct scene *s)
{
    replies_clear(&s->replies);
    transport_end(&s->transport);
    cr_assert_eq(s->cells + s->blocks, 0);
}

/* Reads the numbers of the answers that were sent, from first on. */
static uint32_t read_numbers(struct scene *s, uint32_t first)
{
    struct packet_way in = {.sequence = 0};
    struct iovec iov[64];
    uint32_t count = 0;
    int pieces = outq_gather(&s->transport.queue, iov, 64);
    for (int i = 0; i < pieces; i++) {
        uint8_t *at = iov[i].iov_base;
        size_t left = iov[i].iov_len;
        while (left > 0) {
            struct packet packet;
            cr_assert_eq(packet_open(&in, at, left, &packet), ERR_OK);
            cr_assert_not_null(packet.payload);
            cr_assert_eq((uint32_t)packet.payload[1] << 8 | packet.payload[2], first + count);
            at += packet.wire_len;
            left -= packet.wire_len;
            count++;
        }
    }
    return count;
}

static void answer(struct scene *s, uint32_t number, size_t len)
{
    uint8_t payload[LIMIT_PING + 5] = {MSG_PONG, (uint8_t)(number >> 8), (uint8_t)number};
    replies_send(&s->replies, payload, len);
}

Test(replies, at_once_when_they_can)
{
    struct scene s;
    set(&s);
    for (uint32_t i = 0; i < 10; i++) {
        answer(&s, i, 3 + i * 100);
    }
    cr_assert_eq(s.blocks, 0);
    cr_assert_eq(read_numbers(&s, 0), 10);
    clear(&s);
}

Test(replies, wait_in_order_and_the_block_goes_home)
{
    struct scene s;
    set(&s);
    answer(&s, 0, 10);
    s.transport.step = KEX_SENT;
    for (uint32_t i = 1; i < 20; i++) {
        answer(&s, i, 10);
    }
    replies_flush(&s.replies);
    cr_assert_eq(s.blocks, 1);
    cr_assert_eq(read_numbers(&s, 0), 1);
    s.transport.step = KEX_NONE;
    /* what comes now stands behind those that wait */
    answer(&s, 20, 10);
    cr_assert_eq(read_numbers(&s, 0), 1);
    replies_flush(&s.replies);
    cr_assert_eq(read_numbers(&s, 0), 21);
    cr_assert_eq(s.blocks, 0);
    clear(&s);
}

Test(replies, full_leaves_room_for_one_of_any_size)
{
    struct scene s;
    set(&s);
    s.transport.step = KEX_SENT;
    uint32_t count = 0;
    while (!replies_full(&s.replies)) {
        answer(&s, count++, 50);
    }
    answer(&s, count, 5);
    cr_assert_eq(s.transport.stage, STAGE_OPEN);
    cr_assert_gt(count, (LIMIT_REPLIES - LIMIT_PING - 100) / 52);
    cr_assert_eq(s.replies.len, count * 52 + 7);
    /* beyond the bound it ends */
    for (int i = 0; i < 1000 && s.transport.stage == STAGE_OPEN; i++) {
        answer(&s, 0, LIMIT_PING + 5);
    }
    struct session_event event;
    cr_assert(events_pop(&s.events, &event));
    cr_assert_eq(event.err, ERR_FLOOD);
    clear(&s);
}

Test(replies, no_cells_is_no_end)
{
    struct scene s;
    set(&s);
    s.no_cells = true;
    answer(&s, 0, 10);
    answer(&s, 1, 10);
    replies_flush(&s.replies);
    cr_assert_eq(s.transport.stage, STAGE_OPEN);
    s.no_cells = false;
    replies_flush(&s.replies);
    cr_assert_eq(read_numbers(&s, 0), 2);
    clear(&s);
}

Test(replies, no_memory_ends_it)
{
    struct scene s;
    set(&s);
    s.no_memory = true;
    s.transport.step = KEX_SENT;
    answer(&s, 0, 10);
    struct session_event event;
    cr_assert(events_pop(&s.events, &event));
    cr_assert_eq(event.err, ERR_MEMORY);
    clear(&s);
}
