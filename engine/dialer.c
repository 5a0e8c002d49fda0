/*
 * Name -> addresses -> connected socket, step by step.
 */
#include "engine/dialer.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/io.h"
#include "engine/log.h"
#include "engine/sock.h"

struct dialer {
    struct worker *worker;
    struct dialer_config config;
    char *host;
    char *bind_address;
    char prefix[48];

    struct io_op connect_op;
    struct io_op timer_op;
    bool connect_ended;
    uint64_t ticket;
    int64_t deadline;

    uint32_t addrs_count;
    uint32_t next;
    struct sockaddr_storage addrs[BROKER_ADDRS_MAX];

    int fd;
    /* this address has used up its share */
    bool timed_out;
    /* the result is known or nobody wants it: only the ops' ends are awaited */
    bool over;
    bool cancelled;
    struct dialer_result result;
};

static void try_next(struct dialer *dialer);

/* ---- the end -------------------------------------------------------------------------------- */

static void reap(struct dialer *dialer)
{
    if (!dialer->over || io_op_busy(&dialer->connect_op) || io_op_busy(&dialer->timer_op)) {
        return;
    }
    if (dialer->fd >= 0) {
        io_close(worker_io(dialer->worker), dialer->fd);
        dialer->fd = -1;
    }
    if (!dialer->cancelled) {
        dialer->config.on_done(dialer->config.ctx, &dialer->result);
    } else if (dialer->result.fd >= 0) {
        io_close(worker_io(dialer->worker), dialer->result.fd);
    }
    worker_exit(dialer->worker);
    free(dialer->host);
    free(dialer->bind_address);
    free(dialer);
}

/* Everything is in dialer->result; told when the timer has ended too. */
static void finish(struct dialer *dialer)
{
    struct io *io = worker_io(dialer->worker);
    dialer->over = true;
    worker_ask_cancel(dialer->worker, dialer->ticket);
    dialer->ticket = 0;
    io_cancel(io, &dialer->connect_op);
    io_cancel(io, &dialer->timer_op);
}

static void fail(struct dialer *dialer, const char *text)
{
    snprintf(dialer->result.text, sizeof(dialer->result.text), "%s", text);
    finish(dialer);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void note_failure(struct dialer *dialer, int error)
{
    char text[ADDR_TEXT_SIZE];
    const struct sockaddr_storage *addr = &dialer->addrs[dialer->next];
    log_line(LEVEL_DEBUG1, "%sconnect to address %s: %s", dialer->prefix,
             addr_format((const struct sockaddr *)addr, sizeof(*addr), text), strerror(error));
    snprintf(dialer->result.text, sizeof(dialer->result.text), "%s", strerror(error));
    dialer->result.addr = *addr;
    dialer->next++;
}

static int open_socket(struct dialer *dialer)
{
    const struct sockaddr_storage *addr = &dialer->addrs[dialer->next];
    if (dialer->bind_address == NULL) {
        return sock_for_connect(addr->ss_family, NULL, 0);
    }
    struct sockaddr_storage from;
    socklen_t from_len;
    if (!addr_parse(dialer->bind_address, 0, &from, &from_len)) {
        return -EADDRNOTAVAIL;
    }
    if (from.ss_family != addr->ss_family) {
        return -EAFNOSUPPORT;
    }
    return sock_for_connect(addr->ss_family, (const struct sockaddr *)&from, from_len);
}

/* The last address may use all that is left. */
static void start_timer(struct dialer *dialer)
{
    if (dialer->config.timeout_ns == 0) {
        return;
    }
    int64_t now = worker_now(dialer->worker);
    int64_t left = dialer->deadline - now;
    uint32_t addrs = dialer->addrs_count - dialer->next;
    io_timer(worker_io(dialer->worker), &dialer->timer_op, now + left / (addrs > 0 ? addrs : 1));
}

static void connect_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct dialer *dialer = (struct dialer *)((char *)op - offsetof(struct dialer, connect_op));
    if (dialer->over) {
        reap(dialer);
        return;
    }
    if (result == 0) {
        char text[ADDR_TEXT_SIZE];
        const struct sockaddr_storage *addr = &dialer->addrs[dialer->next];
        log_line(LEVEL_DEBUG1, "%sconnected to %s", dialer->prefix,
                 addr_format((const struct sockaddr *)addr, sizeof(*addr), text));
        dialer->result.fd = dialer->fd;
        dialer->result.addr = *addr;
        dialer->fd = -1;
        finish(dialer);
        reap(dialer);
        return;
    }
    io_close(worker_io(dialer->worker), dialer->fd);
    dialer->fd = -1;
    note_failure(dialer, dialer->timed_out ? ETIMEDOUT : -result);
    dialer->connect_ended = true;
    /* the timer's share was this address's: the next one starts when it has ended */
    if (io_op_busy(&dialer->timer_op)) {
        io_cancel(worker_io(dialer->worker), &dialer->timer_op);
    } else {
        try_next(dialer);
    }
}

static void timer_done(struct io_op *op, int result, bool more)
{
    (void)result;
    (void)more;
    struct dialer *dialer = (struct dialer *)((char *)op - offsetof(struct dialer, timer_op));
    if (dialer->over) {
        reap(dialer);
    } else if (dialer->addrs_count == 0) {
        dialer->result.lookup_failed = true;
        fail(dialer, "Name lookup timed out");
        reap(dialer);
    } else if (dialer->connect_ended) {
        try_next(dialer);
    } else if (io_op_busy(&dialer->connect_op)) {
        dialer->timed_out = true;
        io_cancel(worker_io(dialer->worker), &dialer->connect_op);
    } else {
        try_next(dialer);
    }
}

