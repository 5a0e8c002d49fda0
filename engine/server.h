/*
 * The server's role: let keys in, and connect their channels to where policy allows.
 *
 * A server lives on one worker. The host key and the lists of admitted keys stay behind the
 * broker's handlers (sign_host, authorize).
 */
#ifndef CULVERT_ENGINE_SERVER_H
#define CULVERT_ENGINE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/policy.h"
#include "engine/worker.h"
#include "proto/session.h"

struct server;

/* One ListenAddress. */
struct server_listen {
    /* NULL: every address of the configured family */
    const char *host;
    uint16_t port;
};

/* Strings and arrays must live as long as the server. */
struct server_config {
    const struct server_listen *listen;
    size_t listen_count;
    /* AddressFamily: AF_UNSPEC, AF_INET or AF_INET6 */
    int family;
    /* SO_KEEPALIVE on connections */
    bool tcp_keepalive;

    /* hostkey, banner, auth_tries_max, login_ns, algorithms, rekey, alive, software; role, entropy,
     * memory and cells are filled in by the server */
    struct session_config session;

    /* MaxStartups start:rate:full; all 0: no limit */
    uint32_t startups_begin;
    uint32_t startups_rate;
    uint32_t startups_full;

    /* AllowTcpForwarding and PermitOpen; NULL: all is allowed */
    const struct policy *policy;

    /* for each connection to a target; 0: 10 seconds */
    int64_t dial_timeout_ns;
    /* -d: accept one connection, and stop when it has ended */
    bool once;

    /* Inside the loop, after server_stop (or the one connection of `once`): everything is closed.
     * May call worker_quit, may not call server_free. May be NULL. */
    void (*on_stopped)(void *ctx);
    void *ctx;
};

/* Copies the configuration, not what it points to. NULL: out of memory. */
struct server *server_make(struct worker *worker, const struct server_config *config);
/*
 * Resolves and binds the addresses, at once (the only blocking call, before any connection), logs
 * "Server listening on ..." for each, and begins to accept. Success when any address was bound;
 * what failed is logged as an error. Otherwise a negative errno.
 */
int server_start(struct server *server);
/* Stops listening, says goodbye to every client, ends within about a second; on_stopped follows.
 * Harmless when called twice. */
void server_stop(struct server *server);
/* Best after on_stopped; before it, what is open is torn down at once. Not from a callback. */
void server_free(struct server *server);

/* The port of the first listening socket, for a configured port 0; 0 when there is none. */
uint16_t server_port(const struct server *server);
/* Connections now, logged in or not. */
size_t server_connections(const struct server *server);

#endif
