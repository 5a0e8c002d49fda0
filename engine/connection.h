/*
 * One SSH connection, either role: socket <-> session, and the relays of its channels.
 *
 * Completions only record facts; once per turn the connection is pumped: what the socket delivered
 * goes to the session, its events to the role or to the relays, then each relay with news is
 * settled, then one gathered send takes what the session has to say. What a role does with events
 * is in its connection_ops.
 *
 *     OPEN --- the session failed, or connection_disconnect ---> DRAINING
 *              relays are killed, the goodbye is sent, its arrival awaited (a second at most)
 *     DRAINING --- terminate: ops are cancelled ---> JOINING
 *     JOINING --- the kernel has let go of everything, all relays are gone: close ---> freed
 */
#ifndef CULVERT_ENGINE_CONNECTION_H
#define CULVERT_ENGINE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/worker.h"
#include "proto/session.h"

struct connection;
struct relay;

struct connection_ops {
    /* Each event but those that belong to a relay. The event lives until the return. FAILED comes
     * exactly once; after it no other event. */
    void (*on_event)(void *role, const struct session_event *event);
    /* The last word: relays and socket are gone, the session still answers questions. The
     * connection is freed after the return. */
    void (*on_closed)(void *role);
};

struct connection_config {
    /* connected; the connection's from here on, also when making it fails */
    int fd;
    struct sockaddr_storage peer;
    /* role, entropy, memory and cells are filled in */
    struct session_config session;
    enum session_role role;
    bool tcp_keepalive;
    const struct connection_ops *ops;
    void *owner;
};

/* NULL: out of memory. The first events come in the next turn at the earliest. */
struct connection *connection_make(struct worker *worker, const struct connection_config *config);
struct session *connection_session(const struct connection *connection);
struct worker *connection_worker(const struct connection *connection);
/* "192.0.2.1 port 4711" and its parts. */
const char *connection_peer(const struct connection *connection);
const char *connection_peer_ip(const struct connection *connection);
uint16_t connection_peer_port(const struct connection *connection);
/* The errno of the socket's end; 0: it ended in order, or has not. */
int connection_os_error(const struct connection *connection);
size_t connection_relays(const struct connection *connection);
/* Another command was given to the session: the connection is pumped soon. */
void connection_wake(struct connection *connection);
/* Says goodbye; FAILED with ERR_LOCAL and on_closed follow. */
void connection_disconnect(struct connection *connection, enum disconnect_reason reason,
                           const char *text);
/* No goodbye, no FAILED: closes as soon as the kernel lets go; on_closed follows. */
void connection_abort(struct connection *connection);

/* ---- for relays ----------------------------------------------------------------------------- */

struct worker_seat *connection_seat(struct connection *connection);
void connection_adopt(struct connection *connection, struct relay *relay);
void connection_forget(struct connection *connection, struct relay *relay);
/* relay_settle is called in this turn's pump. */
void connection_ready(struct connection *connection, struct relay *relay);
/* The session's queue is full: nothing more is read for it. */
bool connection_choked(const struct connection *connection);
/* The relay is made ready again, in its turn, when the queue has drained and buffers are there. */
void connection_park(struct connection *connection, struct relay *relay);
/* The kernel was out of memory: parked ones try again in a moment. */
void connection_retry_later(struct connection *connection);

#endif
