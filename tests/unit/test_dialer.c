/*
 * The dialer on a real worker, both backends: success, refusal, the next address, limits, cancel.
 * getaddrinfo is ours here: it knows three names.
 */
#include "engine/dialer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/io.h"

static const uint32_t loopback = INADDR_LOOPBACK;

static struct addrinfo *info_make(uint32_t host, uint16_t port, struct addrinfo *next)
{
    struct addrinfo *info = calloc(1, sizeof(*info));
    struct sockaddr_in *addr = calloc(1, sizeof(*addr));
    addr->sin_family = AF_INET;
    addr->sin_port = htons(port);
    addr->sin_addr.s_addr = htonl(host);
    info->ai_addr = (struct sockaddr *)addr;
    info->ai_addrlen = sizeof(*addr);
    info->ai_next = next;
    return info;
}

/* "two": 127.0.0.2, where nobody listens, then 127.0.0.1. "slow": never within a test's patience.
 */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_list)
{
    (void)hints;
    uint16_t port = (uint16_t)strtoul(service, NULL, 10);
    if (strcmp(node, "slow") == 0) {
        poll(NULL, 0, 2000);
        return EAI_AGAIN;
    }
    if (strcmp(node, "one") == 0) {
        *ret_list = info_make(loopback, port, NULL);
        return 0;
    }
    if (strcmp(node, "two") == 0) {
        *ret_list = info_make(loopback + 1, port, info_make(loopback, port, NULL));
        return 0;
    }
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_addr);
        free(list);
        list = next;
    }
}

struct outcome {
    bool done;
    struct dialer_result result;
};

static void on_done(void *ctx, const struct dialer_result *result)
{
    struct outcome *outcome = ctx;
    cr_assert_not(outcome->done, "the outcome is told once");
    outcome->done = true;
    outcome->result = *result;
}

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

/* A listening socket on 127.0.0.1; the port of one that nobody listens on with close_it. */
static int listen_here(uint16_t *ret_port, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    cr_assert_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

static void dial(struct worker *worker, const char *host, uint16_t port, int64_t timeout_ns,
                 struct outcome *outcome)
{
    struct dialer_config config = {
        .host = host, .port = port, .timeout_ns = timeout_ns, .on_done = on_done, .ctx = outcome};
    *outcome = (struct outcome){0};
    cr_assert_not_null(dialer_start(worker, &config));
    cr_assert_not(outcome->done, "no callback from the start");
    while (!outcome->done) {
        cr_assert_eq(worker_turn(worker), 0);
    }
}

static enum io_backend_kind kinds[] = {IO_BACKEND_EPOLL, IO_BACKEND_URING};

ParameterizedTestParameters(dialer, connects)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, dialer, connects)
{
    struct worker *worker = make_worker(*kind);
    uint16_t port;
    int listening = listen_here(&port, 8);
    struct outcome outcome;
    const char *hosts[] = {"127.0.0.1", "one", "two"};
    for (size_t i = 0; i < 3; i++) {
        dial(worker, hosts[i], port, 5000000000, &outcome);
        cr_assert_geq(outcome.result.fd, 0, "%s", hosts[i]);
        struct sockaddr_in addr;
        memcpy(&addr, &outcome.result.addr, sizeof(addr));
        cr_assert_eq(ntohl(addr.sin_addr.s_addr), INADDR_LOOPBACK);
        io_close(worker_io(worker), outcome.result.fd);
    }
    close(listening);
    worker_free(worker);
}

ParameterizedTestParameters(dialer, tells_why_not)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, dialer, tells_why_not)
{
    struct worker *worker = make_worker(*kind);
    uint16_t port;
    close(listen_here(&port, 8));
    struct outcome outcome;
    dial(worker, "two", port, 0, &outcome);
    cr_assert_eq(outcome.result.fd, -1);
    cr_assert_not(outcome.result.lookup_failed);
    cr_assert_str_eq(outcome.result.text, "Connection refused");

    dial(worker, "nowhere", port, 0, &outcome);
    cr_assert_eq(outcome.result.fd, -1);
    cr_assert(outcome.result.lookup_failed);
    cr_assert_str_eq(outcome.result.text, gai_strerror(EAI_NONAME));

    char *endless = calloc(1, 5000);
    memset(endless, 'a', 4999);
    dial(worker, endless, port, 0, &outcome);
    cr_assert_eq(outcome.result.fd, -1);
    cr_assert(outcome.result.lookup_failed);
    free(endless);
    worker_free(worker);
}

ParameterizedTestParameters(dialer, gives_up_in_time)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, dialer, gives_up_in_time)
{
    struct worker *worker = make_worker(*kind);
    struct outcome outcome;
    dial(worker, "slow", 80, 50000000, &outcome);
    cr_assert_eq(outcome.result.fd, -1);
    cr_assert(outcome.result.lookup_failed);

    /* a listener whose queue is full doesn't answer: loopback's black hole */
    uint16_t port;
    int listening = listen_here(&port, 0);
    int fillers[4];
    for (size_t i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        (void)connect(fillers[i], (struct sockaddr *)&addr, sizeof(addr));
    }
    dial(worker, "127.0.0.1", port, 100000000, &outcome);
    cr_assert_eq(outcome.result.fd, -1);
    cr_assert_not(outcome.result.lookup_failed);
    cr_assert_str_eq(outcome.result.text, "Connection timed out");
    for (size_t i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listening);
    worker_free(worker);
}

ParameterizedTestParameters(dialer, can_be_cancelled_at_each_step)
{
    return cr_make_param_array(enum io_backend_kind, kinds, 2);
}

ParameterizedTest(enum io_backend_kind *kind, dialer, can_be_cancelled_at_each_step)
{
    uint16_t port;
    int listening = listen_here(&port, 64);
    const char *hosts[] = {"127.0.0.1", "one", "two", "slow"};
    for (int turns = 0; turns < 4; turns++) {
        struct worker *worker = make_worker(*kind);
        for (size_t i = 0; i < 4; i++) {
            struct outcome outcome = {0};
            struct dialer_config config = {.host = hosts[i],
                                           .port = port,
                                           .timeout_ns = 20000000,
                                           .on_done = on_done,
                                           .ctx = &outcome};
            struct dialer *dialer = dialer_start(worker, &config);
            cr_assert_not_null(dialer);
            for (int t = 0; t < turns && !outcome.done; t++) {
                cr_assert_eq(worker_turn(worker), 0);
            }
            if (!outcome.done) {
                dialer_cancel(dialer);
                outcome.done = true;
            } else if (outcome.result.fd >= 0) {
                io_close(worker_io(worker), outcome.result.fd);
            }
        }
        /* waits for whatever was cancelled; a callback now would fail the test */
        worker_free(worker);
    }
    close(listening);
}
