/*
 * Local forwards: bind name -> addresses -> listener -> accepted connections -> channels.
 */
#include "engine/forwards.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/connection.h"
#include "engine/listener.h"
#include "engine/log.h"
#include "engine/relay.h"

enum { WHAT_MAX = 1400 };

struct forward {
    struct forwards *forwards;
    const struct client_forward *config;
    struct listener *listener;
    uint64_t ticket;
    bool failed;
    /* addresses that could not be bound while the others were tried */
    size_t refused_count;
    struct {
        struct sockaddr_storage addr;
        int error;
    } refused[LISTENER_SOCKETS_MAX];
};

struct forwards {
    struct worker *worker;
    struct connection *connection;
    const struct client_config *config;
    void (*on_settled)(void *ctx, size_t failed);
    void *ctx;
    struct worker_seat seat;
    size_t pending;
    bool settled;
    size_t count;
    struct forward list[];
};

/* ---- accepted connections ------------------------------------------------------------------- */

static void accepted(void *ctx, int fd, const struct sockaddr_storage *peer,
                     const struct sockaddr_storage *local)
{
    (void)local;
    struct forward *forward = ctx;
    const struct client_forward *config = forward->config;
    struct connection *connection = forward->forwards->connection;
    unsigned listening = listener_port(forward->listener);
    char from[ADDR_HOST_SIZE];
    addr_host((const struct sockaddr *)peer, sizeof(*peer), from);
    uint16_t from_port = addr_port((const struct sockaddr *)peer, sizeof(*peer));
    log_line(LEVEL_DEBUG1, "Connection to port %u forwarding to %s port %u requested.", listening,
             config->host, (unsigned)config->host_port);

    char what[WHAT_MAX];
    snprintf(what, sizeof(what),
             "direct-tcpip: listening port %u for %s port %u, connect from %s port %u", listening,
             config->host, (unsigned)config->host_port, from, (unsigned)from_port);
    struct relay *relay = relay_make(connection, fd, what);
    if (relay == NULL) {
        log_line(LEVEL_ERROR, "out of memory for a connection to port %u", listening);
        close(fd);
        return;
    }
    uint32_t channel = session_channel_open(connection_session(connection), config->host,
                                            config->host_port, from, from_port, relay);
    if (channel == SESSION_NO_CHANNEL) {
        log_line(LEVEL_ERROR, "no channel is left for a connection to port %u from %s port %u",
                 listening, from, (unsigned)from_port);
        relay_refused(relay);
        return;
    }
    relay_set_channel(relay, channel);
    log_line(LEVEL_DEBUG1, "channel %u: new %s", channel, what);
    connection_wake(connection);
}

/* ---- listening ------------------------------------------------------------------------------ */

static void refused(void *ctx, const struct sockaddr_storage *addr, int error)
{
    struct forward *forward = ctx;
    if (forward->refused_count < LISTENER_SOCKETS_MAX) {
        forward->refused[forward->refused_count].addr = *addr;
        forward->refused[forward->refused_count++].error = error;
    }
}

/* Where something else was bound this is a detail (a host without IPv6), otherwise the reason. */
static void log_refused(const struct forward *forward, enum log_level level)
{
    for (size_t i = 0; i < forward->refused_count; i++) {
        const struct sockaddr_storage *addr = &forward->refused[i].addr;
        char host[ADDR_HOST_SIZE];
        addr_host((const struct sockaddr *)addr, sizeof(*addr), host);
        log_line(level, "bind [%s]:%u: %s", host,
                 (unsigned)addr_port((const struct sockaddr *)addr, sizeof(*addr)),
                 strerror(forward->refused[i].error));
    }
}

static void settle_one(struct forward *forward, bool ok)
{
    if (!ok) {
        log_line(LEVEL_ERROR, "cannot listen to port: %u", (unsigned)forward->config->port);
    }
    forward->failed = !ok;
    forward->forwards->pending--;
    worker_mark_dirty(forward->forwards->worker, &forward->forwards->seat);
}

static void listen_on(struct forward *forward, const struct sockaddr_storage *addrs, size_t count)
{
    struct listener_config config = {
        .addrs = addrs,
        .count = count,
        .on_refused = refused,
        .on_accept = accepted,
        .ctx = forward,
    };
    int error = 0;
    forward->listener = listener_make(forward->forwards->worker, &config, &error);
    log_refused(forward, forward->listener != NULL ? LEVEL_VERBOSE : LEVEL_ERROR);
    if (forward->listener == NULL) {
        settle_one(forward, false);
        return;
    }
    for (size_t i = 0; i < listener_count(forward->listener); i++) {
        const struct sockaddr_storage *addr = listener_address(forward->listener, i);
        char text[ADDR_TEXT_SIZE];
        log_line(LEVEL_DEBUG1, "Local forwarding listening on %s.",
                 addr_format((const struct sockaddr *)addr, sizeof(*addr), text));
    }
    settle_one(forward, true);
}

