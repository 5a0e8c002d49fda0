/*
 * The server's role: who is let in to try, and when to stop.
 */
#include "engine/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/entropy.h"
#include "engine/addr.h"
#include "engine/connection.h"
#include "engine/guest.h"
#include "engine/listener.h"
#include "engine/log.h"

struct server {
    struct worker *worker;
    struct server_config config;
    struct listener **listeners;
    size_t listeners_count;
    struct guest *guests;
    size_t guests_count;
    /* of these, not logged in yet */
    size_t startups;
    bool throttling;
    uint64_t dropped;
    bool stopping;
    bool stopped;
};

/* ---- who may try ---------------------------------------------------------------------------- */

/* MaxStartups: from begin on a share of rate percent is dropped, rising to all at full. */
static bool too_many(const struct server *server)
{
    uint64_t begin = server->config.startups_begin;
    uint64_t rate = server->config.startups_rate;
    uint64_t full = server->config.startups_full;
    uint64_t now = server->startups;
    if (full == 0 || now < begin) {
        return false;
    }
    if (now >= full || rate >= 100 || full <= begin) {
        return true;
    }
    uint64_t percent = rate + (100 - rate) * (now - begin) / (full - begin);
    uint32_t chance;
    struct entropy entropy = entropy_system();
    entropy_fill(&entropy, &chance, sizeof(chance));
    return chance % 100 < percent;
}

static void drop(struct server *server, int fd, const char *from)
{
    static const char words[] = "Exceeded MaxStartups\r\n";
    if (!server->throttling) {
        server->throttling = true;
        server->dropped = 0;
        log_line(LEVEL_ERROR, "beginning MaxStartups throttling");
    }
    server->dropped++;
    log_line(LEVEL_VERBOSE, "drop connection #%zu from %s past MaxStartups", server->startups,
             from);
    if (send(fd, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        log_line(LEVEL_DEBUG2, "could not tell %s: %s", from, strerror(errno));
    }
    close(fd);
}

static void end_throttling(struct server *server)
{
    if (server->throttling && server->startups < server->config.startups_begin) {
        server->throttling = false;
        log_line(LEVEL_INFO, "exited MaxStartups throttling, %llu connections dropped",
                 (unsigned long long)server->dropped);
    }
}

/* ---- guests --------------------------------------------------------------------------------- */

static void finish_if_empty(struct server *server)
{
    if (!server->stopping || server->stopped || server->guests_count > 0) {
        return;
    }
    server->stopped = true;
    if (server->config.on_stopped != NULL) {
        server->config.on_stopped(server->config.ctx);
    }
}

static void close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listeners_count; i++) {
        listener_close(server->listeners[i]);
    }
    server->listeners_count = 0;
}

static void on_login(void *ctx, struct guest *guest)
{
    (void)guest;
    struct server *server = ctx;
    server->startups--;
    end_throttling(server);
}

static void on_gone(void *ctx, struct guest *guest, bool in_login)
{
    struct server *server = ctx;
    guest_unlink(guest, &server->guests);
    server->guests_count--;
    if (in_login) {
        server->startups--;
        end_throttling(server);
    }
    finish_if_empty(server);
}

static void accepted(void *ctx, int fd, const struct sockaddr_storage *peer,
                     const struct sockaddr_storage *local)
{
    struct server *server = ctx;
    char from[ADDR_TEXT_SIZE];
    char on[ADDR_TEXT_SIZE];
    addr_format((const struct sockaddr *)peer, sizeof(*peer), from);
    addr_format((const struct sockaddr *)local, sizeof(*local), on);
    if (too_many(server)) {
        drop(server, fd, from);
        return;
    }
    log_line(LEVEL_VERBOSE, "Connection from %s on %s", from, on);
    struct guest_hooks hooks = {.on_login = on_login, .on_gone = on_gone, .ctx = server};
    struct guest *guest = guest_make(server->worker, &server->config, fd, peer, &hooks);
    if (guest == NULL) {
        log_line(LEVEL_ERROR, "out of memory for a connection from %s", from);
        return;
    }
    guest_link(guest, &server->guests);
    server->guests_count++;
    server->startups++;
    if (server->config.once) {
        server->stopping = true;
        close_listeners(server);
    }
}

