/*
 * What the io itself costs, on both backends: small messages back and forth over many socket pairs,
 * and bulk through a relay. About four seconds. Operations are completions told to the owner.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/io.h"

enum {
    PAIRS = 64,
    MESSAGE = 64,
    RELAY_PIECE = 32768,
    RELAY_PIECES = 16,
};

#define RUN_NS INT64_C(900000000)

static int64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

static void must(int r, const char *what)
{
    if (r < 0) {
        fprintf(stderr, "loop: %s: %s\n", what, strerror(-r));
        exit(1);
    }
}

/* One end of a pair: receives a message, sends it back. */
struct end {
    struct io_op op;
    struct io *io;
    struct io_pool *pool;
    int fd;
    int buffer;
    struct iovec iov;
};

static uint64_t operations;
static uint64_t bytes;
static bool stopping;

static void end_sent(struct io_op *op, int result, bool more);

static void end_received(struct io_op *op, int result, bool more)
{
    struct end *end = (struct end *)op;
    (void)more;
    if (result <= 0) {
        return;
    }
    operations++;
    end->buffer = op->buffer;
    end->iov =
        (struct iovec){.iov_base = io_pool_at(end->pool, end->buffer), .iov_len = (size_t)result};
    op->done = end_sent;
    io_send(end->io, op, end->fd, &end->iov, 1);
}

static void end_sent(struct io_op *op, int result, bool more)
{
    struct end *end = (struct end *)op;
    (void)result;
    (void)more;
    operations++;
    io_pool_give(end->pool, end->buffer);
    op->done = end_received;
    if (!stopping) {
        io_recv_pool(end->io, op, end->fd, end->pool, MESSAGE);
    }
}

static void report(const char *what, const struct io *io, int64_t start, int64_t cpu)
{
    double seconds = (double)(clock_now() - start) / 1e9;
    double used = (double)(cpu_ns() - cpu) / 1e9;
    printf("%-10s %-9s %9.0f op/s  %6.2f us CPU/op", what, io_backend_name(io),
           (double)operations / seconds, used * 1e6 / (double)operations);
    if (bytes > 0) {
        printf("  %6.2f Gbit/s  %5.3f CPU s/GB", (double)bytes * 8 / 1e9 / seconds,
               used / ((double)bytes / 1e9));
    }
    printf("\n");
}

static void run_until(struct io *io, int64_t deadline)
{
    while (clock_now() < deadline) {
        must(io_turn(io, deadline), "turn");
    }
}

static void run_ping_pong(struct io *io)
{
    struct io_pool_config config = {
        .count = 4 * PAIRS, .stride = 256, .offset = 64, .size = 128, .offered = 2 * PAIRS};
    struct io_pool *pool = io_pool_make(io, &config);
    static struct end ends[2 * PAIRS];
    operations = 0;
    bytes = 0;
    stopping = false;
    for (int i = 0; i < PAIRS; i++) {
        int pair[2];
        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), "socketpair");
        for (int k = 0; k < 2; k++) {
            ends[2 * i + k] =
                (struct end){.op.done = end_received, .io = io, .pool = pool, .fd = pair[k]};
            io_recv_pool(io, &ends[2 * i + k].op, pair[k], pool, MESSAGE);
        }
        char message[MESSAGE] = "";
        must(write(pair[0], message, MESSAGE) == MESSAGE ? 0 : -errno, "write");
    }
    int64_t cpu = cpu_ns();
    int64_t start = clock_now();
    run_until(io, start + RUN_NS);
    report("ping-pong", io, start, cpu);
    stopping = true;
    for (int i = 0; i < 2 * PAIRS; i++) {
        io_cancel(io, &ends[i].op);
    }
    while (io_busy_count(io) > 0) {
        must(io_turn(io, INT64_MAX), "turn");
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        io_close(io, ends[i].fd);
    }
    io_pool_free(pool);
}

/* A source, a relay and a sink in one process: memory goes round, nobody looks at it. */
struct flow {
    struct io_op op;
    struct io *io;
    int in;
    int out;
    int left;
    struct iovec iov[RELAY_PIECES];
    struct iovec out_iov[RELAY_PIECES];
    uint8_t *memory;
};

