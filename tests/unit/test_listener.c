/*
 * Listeners on a real worker, both backends: ports, refusals, and running out of descriptors.
 */
#include "engine/listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/log.h"

static int accepted_count;
static int refused_count;
static int refused_error;
static int accepted_fds[64];
static struct sockaddr_storage accepted_peer;

static struct worker *make_worker(enum io_backend_kind kind)
{
    struct worker_config config = {
        .backend = kind, .data_cells = 128, .small_cells = 16, .landings = 2};
    int error = 0;
    struct worker *worker = worker_make(&config, &error, NULL, 0);
    if (worker == NULL && kind == IO_BACKEND_URING) {
        cr_skip_test("no io_uring here");
    }
    cr_assert_not_null(worker);
    return worker;
}

static void on_accept(void *ctx, int fd, const struct sockaddr_storage *peer,
                      const struct sockaddr_storage *local)
{
    (void)ctx;
    (void)local;
    cr_assert_lt(accepted_count, 64);
    accepted_fds[accepted_count++] = fd;
    accepted_peer = *peer;
}

static void on_refused(void *ctx, const struct sockaddr_storage *addr, int error)
{
    (void)ctx;
    (void)addr;
    refused_count++;
    refused_error = error;
}

static struct sockaddr_storage number(const char *host, uint16_t port)
{
    struct sockaddr_storage addr;
    socklen_t len;
    cr_assert(addr_parse(host, port, &addr, &len));
    return addr;
}

static int call(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static struct listener *listen_on(struct worker *worker, const struct sockaddr_storage *addrs,
                                  size_t count, int *ret_error)
{
    struct listener_config config = {
        .addrs = addrs, .count = count, .on_refused = on_refused, .on_accept = on_accept};
    return listener_make(worker, &config, ret_error);
}

static enum io_backend_kind kinds[] = {IO_BACKEND_EPOLL, IO_BACKEND_URING};

ParameterizedTestParameters(listener, accepts)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, listener, accepts)
{
    struct worker *worker = make_worker(*kind);
    struct sockaddr_storage addr = number("127.0.0.1", 0);
    int error = 0;
    struct listener *listener = listen_on(worker, &addr, 1, &error);
    cr_assert_not_null(listener);
    uint16_t port = listener_port(listener);
    cr_assert_neq(port, 0);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = call(port);
    }
    while (accepted_count < 3) {
        cr_assert_eq(worker_turn(worker), 0);
    }
    cr_assert_eq(accepted_peer.ss_family, AF_INET);
    cr_assert_neq(addr_port((struct sockaddr *)&accepted_peer, sizeof(accepted_peer)), 0);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
        close(accepted_fds[i]);
    }
    listener_close(listener);
    worker_free(worker);
    /* closed for good: the port is free again */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in again = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(connect(fd, (struct sockaddr *)&again, sizeof(again)), -1);
    cr_assert_eq(errno, ECONNREFUSED);
    close(fd);
}

ParameterizedTestParameters(listener, one_port_for_all_and_success_when_any_binds)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, listener, one_port_for_all_and_success_when_any_binds)
{
    struct worker *worker = make_worker(*kind);
    struct sockaddr_storage addrs[3] = {number("127.0.0.1", 0), number("192.0.2.1", 0),
                                        number("127.0.0.2", 0)};
    int error = 0;
    struct listener *listener = listen_on(worker, addrs, 3, &error);
    cr_assert_not_null(listener);
    cr_assert_eq(listener_count(listener), 2);
    cr_assert_eq(refused_count, 1);
    cr_assert_eq(refused_error, EADDRNOTAVAIL);
    const struct sockaddr_storage *second = listener_address(listener, 1);
    cr_assert_eq(addr_port((const struct sockaddr *)second, sizeof(*second)),
                 listener_port(listener));

    struct sockaddr_storage taken = number("127.0.0.1", listener_port(listener));
    cr_assert_null(listen_on(worker, &taken, 1, &error));
    cr_assert_eq(error, -EADDRINUSE);
    cr_assert_null(listen_on(worker, NULL, 0, &error));
    cr_assert_eq(error, -EADDRNOTAVAIL);
    listener_close(listener);
    worker_free(worker);
}

ParameterizedTestParameters(listener, survives_running_out_of_descriptors)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, listener, survives_running_out_of_descriptors)
{
    log_set_level(LEVEL_QUIET);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    /* before the worker: a ring remembers the limit of the time an accept was armed */
    int probe = dup(0);
    cr_assert_geq(probe, 0);
    close(probe);
    limit.rlim_cur = (rlim_t)probe + 24;
    setrlimit(RLIMIT_NOFILE, &limit);

    struct worker *worker = make_worker(*kind);
    struct sockaddr_storage addr = number("127.0.0.1", 0);
    int error = 0;
    struct listener *listener = listen_on(worker, &addr, 1, &error);
    cr_assert_not_null(listener);
    int fd = call(listener_port(listener));
    int fillers[64];
    int count = 0;
    while (count < 64 && (fillers[count] = dup(0)) >= 0) {
        count++;
    }
    /* accept fails, pauses, tries again: nothing of it ends the listener */
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(worker_turn(worker), 0);
    }
    cr_assert_eq(accepted_count, 0);
    while (count > 0) {
        close(fillers[--count]);
    }
    while (accepted_count == 0) {
        cr_assert_eq(worker_turn(worker), 0);
    }
    close(fd);
    close(accepted_fds[0]);
    listener_close(listener);
    worker_free(worker);
}
