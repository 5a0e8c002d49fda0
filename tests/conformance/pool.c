/*
 * Conformance: pools and receives into a buffer that is chosen late.
 */
#include "cases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/sock.h"
#include "harness.h"

static const struct io_pool_config four = {
    .count = 4, .stride = 256, .offset = 64, .size = 128, .offered = 2};

static void count_notice(void *ctx)
{
    int *count = ctx;
    (*count)++;
}

void case_pool_by_hand(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct io_pool *pool = io_pool_make(io, &four);
    cr_assert_not_null(pool);
    int notices = 0;
    io_pool_on_refill(pool, count_notice, &notices);
    turn_dry(io);
    int taken[4];
    int count = 0;
    while (io_pool_free_count(pool) > 0) {
        taken[count] = io_pool_take(pool);
        cr_assert(taken[count] >= 0 && taken[count] < 4);
        count++;
    }
    cr_assert_geq(count, 2);
    cr_assert_eq(io_pool_take(pool), -1);
    /* neighbours keep their distance */
    for (int i = 0; i < count; i++) {
        memset(io_pool_at(pool, taken[i]) - 64, i, 256);
    }
    for (int i = 0; i < count; i++) {
        for (int k = -64; k < 192; k++) {
            cr_assert_eq(io_pool_at(pool, taken[i])[k], i);
        }
    }
    turn_dry(io);
    cr_assert_eq(notices, 0, "nothing came home yet");
    io_pool_give(pool, taken[0]);
    io_pool_give(pool, taken[1]);
    turn_dry(io);
    cr_assert_eq(notices, 1);
    /* the buffer given last is the first to go: it is still in the cache */
    cr_assert_eq(io_pool_take(pool), taken[1]);
    io_pool_give(pool, taken[1]);
    for (int i = 2; i < count; i++) {
        io_pool_give(pool, taken[i]);
    }
    turn_dry(io);
    cr_assert_eq(notices, 1, "nobody was refused since");
    io_pool_free(pool);
    io_shut(io);
}

void case_pool_recv(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct io_pool *pool = io_pool_make(io, &four);
    int pair[2];
    make_pair(pair);
    uint8_t out[500];
    pattern_fill(out, sizeof(out), 0);
    cr_assert_eq(write(pair[1], out, sizeof(out)), (ssize_t)sizeof(out));
    struct call receiver = call_make(io);
    size_t at = 0;
    /* len is an exact budget, and more than a buffer holds is cut to that */
    static const size_t budgets[] = {1, 100, 128, 129, 10000, 15};
    static const int expected[] = {1, 100, 128, 128, 128, 15};
    for (int i = 0; i < 6; i++) {
        io_recv_pool(io, &receiver.op, pair[0], pool, budgets[i]);
        turn_until(&receiver, i + 1);
        cr_assert_eq(receiver.result, expected[i]);
        int buffer = receiver.op.buffer;
        cr_assert(buffer >= 0 && buffer < 4);
        cr_assert(pattern_check(io_pool_at(pool, buffer), (size_t)expected[i], at));
        at += (size_t)expected[i];
        io_pool_give(pool, buffer);
    }
    cr_assert_eq(sock_shutdown_write(pair[1]), 0);
    io_recv_pool(io, &receiver.op, pair[0], pool, 128);
    turn_until(&receiver, 7);
    cr_assert_eq(receiver.result, 0);
    cr_assert_eq(receiver.op.buffer, -1);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_pool_free(pool);
    io_shut(io);
}

void case_pool_idle_holds_none(enum io_backend_kind kind)
{
    enum { COUNT = 50 };
    struct io *io = io_open(kind);
    struct io_pool *pool = io_pool_make(io, &four);
    int pairs[COUNT][2];
    static struct call receivers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        make_pair(pairs[i]);
        receivers[i] = call_make(io);
        io_recv_pool(io, &receivers[i].op, pairs[i][0], pool, 128);
    }
    turn_dry(io);
    cr_assert_eq(io_busy_count(io), COUNT);
    for (int i = COUNT - 1; i >= 0; i--) {
        uint8_t byte = (uint8_t)i;
        cr_assert_eq(write(pairs[i][1], &byte, 1), 1);
        turn_until(&receivers[i], 1);
        cr_assert_eq(receivers[i].result, 1);
        cr_assert_eq(*io_pool_at(pool, receivers[i].op.buffer), i);
        io_pool_give(pool, receivers[i].op.buffer);
    }
    for (int i = 0; i < COUNT; i++) {
        io_close(io, pairs[i][0]);
        io_close(io, pairs[i][1]);
    }
    io_pool_free(pool);
    io_shut(io);
}

/* Sockets that all have data, and fewer buffers than sockets. */
struct crowd {
    struct io *io;
    struct io_pool *pool;
    struct call calls[12];
    int pairs[12][2];
    int held[4];
    int held_count;
    int refused;
    int served;
    int notices;
};

static void crowd_received(struct call *call)
{
    struct crowd *crowd = call->ctx;
    if (call->result == -ENOBUFS) {
        cr_assert_eq(call->op.buffer, -1);
        crowd->refused++;
        return;
    }
    cr_assert_eq(call->result, 1);
    cr_assert_lt(crowd->held_count, 4);
    cr_assert_eq(*io_pool_at(crowd->pool, call->op.buffer), call - crowd->calls);
    crowd->held[crowd->held_count++] = call->op.buffer;
    crowd->served++;
}

static void crowd_refill(void *ctx)
{
    struct crowd *crowd = ctx;
    crowd->notices++;
    for (int i = 0; i < 12; i++) {
        struct call *call = &crowd->calls[i];
        if (!io_op_busy(&call->op) && call->result == -ENOBUFS) {
            io_recv_pool(crowd->io, &call->op, crowd->pairs[i][0], crowd->pool, 128);
        }
    }
}

