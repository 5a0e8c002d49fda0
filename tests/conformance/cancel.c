/*
 * Conformance: cancels, races of cancels, and descriptors whose number comes back.
 */
#include "cases.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/sock.h"
#include "harness.h"

/* An op of each kind in a state where it waits for long. */
struct every {
    struct io *io;
    struct io_pool *pool;
    int listener;
    int full_listener;
    int full[2];
    int quiet[2];
    int fillers[2];
    int connecting;
    struct call calls[7];
    uint8_t memory[16];
};

static void every_open(struct every *every, struct io *io)
{
    static const struct io_pool_config config = {
        .count = 2, .stride = 64, .offset = 0, .size = 64, .offered = 1};
    struct sockaddr_storage addr;
    socklen_t len;
    every->io = io;
    every->pool = io_pool_make(io, &config);
    every->listener = make_listener(&addr, &len);
    make_pair(every->quiet);
    make_pair(every->full);
    fill_socket(every->full[0]);
    /* a listener whose queue is full leaves the next connect waiting */
    every->full_listener = make_listener(&addr, &len);
    cr_assert_eq(listen(every->full_listener, 0), 0);
    for (int i = 0; i < 2; i++) {
        every->fillers[i] = sock_for_connect(AF_INET, NULL, 0);
        (void)connect(every->fillers[i], (struct sockaddr *)&addr, len);
    }
    every->connecting = sock_for_connect(AF_INET, NULL, 0);
    for (int i = 0; i < 7; i++) {
        every->calls[i] = call_make(io);
    }
    io_accept(io, &every->calls[0].op, every->listener);
    io_connect(io, &every->calls[1].op, every->connecting, (struct sockaddr *)&addr, len);
    recv_one(&every->calls[2], every->quiet[0], every->memory, 16);
    io_recv_pool(io, &every->calls[3].op, every->quiet[1], every->pool, 64);
    send_one(&every->calls[4], every->full[0], "x", 1);
    io_watch(io, &every->calls[5].op, every->quiet[0], POLLPRI);
    io_timer(io, &every->calls[6].op, clock_now() + (int64_t)60000 * MS);
}

static void every_close(struct every *every)
{
    int fds[] = {every->listener,   every->full_listener, every->full[0],
                 every->full[1],    every->quiet[0],      every->quiet[1],
                 every->fillers[0], every->fillers[1],    every->connecting};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        io_close(every->io, fds[i]);
    }
    io_pool_free(every->pool);
}

void case_cancel_every_kind(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    /* before the first turn and after it: not yet asked for, and waiting in the kernel */
    for (int turned = 0; turned < 2; turned++) {
        static struct every every;
        every_open(&every, io);
        if (turned != 0) {
            turn_dry(io);
        }
        cr_assert_eq(io_busy_count(io), 6);
        for (int i = 0; i < 7; i++) {
            cr_assert_eq(every.calls[i].ends, 0, "op %d ended", i);
            io_cancel(io, &every.calls[i].op);
            io_cancel(io, &every.calls[i].op);
            cr_assert_eq(every.calls[i].ends, 0);
        }
        for (int i = 0; i < 7; i++) {
            turn_until(&every.calls[i], 1);
            cr_assert_eq(every.calls[i].result, -ECANCELED, "op %d: %d", i, every.calls[i].result);
        }
        for (int i = 0; i < 7; i++) {
            io_cancel(io, &every.calls[i].op);
        }
        turn_dry(io);
        for (int i = 0; i < 7; i++) {
            cr_assert_eq(every.calls[i].ends, 1);
        }
        every_close(&every);
    }
    io_shut(io);
}

