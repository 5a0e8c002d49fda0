/*
 * Conformance: accept and connect.
 */
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/sock.h"
#include "harness.h"

void case_connect_and_accept(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = make_listener(&addr, &len);
    int fds[ACCEPTED_MAX];
    struct call acceptor = call_make(io);
    acceptor.fds = fds;
    io_accept(io, &acceptor.op, listener);
    for (int i = 0; i < 3; i++) {
        int fd = sock_for_connect(AF_INET, NULL, 0);
        struct call connector = call_make(io);
        io_connect(io, &connector.op, fd, (struct sockaddr *)&addr, len);
        turn_until(&connector, 1);
        cr_assert_eq(connector.result, 0);
        turn_dry(io);
        cr_assert_eq(acceptor.mores, i + 1);
        cr_assert_eq(acceptor.ends, 0);
        cr_assert(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        cr_assert(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        struct sockaddr_storage near;
        struct sockaddr_storage far;
        socklen_t near_len;
        socklen_t far_len;
        cr_assert_eq(sock_local(fd, &near, &near_len), 0);
        cr_assert_eq(sock_peer(fds[i], &far, &far_len), 0);
        cr_assert(addr_equal((struct sockaddr *)&near, near_len, (struct sockaddr *)&far, far_len));
        io_close(io, fd);
        io_close(io, fds[i]);
    }
    cancel_and_wait(&acceptor);
    cr_assert_eq(acceptor.result, -ECANCELED);
    io_close(io, listener);
    io_shut(io);
}

void case_connect_refused(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = make_listener(&addr, &len);
    close(listener);
    struct call call = call_make(io);
    int fd = sock_for_connect(AF_INET, NULL, 0);
    io_connect(io, &call.op, fd, (struct sockaddr *)&addr, len);
    turn_until(&call, 1);
    cr_assert_eq(call.result, -ECONNREFUSED);
    io_close(io, fd);
    /* errors that the call itself gives */
    struct sockaddr_un missing = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
    fd = sock_for_connect(AF_UNIX, NULL, 0);
    io_connect(io, &call.op, fd, (struct sockaddr *)&missing, sizeof(missing));
    turn_until(&call, 2);
    cr_assert_eq(call.result, -ENOENT);
    io_close(io, fd);
    io_connect(io, &call.op, -1, (struct sockaddr *)&addr, len);
    turn_until(&call, 3);
    cr_assert_eq(call.result, -EBADF);
    io_shut(io);
}

void case_connect_unix(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    /* an abstract name: no file to clean up */
    int used = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "culvert-test-%d-%d",
                        (int)getpid(), (int)kind);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)used);
    int listener = sock_listen((struct sockaddr *)&addr, len);
    cr_assert_geq(listener, 0);
    int fds[ACCEPTED_MAX];
    struct call acceptor = call_make(io);
    struct call connector = call_make(io);
    acceptor.fds = fds;
    io_accept(io, &acceptor.op, listener);
    int fd = sock_for_connect(AF_UNIX, NULL, 0);
    io_connect(io, &connector.op, fd, (struct sockaddr *)&addr, len);
    turn_until(&connector, 1);
    cr_assert_eq(connector.result, 0);
    turn_dry(io);
    cr_assert_eq(acceptor.mores, 1);
    cancel_and_wait(&acceptor);
    io_close(io, fds[0]);
    io_close(io, fd);
    io_close(io, listener);
    io_shut(io);
}

void case_accept_many(enum io_backend_kind kind)
{
    enum { COUNT = 300 };
    struct io *io = io_open(kind);
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = make_listener(&addr, &len);
    static int fds[ACCEPTED_MAX];
    static int clients[COUNT];
    struct call acceptor = call_make(io);
    acceptor.fds = fds;
    for (int i = 0; i < COUNT; i++) {
        clients[i] = sock_for_connect(AF_INET, NULL, 0);
        cr_assert_geq(clients[i], 0);
        cr_assert(connect(clients[i], (struct sockaddr *)&addr, len) == 0 || errno == EINPROGRESS);
        if (i == COUNT / 2) {
            io_accept(io, &acceptor.op, listener);
        }
    }
    int64_t limit = clock_now() + (int64_t)5000 * MS;
    while (acceptor.mores < COUNT && clock_now() < limit) {
        turn(io, 50);
    }
    cr_assert_eq(acceptor.mores, COUNT);
    cr_assert_eq(acceptor.ends, 0);
    cancel_and_wait(&acceptor);
    for (int i = 0; i < COUNT; i++) {
        io_close(io, fds[i]);
        io_close(io, clients[i]);
    }
    io_close(io, listener);
    io_shut(io);
}

static void cancel_self(struct call *call)
{
    io_cancel(call->io, &call->op);
}

void case_accept_cancelled_inside(enum io_backend_kind kind)
{
    /* descriptors that were already there are handed over, then it ends, and nothing leaks */
    enum { COUNT = 20 };
    struct io *io = io_open(kind);
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = make_listener(&addr, &len);
    static int fds[ACCEPTED_MAX];
    int clients[COUNT];
    struct call acceptor = call_make(io);
    acceptor.fds = fds;
    acceptor.then = cancel_self;
    for (int i = 0; i < COUNT; i++) {
        clients[i] = sock_for_connect(AF_INET, NULL, 0);
        (void)connect(clients[i], (struct sockaddr *)&addr, len);
    }
    io_accept(io, &acceptor.op, listener);
    turn_until(&acceptor, 1);
    cr_assert_eq(acceptor.result, -ECANCELED);
    cr_assert_gt(acceptor.mores, 0);
    int told = acceptor.mores;
    turn_dry(io);
    cr_assert_eq(acceptor.mores, told);
    for (int i = 0; i < told; i++) {
        io_close(io, fds[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        io_close(io, clients[i]);
    }
    io_close(io, listener);
    io_shut(io);
}

void case_accept_no_descriptors(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = make_listener(&addr, &len);
    static int fds[ACCEPTED_MAX];
    struct call acceptor = call_make(io);
    acceptor.fds = fds;
    int client = sock_for_connect(AF_INET, NULL, 0);
    struct rlimit old;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit low = {.rlim_cur = (rlim_t)client + 1, .rlim_max = old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    (void)connect(client, (struct sockaddr *)&addr, len);
    io_accept(io, &acceptor.op, listener);
    turn_until(&acceptor, 1);
    cr_assert_eq(acceptor.result, -EMFILE);
    cr_assert_eq(acceptor.mores, 0);
    /* the connection was not lost */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    io_accept(io, &acceptor.op, listener);
    turn_dry(io);
    cr_assert_eq(acceptor.mores, 1);
    cancel_and_wait(&acceptor);
    /* a listener that is none */
    io_accept(io, &acceptor.op, client);
    turn_until(&acceptor, 3);
    cr_assert_eq(acceptor.result, -EINVAL);
    io_close(io, fds[0]);
    io_close(io, client);
    io_close(io, listener);
    io_shut(io);
}
