/*
 * What the conformance cases share.
 */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/sock.h"

static bool in_turn;

struct io *io_open(enum io_backend_kind kind)
{
    int error = 0;
    char why[256] = "";
    struct io *io = io_make(kind, &error, why, sizeof(why));
    if (io == NULL && kind == IO_BACKEND_URING && (error == -EPERM || error == -ENOSYS)) {
        cr_skip("%s", why);
    }
    cr_assert_not_null(io, "io_make: %d, %s", error, why);
    const char *name = kind == IO_BACKEND_URING ? "io_uring" : "epoll";
    cr_assert_str_eq(io_backend_name(io), name);
    return io;
}

void io_shut(struct io *io)
{
    cr_assert_eq(io_busy_count(io), 0);
    io_free(io);
}

void turn(struct io *io, int ms)
{
    in_turn = true;
    int r = io_turn(io, ms == NO_LIMIT ? INT64_MAX : clock_now() + (int64_t)ms * MS);
    in_turn = false;
    cr_assert_eq(r, 0, "io_turn: %s", strerror(-r));
}

void turn_until(struct call *call, int ends)
{
    int64_t limit = clock_now() + (int64_t)5000 * MS;
    while (call->ends < ends) {
        cr_assert_lt(clock_now(), limit, "an op does not end: %d of %d", call->ends, ends);
        turn(call->io, 100);
    }
    cr_assert_eq(call->ends, ends);
}

void turn_dry(struct io *io)
{
    for (int i = 0; i < 6; i++) {
        turn(io, 0);
    }
    turn(io, 5);
}

static void call_done(struct io_op *op, int result, bool more)
{
    /* op is the first member */
    struct call *call = (struct call *)op;
    cr_assert(in_turn, "a callback ran outside of a turn");
    cr_assert_eq(io_op_busy(op), more);
    call->result = result;
    if (more) {
        cr_assert_geq(result, 0);
        cr_assert_lt(call->mores, ACCEPTED_MAX);
        if (call->fds != NULL) {
            call->fds[call->mores] = result;
        }
        call->mores++;
    } else {
        call->ends++;
    }
    if (call->then != NULL) {
        call->then(call);
    }
}

struct call call_make(struct io *io)
{
    return (struct call){.op.done = call_done, .io = io};
}

static void set_piece(struct call *call, const void *memory, size_t len)
{
    union {
        const void *given;
        void *wanted;
    } pointer = {.given = memory};
    call->iov[0] = (struct iovec){.iov_base = pointer.wanted, .iov_len = len};
}

void recv_one(struct call *call, int fd, void *memory, size_t len)
{
    set_piece(call, memory, len);
    io_recv(call->io, &call->op, fd, call->iov, 1);
}

void send_one(struct call *call, int fd, const void *memory, size_t len)
{
    set_piece(call, memory, len);
    io_send(call->io, &call->op, fd, call->iov, 1);
}

void send_now_one(struct call *call, int fd, const void *memory, size_t len)
{
    set_piece(call, memory, len);
    io_send_now(call->io, &call->op, fd, call->iov, 1);
}

void cancel_and_wait(struct call *call)
{
    int ends = call->ends;
    io_cancel(call->io, &call->op);
    cr_assert_eq(call->ends, ends, "cancel ran the callback");
    turn_until(call, ends + 1);
}

void make_pair(int pair[2])
{
    int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
    cr_assert_eq(r, 0, "socketpair: %s", strerror(errno));
}

int make_listener(struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
    cr_assert(addr_parse("127.0.0.1", 0, ret_addr, ret_len));
    int fd = sock_listen((struct sockaddr *)ret_addr, *ret_len);
    cr_assert_geq(fd, 0, "listen: %s", strerror(-fd));
    cr_assert_eq(sock_local(fd, ret_addr, ret_len), 0);
    return fd;
}

void make_tcp_pair(int pair[2])
{
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = make_listener(&addr, &len);
    pair[0] = sock_for_connect(AF_INET, NULL, 0);
    cr_assert_geq(pair[0], 0);
    cr_assert(connect(pair[0], (struct sockaddr *)&addr, len) == 0 || errno == EINPROGRESS);
    do {
        pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (pair[1] < 0 && errno == EAGAIN);
    cr_assert_geq(pair[1], 0);
    close(listener);
}

size_t fill_socket(int fd)
{
    static const uint8_t zeros[4096];
    size_t total = 0;
    ssize_t n;
    /* single bytes at the end: no corner may be left */
    for (size_t len = sizeof(zeros); len > 0; len = len > 1 ? 1 : 0) {
        while ((n = send(fd, zeros, len, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
            total += (size_t)n;
        }
    }
    return total;
}

void raise_descriptor_limit(unsigned count)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < count) {
        cr_skip("this needs %u descriptors, the hard limit is lower", count);
    }
    if (limit.rlim_cur < count) {
        limit.rlim_cur = count;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
}

static uint8_t pattern_at(uint64_t at)
{
    return (uint8_t)(at * 167 + (at >> 8) * 13 + (at >> 16));
}

void pattern_fill(uint8_t *memory, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i++) {
        memory[i] = pattern_at(at + i);
    }
}

bool pattern_check(const uint8_t *memory, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i++) {
        if (memory[i] != pattern_at(at + i)) {
            return false;
        }
    }
    return true;
}
