/*
 * Conformance: receives and sends.
 */
#include "cases.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/sock.h"
#include "harness.h"

static void echo_over(struct io *io, const int pair[2])
{
    enum { LEN = 5000 };
    uint8_t out[LEN];
    uint8_t in[LEN];
    struct call sender = call_make(io);
    struct call receiver = call_make(io);
    uint64_t at = 0;
    for (int i = 0; i < 20; i++) {
        int from = pair[i % 2];
        int to = pair[1 - i % 2];
        pattern_fill(out, LEN, at);
        recv_one(&receiver, to, in, LEN);
        send_one(&sender, from, out, LEN);
        turn_until(&sender, i + 1);
        turn_until(&receiver, i + 1);
        cr_assert_eq(sender.result, LEN);
        cr_assert_eq(receiver.result, LEN);
        cr_assert(pattern_check(in, LEN, at));
        at += LEN;
    }
}

void case_echo_pair(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    echo_over(io, pair);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_echo_tcp(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    make_tcp_pair(pair);
    echo_over(io, pair);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_callbacks_only_in_turn(enum io_backend_kind kind)
{
    /* the harness fails when a callback runs outside: here is every way to end at once */
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    uint8_t byte = 7;
    struct call calls[6];
    for (int i = 0; i < 6; i++) {
        calls[i] = call_make(io);
    }
    cr_assert_eq(write(pair[1], &byte, 1), 1);
    recv_one(&calls[0], pair[0], &byte, 1);
    send_one(&calls[1], pair[0], &byte, 1);
    send_now_one(&calls[2], pair[0], &byte, 1);
    io_watch(io, &calls[3].op, pair[0], POLLOUT);
    io_timer(io, &calls[4].op, 0);
    recv_one(&calls[5], -1, &byte, 1);
    cr_assert_eq(io_busy_count(io), 5);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(calls[i].ends, 0);
        cr_assert(io_op_busy(&calls[i].op));
    }
    for (int i = 0; i < 6; i++) {
        turn_until(&calls[i], 1);
    }
    cr_assert_eq(calls[5].result, -EBADF);
    turn_dry(io);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(calls[i].ends, 1);
    }
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_half_close(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    for (int tcp = 0; tcp < 2; tcp++) {
        int pair[2];
        uint8_t memory[16];
        if (tcp != 0) {
            make_tcp_pair(pair);
        } else {
            make_pair(pair);
        }
        struct call receiver = call_make(io);
        struct call sender = call_make(io);
        recv_one(&receiver, pair[1], memory, sizeof(memory));
        turn_dry(io);
        send_one(&sender, pair[0], "last", 4);
        turn_until(&sender, 1);
        cr_assert_eq(sock_shutdown_write(pair[0]), 0);
        turn_until(&receiver, 1);
        cr_assert_eq(receiver.result, 4);
        recv_one(&receiver, pair[1], memory, sizeof(memory));
        turn_until(&receiver, 2);
        cr_assert_eq(receiver.result, 0);
        /* the end stays */
        recv_one(&receiver, pair[1], memory, sizeof(memory));
        turn_until(&receiver, 3);
        cr_assert_eq(receiver.result, 0);
        /* the other direction lives */
        recv_one(&receiver, pair[0], memory, sizeof(memory));
        send_one(&sender, pair[1], "answer", 6);
        turn_until(&sender, 2);
        turn_until(&receiver, 4);
        cr_assert_eq(receiver.result, 6);
        cr_assert_eq(memcmp(memory, "answer", 6), 0);
        io_close(io, pair[0]);
        io_close(io, pair[1]);
    }
    io_shut(io);
}

void case_scatter_gather(enum io_backend_kind kind)
{
    enum { PIECE = 100, STRIDE = 128 };
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    static uint8_t out[IO_IOV_MAX * STRIDE];
    static uint8_t in[IO_IOV_MAX * STRIDE];
    struct call sender = call_make(io);
    struct call receiver = call_make(io);
    for (size_t i = 0; i < IO_IOV_MAX; i++) {
        pattern_fill(out + i * STRIDE, PIECE, i * PIECE);
        sender.iov[i] = (struct iovec){.iov_base = out + i * STRIDE, .iov_len = PIECE};
        receiver.iov[i] = (struct iovec){.iov_base = in + i * STRIDE, .iov_len = PIECE};
    }
    memset(in, 0xaa, sizeof(in));
    io_recv(io, &receiver.op, pair[1], receiver.iov, IO_IOV_MAX);
    io_send(io, &sender.op, pair[0], sender.iov, IO_IOV_MAX);
    turn_until(&sender, 1);
    turn_until(&receiver, 1);
    cr_assert_eq(sender.result, IO_IOV_MAX * PIECE);
    cr_assert_eq(receiver.result, IO_IOV_MAX * PIECE);
    for (size_t i = 0; i < IO_IOV_MAX; i++) {
        cr_assert(pattern_check(in + i * STRIDE, PIECE, i * PIECE));
        cr_assert_eq(in[i * STRIDE + PIECE], 0xaa, "written behind a piece");
    }
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_send_short(enum io_backend_kind kind)
{
    /* a reader that takes little at a time: every short send must say how much went */
    enum { TOTAL = 600000 };
    struct io *io = io_open(kind);
    int pair[2];
    make_tcp_pair(pair);
    int small = 8192;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    static uint8_t out[TOTAL];
    static uint8_t in[7001];
    pattern_fill(out, TOTAL, 0);
    struct call sender = call_make(io);
    struct call receiver = call_make(io);
    size_t sent = 0;
    size_t got = 0;
    int shorts = 0;
    while (got < TOTAL) {
        if (!io_op_busy(&sender.op) && sent < TOTAL) {
            send_one(&sender, pair[0], out + sent, TOTAL - sent);
        }
        if (!io_op_busy(&receiver.op)) {
            recv_one(&receiver, pair[1], in, sizeof(in));
        }
        int sends = sender.ends;
        int receives = receiver.ends;
        turn(io, 100);
        if (sender.ends > sends) {
            cr_assert_gt(sender.result, 0);
            shorts += (size_t)sender.result < TOTAL - sent;
            sent += (size_t)sender.result;
        }
        if (receiver.ends > receives) {
            cr_assert_gt(receiver.result, 0);
            cr_assert(pattern_check(in, (size_t)receiver.result, got));
            got += (size_t)receiver.result;
        }
    }
    turn_dry(io);
    cr_assert_eq(got, TOTAL);
    cr_assert_gt(shorts, 0, "the case tested nothing");
    cr_assert_not(io_op_busy(&sender.op));
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_send_waits(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    size_t filled = fill_socket(pair[0]);
    cr_assert_gt(filled, 0);
    struct call sender = call_make(io);
    send_one(&sender, pair[0], "tail", 4);
    turn_dry(io);
    cr_assert_eq(sender.ends, 0);
    static uint8_t memory[65536];
    while (read(pair[1], memory, sizeof(memory)) > 0) {
    }
    turn_until(&sender, 1);
    cr_assert_eq(sender.result, 4);
    cr_assert_eq(read(pair[1], memory, sizeof(memory)), 4);
    cr_assert_eq(memcmp(memory, "tail", 4), 0);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_send_now(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    struct call sender = call_make(io);
    send_now_one(&sender, pair[0], "abc", 3);
    turn(io, 0);
    if (sender.ends == 0) {
        turn(io, 0);
    }
    cr_assert_eq(sender.ends, 1, "it must end in this turn or the next");
    cr_assert_eq(sender.result, 3);
    fill_socket(pair[0]);
    send_now_one(&sender, pair[0], "abc", 3);
    turn(io, 0);
    if (sender.ends == 1) {
        turn(io, 0);
    }
    cr_assert_eq(sender.ends, 2);
    cr_assert_eq(sender.result, -EAGAIN);
    sender.iov[0] = (struct iovec){.iov_base = "ab", .iov_len = 2};
    sender.iov[1] = (struct iovec){.iov_base = "cd", .iov_len = 2};
    io_send_now(io, &sender.op, pair[0], sender.iov, 2);
    turn_until(&sender, 3);
    cr_assert_eq(sender.result, -EAGAIN);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_stream_errors(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    uint8_t byte = 0;
    struct call call = call_make(io);
    /* a send to nobody: an error, never a signal */
    make_pair(pair);
    close(pair[1]);
    send_one(&call, pair[0], "x", 1);
    turn_until(&call, 1);
    cr_assert_eq(call.result, -EPIPE);
    send_now_one(&call, pair[0], "x", 1);
    turn_until(&call, 2);
    cr_assert_eq(call.result, -EPIPE);
    io_close(io, pair[0]);
    /* a reset reaches a waiting receive, once */
    make_tcp_pair(pair);
    recv_one(&call, pair[0], &byte, 1);
    turn_dry(io);
    cr_assert_eq(sock_set_abort(pair[1]), 0);
    close(pair[1]);
    turn_until(&call, 3);
    cr_assert_eq(call.result, -ECONNRESET);
    recv_one(&call, pair[0], &byte, 1);
    turn_until(&call, 4);
    cr_assert_eq(call.result, 0);
    io_close(io, pair[0]);
    /* never connected */
    int fd = sock_for_connect(AF_INET, NULL, 0);
    recv_one(&call, fd, &byte, 1);
    turn_until(&call, 5);
    cr_assert_eq(call.result, -ENOTCONN);
    io_close(io, fd);
    recv_one(&call, fd, &byte, 1);
    turn_until(&call, 6);
    cr_assert_eq(call.result, -EBADF);
    io_shut(io);
}

struct chain {
    int pair[2];
    uint8_t byte;
    int left;
    struct call *receiver;
};

static void chain_received(struct call *call)
{
    struct chain *chain = call->ctx;
    cr_assert_eq(call->result, 1);
    if (--chain->left > 0) {
        recv_one(call, chain->pair[1], &chain->byte, 1);
    }
}

static void chain_sent(struct call *call)
{
    struct chain *chain = call->ctx;
    cr_assert_eq(call->result, 1);
    if (call->ends < 500) {
        send_one(call, chain->pair[0], "x", 1);
    }
}

void case_submit_inside_done(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct chain chain = {.left = 500};
    make_pair(chain.pair);
    struct call receiver = call_make(io);
    struct call sender = call_make(io);
    receiver.then = chain_received;
    receiver.ctx = &chain;
    sender.then = chain_sent;
    sender.ctx = &chain;
    recv_one(&receiver, chain.pair[1], &chain.byte, 1);
    send_one(&sender, chain.pair[0], "x", 1);
    turn_until(&receiver, 500);
    turn_until(&sender, 500);
    io_close(io, chain.pair[0]);
    io_close(io, chain.pair[1]);
    io_shut(io);
}

void case_many_sockets(enum io_backend_kind kind)
{
    enum { COUNT = 1000 };
    struct io *io = io_open(kind);
    struct call *receivers = calloc(COUNT, sizeof(*receivers));
    struct call *senders = calloc(COUNT, sizeof(*senders));
    uint32_t(*memory)[2] = calloc(COUNT, sizeof(*memory));
    int(*pairs)[2] = calloc(COUNT, sizeof(*pairs));
    cr_assert(receivers != NULL && senders != NULL && memory != NULL && pairs != NULL);
    raise_descriptor_limit(2 * COUNT + 100);
    for (int i = 0; i < COUNT; i++) {
        make_pair(pairs[i]);
        receivers[i] = call_make(io);
        senders[i] = call_make(io);
        recv_one(&receivers[i], pairs[i][1], &memory[i][1], sizeof(memory[i][1]));
    }
    turn_dry(io);
    cr_assert_eq(io_busy_count(io), COUNT);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            memory[i][0] = (uint32_t)(i * 3 + round);
            send_one(&senders[i], pairs[i][0], &memory[i][0], sizeof(memory[i][0]));
        }
        for (int i = 0; i < COUNT; i++) {
            turn_until(&receivers[i], round + 1);
            turn_until(&senders[i], round + 1);
            cr_assert_eq(receivers[i].result, 4);
            cr_assert_eq(memory[i][1], (uint32_t)(i * 3 + round));
            recv_one(&receivers[i], pairs[i][1], &memory[i][1], sizeof(memory[i][1]));
        }
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(sock_shutdown(pairs[i][0]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        turn_until(&receivers[i], 4);
        cr_assert_eq(receivers[i].result, 0);
        io_close(io, pairs[i][0]);
        io_close(io, pairs[i][1]);
    }
    free(receivers);
    free(senders);
    free(memory);
    free(pairs);
    io_shut(io);
}

void case_ops_share_a_descriptor(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    fill_socket(pair[0]);
    uint8_t byte = 0;
    struct call receiver = call_make(io);
    struct call sender = call_make(io);
    struct call watch = call_make(io);
    recv_one(&receiver, pair[0], &byte, 1);
    send_one(&sender, pair[0], "x", 1);
    io_watch(io, &watch.op, pair[0], 0);
    turn_dry(io);
    cr_assert_eq(io_busy_count(io), 3);
    /* each ends by itself and leaves the others alone */
    cr_assert_eq(write(pair[1], "y", 1), 1);
    turn_until(&receiver, 1);
    cr_assert_eq(receiver.result, 1);
    turn_dry(io);
    cr_assert_eq(sender.ends + watch.ends, 0);
    static uint8_t memory[65536];
    while (read(pair[1], memory, sizeof(memory)) > 0) {
    }
    turn_until(&sender, 1);
    cr_assert_eq(sender.result, 1);
    recv_one(&receiver, pair[0], &byte, 1);
    cancel_and_wait(&receiver);
    cr_assert_eq(receiver.result, -ECANCELED);
    turn_dry(io);
    cr_assert_eq(watch.ends, 0);
    close(pair[1]);
    turn_until(&watch, 1);
    cr_assert(watch.result > 0);
    io_close(io, pair[0]);
    io_shut(io);
}