static void resolved(void *ctx, const struct broker_reply *reply)
{
    struct forward *forward = ctx;
    forward->ticket = 0;
    if (reply->error != 0) {
        log_line(LEVEL_ERROR, "cannot resolve the bind address \"%s\": %s", forward->config->bind,
                 reply->text);
        settle_one(forward, false);
        return;
    }
    listen_on(forward, reply->addrs, reply->addrs_count);
}

static size_t add_number(struct sockaddr_storage *addrs, size_t count, int family,
                         const char *number, uint16_t port)
{
    struct sockaddr_storage addr;
    socklen_t len;
    if (!addr_parse(number, port, &addr, &len) ||
        (family != AF_UNSPEC && family != addr.ss_family)) {
        return count;
    }
    addrs[count] = addr;
    return count + 1;
}

static void ask(struct forward *forward)
{
    struct broker_request *request = calloc(1, sizeof(*request));
    const char *bind = forward->config->bind;
    if (request != NULL && strlen(bind) < sizeof(request->host)) {
        request->kind = BROKER_RESOLVE;
        request->family = forward->forwards->config->family;
        request->port = forward->config->port;
        request->passive = true;
        strcpy(request->host, bind);
        forward->ticket = worker_ask(forward->forwards->worker, request, resolved, forward);
    }
    free(request);
    if (forward->ticket == 0) {
        log_line(LEVEL_ERROR, "cannot resolve the bind address \"%s\": %s", bind,
                 gai_strerror(EAI_AGAIN));
        settle_one(forward, false);
    }
}

static void start_one(struct forward *forward)
{
    const struct client_config *config = forward->forwards->config;
    const char *bind = forward->config->bind;
    uint16_t port = forward->config->port;
    bool absent = bind == NULL;
    bool everywhere =
        absent ? config->gateway_ports : (strcmp(bind, "") == 0 || strcmp(bind, "*") == 0);
    bool loopback = !everywhere && (absent || strcmp(bind, "localhost") == 0);
    log_line(LEVEL_DEBUG1, "Local connections to %s:%u forwarded to remote address %s:%u",
             everywhere ? "*" : (loopback ? "LOCALHOST" : bind), (unsigned)port,
             forward->config->host, (unsigned)forward->config->host_port);

    struct sockaddr_storage addrs[2];
    size_t count = 0;
    if (everywhere || loopback) {
        count =
            add_number(addrs, count, config->family, everywhere ? "0.0.0.0" : "127.0.0.1", port);
        count = add_number(addrs, count, config->family, everywhere ? "::" : "::1", port);
    } else {
        count = add_number(addrs, count, AF_UNSPEC, bind, port);
    }
    if (count > 0) {
        listen_on(forward, addrs, count);
    } else {
        ask(forward);
    }
}

/* ---- from outside --------------------------------------------------------------------------- */

/* Counting is done inside the loop, so that on_settled never runs from forwards_start. */
static void pump(struct worker_seat *seat)
{
    struct forwards *forwards = (struct forwards *)((char *)seat - offsetof(struct forwards, seat));
    if (forwards->pending > 0 || forwards->settled) {
        return;
    }
    forwards->settled = true;
    size_t failed = 0;
    for (size_t i = 0; i < forwards->count; i++) {
        failed += forwards->list[i].failed;
    }
    forwards->on_settled(forwards->ctx, failed);
}

struct forwards *forwards_start(struct connection *connection, const struct client_config *config,
                                void (*on_settled)(void *ctx, size_t failed), void *ctx)
{
    size_t count = config->forwards_count;
    struct forwards *forwards = calloc(1, sizeof(*forwards) + count * sizeof(struct forward));
    if (forwards == NULL) {
        return NULL;
    }
    forwards->worker = connection_worker(connection);
    forwards->connection = connection;
    forwards->config = config;
    forwards->on_settled = on_settled;
    forwards->ctx = ctx;
    forwards->count = count;
    forwards->pending = count;
    worker_sit(forwards->worker, &forwards->seat, pump);
    worker_mark_dirty(forwards->worker, &forwards->seat);
    for (size_t i = 0; i < count; i++) {
        forwards->list[i].forwards = forwards;
        forwards->list[i].config = &config->forwards[i];
        start_one(&forwards->list[i]);
    }
    return forwards;
}

void forwards_stop(struct forwards *forwards)
{
    if (forwards == NULL) {
        return;
    }
    for (size_t i = 0; i < forwards->count; i++) {
        worker_ask_cancel(forwards->worker, forwards->list[i].ticket);
        if (forwards->list[i].listener != NULL) {
            listener_close(forwards->list[i].listener);
        }
    }
    worker_leave(forwards->worker, &forwards->seat);
    free(forwards);
}

uint16_t forwards_port(const struct forwards *forwards, size_t index)
{
    if (index >= forwards->count || forwards->list[index].listener == NULL) {
        return 0;
    }
    return listener_port(forwards->list[index].listener);
}