void case_pool_empty_and_refill(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct io_pool *pool = io_pool_make(io, &four);
    static struct crowd crowd;
    crowd.io = io;
    crowd.pool = pool;
    io_pool_on_refill(pool, crowd_refill, &crowd);
    for (int i = 0; i < 12; i++) {
        make_pair(crowd.pairs[i]);
        uint8_t byte = (uint8_t)i;
        cr_assert_eq(write(crowd.pairs[i][1], &byte, 1), 1);
        crowd.calls[i] = call_make(io);
        crowd.calls[i].then = crowd_received;
        crowd.calls[i].ctx = &crowd;
        io_recv_pool(io, &crowd.calls[i].op, crowd.pairs[i][0], pool, 128);
    }
    turn_dry(io);
    cr_assert_eq(crowd.served, 4);
    cr_assert_eq(crowd.refused, 8);
    cr_assert_eq(crowd.notices, 0);
    cr_assert_eq(io_busy_count(io), 0);
    for (int round = 0; round < 100 && crowd.served < 12; round++) {
        while (crowd.held_count > 0) {
            io_pool_give(pool, crowd.held[--crowd.held_count]);
        }
        turn_dry(io);
    }
    cr_assert_eq(crowd.served, 12);
    cr_assert_gt(crowd.notices, 0);
    while (crowd.held_count > 0) {
        io_pool_give(pool, crowd.held[--crowd.held_count]);
    }
    for (int i = 0; i < 12; i++) {
        io_close(io, crowd.pairs[i][0]);
        io_close(io, crowd.pairs[i][1]);
    }
    io_pool_free(pool);
    io_shut(io);
}

void case_pool_all_taken_by_hand(enum io_backend_kind kind)
{
    /* hand and kernel compete for the same buffers, and both get theirs in the end */
    static const struct io_pool_config one = {
        .count = 1, .stride = 64, .offset = 0, .size = 64, .offered = 1};
    struct io *io = io_open(kind);
    struct io_pool *pool = io_pool_make(io, &one);
    int notices = 0;
    io_pool_on_refill(pool, count_notice, &notices);
    int pair[2];
    make_pair(pair);
    int buffer = io_pool_take(pool);
    cr_assert_eq(buffer, 0, "nothing was offered before the first turn");
    struct call receiver = call_make(io);
    cr_assert_eq(write(pair[1], "z", 1), 1);
    io_recv_pool(io, &receiver.op, pair[0], pool, 64);
    turn_until(&receiver, 1);
    cr_assert_eq(receiver.result, -ENOBUFS);
    turn_dry(io);
    cr_assert_eq(notices, 0);
    io_pool_give(pool, buffer);
    turn_dry(io);
    cr_assert_eq(notices, 1);
    io_recv_pool(io, &receiver.op, pair[0], pool, 64);
    turn_until(&receiver, 2);
    cr_assert_eq(receiver.result, 1);
    cr_assert_eq(*io_pool_at(pool, receiver.op.buffer), 'z');
    io_pool_give(pool, receiver.op.buffer);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_pool_free(pool);
    io_shut(io);
}

void case_pool_several(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct io_pool *pools[5];
    int pair[2];
    make_pair(pair);
    struct call receiver = call_make(io);
    for (int i = 0; i < 5; i++) {
        pools[i] = io_pool_make(io, &four);
        cr_assert_not_null(pools[i]);
    }
    io_pool_free(pools[2]);
    pools[2] = io_pool_make(io, &four);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(write(pair[1], &"12345"[i], 1), 1);
        io_recv_pool(io, &receiver.op, pair[0], pools[i], 1);
        turn_until(&receiver, i + 1);
        cr_assert_eq(receiver.result, 1);
        cr_assert_eq(*io_pool_at(pools[i], receiver.op.buffer), '1' + i);
        io_pool_give(pools[i], receiver.op.buffer);
    }
    for (int i = 0; i < 5; i++) {
        io_pool_free(pools[i]);
    }
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

static void give_back(struct call *call)
{
    cr_assert_eq(call->result, 3, "the pool was never empty: %d", call->result);
    io_pool_give(call->ctx, call->op.buffer);
}

void case_pool_burst(enum io_backend_kind kind)
{
    /* far more sockets become ready at once than buffers are offered: as the pool has plenty, all
     * are served, and soon */
    enum { COUNT = 400 };
    static const struct io_pool_config config = {
        .count = COUNT, .stride = 64, .offset = 0, .size = 64, .offered = 2};
    struct io *io = io_open(kind);
    raise_descriptor_limit(2 * COUNT + 100);
    struct io_pool *pool = io_pool_make(io, &config);
    static struct call calls[COUNT];
    static int pairs[COUNT][2];
    for (int i = 0; i < COUNT; i++) {
        make_pair(pairs[i]);
        calls[i] = call_make(io);
        calls[i].then = give_back;
        calls[i].ctx = pool;
        io_recv_pool(io, &calls[i].op, pairs[i][0], pool, 64);
    }
    turn_dry(io);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(write(pairs[i][1], "abc", 3), 3);
    }
    /* newer kernels run the ends of only 20 requests in a turn */
    for (int i = 0; i < COUNT / 20 + 5; i++) {
        turn(io, 0);
    }
    cr_assert_eq(io_busy_count(io), 0);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(calls[i].ends, 1);
        io_close(io, pairs[i][0]);
        io_close(io, pairs[i][1]);
    }
    io_pool_free(pool);
    io_shut(io);
}