void case_cancel_loses_no_bytes(enum io_backend_kind kind)
{
    /* data and cancel at the same time: whoever wins, the stream has no hole */
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    struct call receiver = call_make(io);
    uint8_t in[4];
    uint64_t got = 0;
    uint64_t sent = 0;
    int cancelled = 0;
    for (int i = 0; i < 300; i++) {
        recv_one(&receiver, pair[0], in, sizeof(in));
        if (i % 3 != 0) {
            turn(io, 0);
        }
        if (i % 2 == 0) {
            uint8_t out[3];
            pattern_fill(out, sizeof(out), sent);
            cr_assert_eq(write(pair[1], out, sizeof(out)), 3);
            sent += 3;
        }
        if (i % 5 == 0) {
            turn(io, 0);
        }
        io_cancel(io, &receiver.op);
        turn_until(&receiver, i + 1);
        if (receiver.result == -ECANCELED) {
            cancelled++;
            continue;
        }
        cr_assert_gt(receiver.result, 0);
        cr_assert(pattern_check(in, (size_t)receiver.result, got));
        got += (uint64_t)receiver.result;
    }
    cr_assert_gt(cancelled, 0);
    for (int i = 301; got < sent; i++) {
        recv_one(&receiver, pair[0], in, sizeof(in));
        turn_until(&receiver, i);
        cr_assert(pattern_check(in, (size_t)receiver.result, got));
        got += (uint64_t)receiver.result;
    }
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

static void cancel_other(struct call *call)
{
    struct call *other = call->ctx;
    io_cancel(call->io, &other->op);
}

void case_cancel_inside_done(enum io_backend_kind kind)
{
    /* both ended in the same turn, and the first told cancels the other: still one end each */
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    struct call a = call_make(io);
    struct call b = call_make(io);
    uint8_t byte = 0;
    a.then = cancel_other;
    a.ctx = &b;
    b.then = cancel_other;
    b.ctx = &a;
    recv_one(&a, pair[0], &byte, 1);
    io_watch(io, &b.op, pair[0], POLLIN);
    turn_dry(io);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    turn_until(&a, 1);
    turn_until(&b, 1);
    turn_dry(io);
    cr_assert(a.result == 1 || a.result == -ECANCELED);
    cr_assert(b.result == POLLIN || b.result == -ECANCELED);
    cr_assert_eq(a.ends + b.ends, 2);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

static void submit_again(struct call *call)
{
    int *pair = call->ctx;
    if (call->ends < 200) {
        static uint8_t byte;
        recv_one(call, pair[call->ends % 2], &byte, 1);
    }
}

void case_late_completion(enum io_backend_kind kind)
{
    /* the same op is used anew inside done, again and again: a cancel of one use must never end
     * the next */
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    struct call call = call_make(io);
    call.then = submit_again;
    call.ctx = pair;
    static uint8_t byte;
    recv_one(&call, pair[0], &byte, 1);
    for (int i = 0; i < 199; i++) {
        io_cancel(io, &call.op);
        int ends = call.ends;
        turn_until(&call, ends + 1);
        cr_assert_eq(call.result, -ECANCELED);
        turn(io, 0);
        cr_assert_eq(call.ends, ends + 1, "a cancel reached the next use");
    }
    cr_assert_eq(write(pair[1 - call.ends % 2], "x", 1), 1);
    call.then = NULL;
    turn_until(&call, 200);
    cr_assert_eq(call.result, 1);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_descriptor_reused(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    uint8_t byte = 0;
    struct call receiver = call_make(io);
    struct call sender = call_make(io);
    int first[2];
    make_pair(first);
    for (int i = 0; i < 50; i++) {
        /* leave the old one in various states: armed and cancelled, with unread data, hung up */
        recv_one(&receiver, first[0], &byte, 1);
        turn(io, 0);
        if (i % 3 == 0) {
            cancel_and_wait(&receiver);
            cr_assert_eq(write(first[1], "old", 3), 3);
            turn(io, 0);
        } else {
            cr_assert_eq(write(first[1], "old", 3), 3);
            turn_until(&receiver, receiver.ends + 1);
            turn(io, 0);
        }
        if (i % 2 == 0) {
            close(first[1]);
            turn(io, 0);
        } else {
            io_close(io, first[1]);
        }
        int number = first[0];
        io_close(io, first[0]);
        int second[2];
        make_pair(second);
        cr_assert(second[0] == number || second[1] == number);
        recv_one(&receiver, second[0], &byte, 1);
        int ends = receiver.ends;
        turn_dry(io);
        cr_assert_eq(receiver.ends, ends, "an event of the old descriptor ended the new op");
        send_one(&sender, second[1], "n", 1);
        turn_until(&receiver, ends + 1);
        turn_until(&sender, i + 1);
        cr_assert_eq(receiver.result, 1);
        cr_assert_eq(byte, 'n');
        first[0] = second[0];
        first[1] = second[1];
    }
    io_close(io, first[0]);
    io_close(io, first[1]);
    io_shut(io);
}

void case_descriptor_duplicated(enum io_backend_kind kind)
{
    /* somebody else (a child) still has the socket open: closing ours must silence it here */
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    uint8_t byte = 0;
    struct call receiver = call_make(io);
    recv_one(&receiver, pair[0], &byte, 1);
    turn_dry(io);
    cancel_and_wait(&receiver);
    int copy = dup(pair[0]);
    io_close(io, pair[0]);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    int64_t start = clock_now();
    turn(io, 30);
    cr_assert_geq(clock_now() - start, (int64_t)30 * MS, "a closed descriptor woke the turn");
    close(copy);
    io_close(io, pair[1]);
    io_shut(io);
}

enum { STORM_PAIRS = 16, STORM_STEPS = 4000 };

/* A stream from pairs[i][0] to pairs[i][1] under random cancels. */
struct storm {
    struct call senders[STORM_PAIRS];
    struct call receivers[STORM_PAIRS];
    int pairs[STORM_PAIRS][2];
    uint64_t sent[STORM_PAIRS];
    uint64_t got[STORM_PAIRS];
    uint8_t out[STORM_PAIRS][3000];
    uint8_t in[STORM_PAIRS][3000];
};

static void storm_sent(struct call *call)
{
    uint64_t *sent = call->ctx;
    cr_assert(call->result > 0 || call->result == -ECANCELED);
    *sent += call->result > 0 ? (uint64_t)call->result : 0;
}

static void storm_received(struct call *call)
{
    uint64_t *got = call->ctx;
    cr_assert(call->result > 0 || call->result == -ECANCELED);
    if (call->result > 0) {
        cr_assert(pattern_check(call->iov[0].iov_base, (size_t)call->result, *got));
        *got += (uint64_t)call->result;
    }
}

static void storm_step(struct storm *storm, struct io *io)
{
    int i = rand() % STORM_PAIRS;
    struct call *sender = &storm->senders[i];
    struct call *receiver = &storm->receivers[i];
    size_t len = 1 + (size_t)(rand() % 3000);
    switch (rand() % 6) {
    case 0:
    case 1:
        if (!io_op_busy(&sender->op)) {
            pattern_fill(storm->out[i], len, storm->sent[i]);
            send_one(sender, storm->pairs[i][0], storm->out[i], len);
        }
        break;
    case 2:
    case 3:
        if (!io_op_busy(&receiver->op)) {
            recv_one(receiver, storm->pairs[i][1], storm->in[i], len);
        }
        break;
    case 4:
        io_cancel(io, rand() % 2 != 0 ? &sender->op : &receiver->op);
        break;
    default:
        turn(io, 0);
        break;
    }
}

void case_cancel_storm(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    static struct storm storm;
    srand(20240607);
    for (int i = 0; i < STORM_PAIRS; i++) {
        make_pair(storm.pairs[i]);
        storm.senders[i] = call_make(io);
        storm.senders[i].then = storm_sent;
        storm.senders[i].ctx = &storm.sent[i];
        storm.receivers[i] = call_make(io);
        storm.receivers[i].then = storm_received;
        storm.receivers[i].ctx = &storm.got[i];
    }
    for (int step = 0; step < STORM_STEPS; step++) {
        storm_step(&storm, io);
    }
    for (int i = 0; i < STORM_PAIRS; i++) {
        io_cancel(io, &storm.senders[i].op);
        io_cancel(io, &storm.receivers[i].op);
    }
    turn_dry(io);
    cr_assert_eq(io_busy_count(io), 0);
    for (int i = 0; i < STORM_PAIRS; i++) {
        while (storm.got[i] < storm.sent[i]) {
            int ends = storm.receivers[i].ends;
            recv_one(&storm.receivers[i], storm.pairs[i][1], storm.in[i], 3000);
            turn_until(&storm.receivers[i], ends + 1);
        }
        cr_assert_gt(storm.got[i], 0);
        cr_assert_eq(storm.got[i], storm.sent[i]);
        io_close(io, storm.pairs[i][0]);
        io_close(io, storm.pairs[i][1]);
    }
    io_shut(io);
}