/* ---- listening ------------------------------------------------------------------------------ */

static void refused(void *ctx, const struct sockaddr_storage *addr, int error)
{
    (void)ctx;
    char host[ADDR_HOST_SIZE];
    addr_host((const struct sockaddr *)addr, sizeof(*addr), host);
    /* a host without IPv6 is no mistake of the administrator's */
    log_line(
        error == EAFNOSUPPORT ? LEVEL_VERBOSE : LEVEL_ERROR, "Bind to port %u on %s failed: %s.",
        (unsigned)addr_port((const struct sockaddr *)addr, sizeof(*addr)), host, strerror(error));
}

static size_t resolve(const struct server *server, const struct server_listen *listen,
                      struct sockaddr_storage addrs[LISTENER_SOCKETS_MAX])
{
    struct addrinfo hints = {
        .ai_family = server->config.family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)listen->port);
    struct addrinfo *list = NULL;
    int error = getaddrinfo(listen->host, port, &hints, &list);
    if (error != 0) {
        log_line(LEVEL_ERROR, "bad addr or host: %s (%s)",
                 listen->host != NULL ? listen->host : "*", gai_strerror(error));
        return 0;
    }
    size_t count = 0;
    for (struct addrinfo *a = list; a != NULL && count < LISTENER_SOCKETS_MAX; a = a->ai_next) {
        memset(&addrs[count], 0, sizeof(addrs[count]));
        memcpy(&addrs[count++], a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(list);
    return count;
}

static int listen_on(struct server *server, const struct server_listen *listen)
{
    struct sockaddr_storage addrs[LISTENER_SOCKETS_MAX];
    struct listener_config config = {
        .addrs = addrs,
        .count = resolve(server, listen, addrs),
        .on_refused = refused,
        .on_accept = accepted,
        .ctx = server,
    };
    int error = 0;
    struct listener *listener = listener_make(server->worker, &config, &error);
    if (listener == NULL) {
        return error;
    }
    server->listeners[server->listeners_count++] = listener;
    for (size_t i = 0; i < listener_count(listener); i++) {
        const struct sockaddr_storage *addr = listener_address(listener, i);
        char text[ADDR_TEXT_SIZE];
        log_line(LEVEL_INFO, "Server listening on %s.",
                 addr_format((const struct sockaddr *)addr, sizeof(*addr), text));
    }
    return 0;
}

/* ---- from outside --------------------------------------------------------------------------- */

struct server *server_make(struct worker *worker, const struct server_config *config)
{
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return NULL;
    }
    server->worker = worker;
    server->config = *config;
    server->listeners = calloc(config->listen_count + 1, sizeof(struct listener *));
    if (server->listeners == NULL) {
        free(server);
        return NULL;
    }
    return server;
}

int server_start(struct server *server)
{
    int first = server->config.listen_count == 0 ? -EADDRNOTAVAIL : 0;
    for (size_t i = 0; i < server->config.listen_count; i++) {
        int error = listen_on(server, &server->config.listen[i]);
        first = first == 0 ? error : first;
    }
    return server->listeners_count > 0 ? 0 : first;
}

void server_stop(struct server *server)
{
    server->stopping = true;
    close_listeners(server);
    for (struct guest *guest = server->guests; guest != NULL; guest = guest_next(guest)) {
        guest_dismiss(guest);
    }
    finish_if_empty(server);
}

void server_free(struct server *server)
{
    if (server == NULL) {
        return;
    }
    server->stopped = true;
    close_listeners(server);
    for (struct guest *guest = server->guests; guest != NULL; guest = guest_next(guest)) {
        guest_abort(guest);
    }
    while (server->guests_count > 0 && worker_turn(server->worker) == 0) {
    }
    free(server->listeners);
    free(server);
}

uint16_t server_port(const struct server *server)
{
    return server->listeners_count == 0 ? 0 : listener_port(server->listeners[0]);
}

size_t server_connections(const struct server *server)
{
    return server->guests_count;
}