static void flow_received(struct io_op *op, int result, bool more);

static void flow_send(struct flow *flow, size_t skip)
{
    int count = 0;
    for (int i = 0; i < RELAY_PIECES && flow->left > 0; i++) {
        size_t at = (size_t)i * RELAY_PIECE;
        size_t from = skip > at ? skip - at : 0;
        size_t to = skip + (size_t)flow->left > at ? skip + (size_t)flow->left - at : 0;
        to = to < RELAY_PIECE ? to : RELAY_PIECE;
        if (from < to) {
            flow->out_iov[count++] =
                (struct iovec){.iov_base = flow->memory + at + from, .iov_len = to - from};
        }
    }
    io_send(flow->io, &flow->op, flow->out, flow->out_iov, count);
}

static void flow_sent(struct io_op *op, int result, bool more)
{
    struct flow *flow = (struct flow *)op;
    (void)more;
    if (result <= 0) {
        return;
    }
    operations++;
    flow->left -= result;
    if (flow->left > 0) {
        const uint8_t *end = (uint8_t *)flow->out_iov[0].iov_base + result;
        flow_send(flow, (size_t)(end - flow->memory));
    } else if (flow->in >= 0) {
        op->done = flow_received;
        io_recv(flow->io, op, flow->in, flow->iov, RELAY_PIECES);
    } else {
        flow->left = RELAY_PIECE * RELAY_PIECES;
        flow_send(flow, 0);
    }
}

static void flow_received(struct io_op *op, int result, bool more)
{
    struct flow *flow = (struct flow *)op;
    (void)more;
    if (result <= 0) {
        return;
    }
    operations++;
    if (flow->out < 0) {
        bytes += (uint64_t)result;
        io_recv(flow->io, op, flow->in, flow->iov, RELAY_PIECES);
        return;
    }
    flow->left = result;
    op->done = flow_sent;
    flow_send(flow, 0);
}

static void flow_make(struct flow *flow, struct io *io, int in, int out)
{
    *flow = (struct flow){.io = io, .in = in, .out = out};
    flow->memory = calloc(RELAY_PIECES, RELAY_PIECE);
    must(flow->memory == NULL ? -ENOMEM : 0, "memory");
    for (int i = 0; i < RELAY_PIECES; i++) {
        flow->iov[i] =
            (struct iovec){.iov_base = flow->memory + i * RELAY_PIECE, .iov_len = RELAY_PIECE};
    }
}

static void run_relay(struct io *io)
{
    int first[2];
    int second[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, first), "socketpair");
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, second), "socketpair");
    static struct flow flows[3];
    flow_make(&flows[0], io, -1, first[0]);
    flow_make(&flows[1], io, first[1], second[0]);
    flow_make(&flows[2], io, second[1], -1);
    operations = 0;
    bytes = 0;
    flows[0].op.done = flow_sent;
    flows[0].left = RELAY_PIECE * RELAY_PIECES;
    flow_send(&flows[0], 0);
    for (int i = 1; i < 3; i++) {
        flows[i].op.done = flow_received;
        io_recv(io, &flows[i].op, flows[i].in, flows[i].iov, RELAY_PIECES);
    }
    int64_t cpu = cpu_ns();
    int64_t start = clock_now();
    run_until(io, start + RUN_NS);
    report("relay", io, start, cpu);
    while (io_busy_count(io) > 0) {
        for (int i = 0; i < 3; i++) {
            io_cancel(io, &flows[i].op);
        }
        must(io_turn(io, clock_now()), "turn");
    }
    for (int i = 0; i < 2; i++) {
        io_close(io, first[i]);
        io_close(io, second[i]);
    }
    for (int i = 0; i < 3; i++) {
        free(flows[i].memory);
    }
}

int main(void)
{
    static const enum io_backend_kind kinds[] = {IO_BACKEND_EPOLL, IO_BACKEND_URING};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int error = 0;
        char why[256] = "";
        struct io *io = io_make(kinds[i], &error, why, sizeof(why));
        if (io == NULL) {
            printf("left out: %s\n", why);
            continue;
        }
        run_ping_pong(io);
        run_relay(io);
        io_free(io);
    }
    return 0;
}