static void try_next(struct dialer *dialer)
{
    dialer->connect_ended = false;
    dialer->timed_out = false;
    while (dialer->next < dialer->addrs_count) {
        const struct sockaddr_storage *addr = &dialer->addrs[dialer->next];
        char text[ADDR_TEXT_SIZE];
        log_line(LEVEL_DEBUG1, "%sconnecting to %s", dialer->prefix,
                 addr_format((const struct sockaddr *)addr, sizeof(*addr), text));
        dialer->fd = open_socket(dialer);
        if (dialer->fd >= 0) {
            start_timer(dialer);
            io_connect(worker_io(dialer->worker), &dialer->connect_op, dialer->fd,
                       (const struct sockaddr *)addr, sizeof(*addr));
            return;
        }
        note_failure(dialer, -dialer->fd);
        dialer->fd = -1;
    }
    /* the text is the last address's */
    finish(dialer);
    reap(dialer);
}

/* ---- resolving ------------------------------------------------------------------------------ */

static void log_addresses(const struct dialer *dialer)
{
    char list[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < dialer->addrs_count && used < sizeof(list); i++) {
        char text[ADDR_HOST_SIZE];
        addr_host((const struct sockaddr *)&dialer->addrs[i], sizeof(dialer->addrs[i]), text);
        int n = snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", text);
        used += n > 0 ? (size_t)n : 0;
    }
    log_line(LEVEL_DEBUG1, "%sresolved %s to %s", dialer->prefix, dialer->host, list);
}

static void resolved(void *ctx, const struct broker_reply *reply)
{
    struct dialer *dialer = ctx;
    dialer->ticket = 0;
    if (reply->error != 0) {
        log_line(LEVEL_DEBUG1, "%slookup of %s failed: %s", dialer->prefix, dialer->host,
                 reply->text);
        dialer->result.lookup_failed = true;
        fail(dialer, reply->text);
        reap(dialer);
        return;
    }
    dialer->addrs_count = reply->addrs_count;
    memcpy(dialer->addrs, reply->addrs, reply->addrs_count * sizeof(reply->addrs[0]));
    log_addresses(dialer);
    dialer->connect_ended = true;
    if (io_op_busy(&dialer->timer_op)) {
        io_cancel(worker_io(dialer->worker), &dialer->timer_op);
    } else {
        try_next(dialer);
    }
}

static bool resolve(struct dialer *dialer)
{
    socklen_t len;
    uint16_t port = dialer->config.port;
    if (addr_parse(dialer->host, port, &dialer->addrs[0], &len)) {
        dialer->addrs_count = 1;
        return true;
    }
    struct broker_request *request = calloc(1, sizeof(*request));
    if (request == NULL || strlen(dialer->host) >= sizeof(request->host)) {
        free(request);
        return false;
    }
    request->kind = BROKER_RESOLVE;
    request->family = dialer->config.family;
    request->asker = dialer->config.asker;
    request->port = port;
    strcpy(request->host, dialer->host);
    dialer->ticket = worker_ask(dialer->worker, request, resolved, dialer);
    free(request);
    return dialer->ticket != 0;
}

/* ---- from outside --------------------------------------------------------------------------- */

static struct dialer *make(struct worker *worker, const struct dialer_config *config)
{
    struct dialer *dialer = calloc(1, sizeof(*dialer));
    if (dialer == NULL) {
        return NULL;
    }
    dialer->worker = worker;
    dialer->config = *config;
    dialer->fd = -1;
    dialer->result.fd = -1;
    dialer->connect_op.done = connect_done;
    dialer->timer_op.done = timer_done;
    dialer->deadline = worker_now(worker) + config->timeout_ns;
    dialer->host = strdup(config->host);
    dialer->bind_address = config->bind_address == NULL ? NULL : strdup(config->bind_address);
    if (dialer->host == NULL || (config->bind_address != NULL && dialer->bind_address == NULL)) {
        free(dialer->host);
        free(dialer->bind_address);
        free(dialer);
        return NULL;
    }
    if (config->prefix != NULL) {
        snprintf(dialer->prefix, sizeof(dialer->prefix), "%s", config->prefix);
    }
    return dialer;
}

struct dialer *dialer_start(struct worker *worker, const struct dialer_config *config)
{
    struct dialer *dialer = make(worker, config);
    if (dialer == NULL) {
        return NULL;
    }
    worker_enter(worker);
    struct io *io = worker_io(worker);
    if (!resolve(dialer)) {
        dialer->result.lookup_failed = true;
        snprintf(dialer->result.text, sizeof(dialer->result.text), "%s", gai_strerror(EAI_AGAIN));
        dialer->over = true;
        io_timer(io, &dialer->timer_op, 0);
    } else if (dialer->addrs_count > 0) {
        /* the first step is taken inside the loop, as every callback is */
        io_timer(io, &dialer->timer_op, 0);
    } else if (config->timeout_ns > 0) {
        io_timer(io, &dialer->timer_op, dialer->deadline);
    }
    return dialer;
}

void dialer_cancel(struct dialer *dialer)
{
    dialer->cancelled = true;
    bool idle = !io_op_busy(&dialer->connect_op) && !io_op_busy(&dialer->timer_op);
    finish(dialer);
    if (idle) {
        reap(dialer);
    }
}
