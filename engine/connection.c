/*
 * One SSH connection: socket <-> session. See connection.h for its states.
 */
#include "engine/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/flock.h"
#include "engine/io.h"
#include "engine/relay.h"
#include "engine/sock.h"
#include "engine/stash.h"
#include "proto/limits.h"

enum {
    /* events of one pump, and parked relays that one pump arms: what others wait for at most */
    EVENTS_PER_PUMP = 256,
    UNPARK_PER_PUMP = 64,
};

#define DRAIN_NS (INT64_C(1000000000))
#define RETRY_NS (INT64_C(20000000))

enum state { OPEN, DRAINING, JOINING };

struct connection {
    struct worker_seat seat;
    struct worker *worker;
    struct session *session;
    void *session_memory;
    const struct connection_ops *ops;
    void *owner;
    int fd;
    enum state state;
    char peer[ADDR_TEXT_SIZE];
    char peer_ip[ADDR_HOST_SIZE];
    uint16_t peer_port;

    struct io_op recv_op;
    struct io_op send_op;
    struct io_op timer_op;
    int64_t timer_at;

    /* facts from completions, until the pump takes them */
    bool recv_ended;
    bool recv_starved;
    int recv_result;
    int recv_buffer;
    bool send_ended;
    int send_result;

    /* the session works on a feed; from landing, or from the stash when that is -1 */
    bool feeding;
    int landing;
    struct stash stash;
    /* the stash waits for an answer of ours, not for more bytes */
    bool held;
    bool eof_seen;
    bool eof_fed;
    bool failed_seen;
    bool send_dead;
    bool shut;
    int os_error;

    bool choked;
    struct flock flock;
    int64_t retry_at;
    int64_t drain_until;

    struct iovec iov[IO_IOV_MAX];
};

static struct connection *of_seat(struct worker_seat *seat)
{
    return (struct connection *)((char *)seat - offsetof(struct connection, seat));
}

static void mark(struct connection *connection)
{
    worker_mark_dirty(connection->worker, &connection->seat);
}

/* ---- completions: facts only --------------------------------------------------------------- */

static void recv_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct connection *connection =
        (struct connection *)((char *)op - offsetof(struct connection, recv_op));
    connection->recv_ended = true;
    connection->recv_result = result;
    connection->recv_buffer = op->buffer;
    if (result == -ENOBUFS) {
        connection->recv_starved = true;
        worker_wait_for_buffers(connection->worker, &connection->seat);
    }
    mark(connection);
}

static void send_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct connection *connection =
        (struct connection *)((char *)op - offsetof(struct connection, send_op));
    connection->send_ended = true;
    connection->send_result = result;
    mark(connection);
}

static void timer_done(struct io_op *op, int result, bool more)
{
    (void)result;
    (void)more;
    struct connection *connection =
        (struct connection *)((char *)op - offsetof(struct connection, timer_op));
    mark(connection);
}

/* ---- inbound -------------------------------------------------------------------------------- */

static void out_of_memory(struct connection *connection)
{
    connection->os_error = ENOMEM;
    connection->eof_seen = true;
}

static void feed_landing(struct connection *connection, int buffer, size_t len)
{
    struct stash *stash = &connection->stash;
    struct io_pool *pool = worker_landing_pool(connection->worker);
    uint8_t *bytes = io_pool_at(pool, buffer);
    worker_landing_hold(connection->worker, buffer);
    if (stash->len > WORKER_LANDING_ROOM) {
        /* only when bytes came although the session was waiting for an answer of ours */
        bool kept = stash_append(stash, bytes, len);
        worker_landing_drop(connection->worker, buffer);
        if (!kept) {
            out_of_memory(connection);
            return;
        }
        connection->landing = -1;
        connection->feeding = true;
        session_feed(connection->session, stash->memory, stash->len);
        return;
    }
    if (stash->len > 0) {
        bytes -= stash->len;
        memcpy(bytes, stash_at(stash), stash->len);
        len += stash->len;
        stash->len = 0;
    }
    connection->landing = buffer;
    connection->feeding = true;
    session_feed(connection->session, bytes, len);
}

static void take_recv(struct connection *connection)
{
    int result = connection->recv_result;
    connection->recv_ended = false;
    if (result > 0 && connection->state == OPEN) {
        connection->held = false;
        feed_landing(connection, connection->recv_buffer, (size_t)result);
    } else if (result > 0) {
        io_pool_give(worker_landing_pool(connection->worker), connection->recv_buffer);
    } else if (result == -ENOMEM) {
        connection_retry_later(connection);
    } else if (result != -ENOBUFS && result != -ECANCELED && result != -EINTR &&
               result != -EAGAIN) {
        connection->os_error = connection->os_error != 0 ? connection->os_error : -result;
        connection->eof_seen = true;
    }
}

static void begin_feed(struct connection *connection)
{
    if (connection->feeding) {
        return;
    }
    if (connection->recv_ended) {
        take_recv(connection);
    } else if (connection->held && !session_stalled(connection->session)) {
        connection->held = false;
        connection->landing = -1;
        connection->feeding = true;
        session_feed(connection->session, stash_at(&connection->stash), connection->stash.len);
    }
    if (!connection->feeding && !connection->held && connection->eof_seen && !connection->eof_fed) {
        connection->eof_fed = true;
        session_feed_eof(connection->session);
    }
}

static void end_feed(struct connection *connection)
{
    if (!connection->feeding) {
        return;
    }
    uint8_t *bytes = NULL;
    size_t len = 0;
    session_rest(connection->session, &bytes, &len);
    connection->feeding = false;
    if (connection->state != OPEN) {
        len = 0;
    }
    connection->held = len > 0 && session_stalled(connection->session);
    if (!stash_set(&connection->stash, bytes, len)) {
        out_of_memory(connection);
    }
    if (connection->landing >= 0) {
        worker_landing_drop(connection->worker, connection->landing);
        connection->landing = -1;
    }
}

/* ---- events --------------------------------------------------------------------------------- */

static void begin_draining(struct connection *connection)
{
    if (connection->state != OPEN) {
        return;
    }
    connection->state = DRAINING;
    connection->drain_until = worker_now(connection->worker) + DRAIN_NS;
    flock_kill_all(&connection->flock);
    mark(connection);
}

static void dispatch(struct connection *connection, const struct session_event *event)
{
    struct relay *relay = event->owner;
    bool for_relay = event->kind == SESSION_EV_DATA || event->kind == SESSION_EV_EOF ||
                     event->kind == SESSION_EV_CLOSE || event->kind == SESSION_EV_WINDOW;
    if (for_relay && relay == NULL) {
        /* a channel that is still being opened has none */
        return;
    }
    switch (event->kind) {
    case SESSION_EV_DATA:
        relay_data(relay, event->blob, event->blob_len, connection->landing);
        break;
    case SESSION_EV_EOF:
        relay_eof(relay);
        break;
    case SESSION_EV_CLOSE:
        relay_peer_closed(relay);
        break;
    case SESSION_EV_WINDOW:
        relay_wake(relay);
        break;
    case SESSION_EV_WRITABLE:
        flock_wake_all(&connection->flock);
        break;
    case SESSION_EV_FAILED:
        connection->failed_seen = true;
        connection->ops->on_event(connection->owner, event);
        begin_draining(connection);
        break;
    default:
        connection->ops->on_event(connection->owner, event);
        break;
    }
}

/* False: the budget ran out before the events. */
static bool take_events(struct connection *connection)
{
    struct session_event event;
    for (int i = 0; i < EVENTS_PER_PUMP; i++) {
        if (!session_next(connection->session, worker_now(connection->worker), &event)) {
            return true;
        }
        dispatch(connection, &event);
    }
    return false;
}

/* ---- relays' lists -------------------------------------------------------------------------- */

static void unpark_relays(struct connection *connection)
{
    if (connection->choked || connection->seat.waiting || connection->retry_at != 0) {
        return;
    }
    if (flock_unpark(&connection->flock, UNPARK_PER_PUMP)) {
        mark(connection);
    }
}

/* The queue's marks, low enough that many stuck connections can't hold all cells. */
static void note_queue(struct connection *connection)
{
    size_t queued = session_queued(connection->session);
    size_t share = worker_cell_share(connection->worker) * CELL_PAYLOAD;
    size_t high = share < LIMIT_QUEUE_HIGH ? share : LIMIT_QUEUE_HIGH;
    high = high < (size_t)4 * CELL_PAYLOAD ? (size_t)4 * CELL_PAYLOAD : high;
    size_t low = high / (LIMIT_QUEUE_HIGH / LIMIT_QUEUE_LOW);
    size_t cells = session_queued_cells(connection->session);
    size_t cells_high = worker_cell_share(connection->worker);
    cells_high = cells_high < LIMIT_QUEUE_CELLS ? cells_high : LIMIT_QUEUE_CELLS;
    cells_high = cells_high < 4 ? 4 : cells_high;
    if (queued > high || cells > cells_high) {
        connection->choked = true;
    } else if (queued <= low && cells <= cells_high / 4) {
        connection->choked = false;
    }
}

/* ---- outbound ------------------------------------------------------------------------------- */

static void take_send(struct connection *connection)
{
    if (!connection->send_ended) {
        return;
    }
    connection->send_ended = false;
    int result = connection->send_result;
    if (result > 0) {
        session_sent(connection->session, (size_t)result);
    } else if (result == -ENOMEM || result == -ENOBUFS) {
        connection_retry_later(connection);
    } else if (result < 0 && result != -EAGAIN && result != -EINTR && result != -ECANCELED) {
        connection->send_dead = true;
        connection->os_error = connection->os_error != 0 ? connection->os_error : -result;
        if (!io_op_busy(&connection->recv_op) && !connection->recv_ended) {
            /* nothing would tell of the end otherwise: input waits for an answer of ours */
            connection->eof_seen = true;
            connection->held = false;
            mark(connection);
        }
    }
}

static void start_send(struct connection *connection)
{
    if (io_op_busy(&connection->send_op) || connection->send_ended || connection->send_dead ||
        connection->retry_at != 0) {
        return;
    }
    int count = session_output(connection->session, worker_now(connection->worker), connection->iov,
                               IO_IOV_MAX);
    if (count > 0) {
        io_send(worker_io(connection->worker), &connection->send_op, connection->fd,
                connection->iov, count);
    }
}

static void start_recv(struct connection *connection)
{
    if (io_op_busy(&connection->recv_op) || connection->recv_ended || connection->feeding ||
        connection->held || connection->eof_seen || connection->recv_starved ||
        connection->retry_at != 0) {
        return;
    }
    if (connection->state == OPEN && session_stalled(connection->session)) {
        return;
    }
    io_recv_pool(worker_io(connection->worker), &connection->recv_op, connection->fd,
                 worker_landing_pool(connection->worker), WORKER_LANDING_SIZE);
}

static void start_timer(struct connection *connection)
{
    int64_t at = INT64_MAX;
    if (connection->state == OPEN) {
        at = session_deadline(connection->session);
    } else if (connection->state == DRAINING) {
        at = connection->drain_until;
    }
    if (connection->retry_at != 0 && connection->retry_at < at) {
        at = connection->retry_at;
    }
    struct io *io = worker_io(connection->worker);
    if (io_op_busy(&connection->timer_op)) {
        /* one that is early does no harm, it looks again; one that is late is asked to end */
        if (at < connection->timer_at) {
            io_cancel(io, &connection->timer_op);
        }
    } else if (at != INT64_MAX) {
        connection->timer_at = at;
        io_timer(io, &connection->timer_op, at);
    }
}

/* ---- ending --------------------------------------------------------------------------------- */

static void terminate(struct connection *connection)
{
    connection->state = JOINING;
    flock_kill_all(&connection->flock);
    struct io *io = worker_io(connection->worker);
    io_cancel(io, &connection->recv_op);
    io_cancel(io, &connection->send_op);
    io_cancel(io, &connection->timer_op);
    mark(connection);
}

/* The goodbye is on its way. A close with unread input would destroy it with a reset, so the
 * peer's close is awaited, for a moment. */
static void drain(struct connection *connection)
{
    bool sending = io_op_busy(&connection->send_op) || connection->retry_at != 0;
    bool late = worker_now(connection->worker) >= connection->drain_until;
    if (!sending && !connection->shut) {
        connection->shut = true;
        sock_shutdown_write(connection->fd);
    }
    if (late || connection->send_dead || (!sending && connection->eof_seen)) {
        terminate(connection);
    }
}

static void close_connection(struct connection *connection)
{
    connection->ops->on_closed(connection->owner);
    session_free(connection->session);
    free(connection->session_memory);
    stash_free(&connection->stash);
    io_close(worker_io(connection->worker), connection->fd);
    worker_leave(connection->worker, &connection->seat);
    free(connection);
}

static void join(struct connection *connection)
{
    if (connection->recv_ended) {
        take_recv(connection);
    }
    connection->send_ended = false;
    flock_settle(&connection->flock);
    if (io_op_busy(&connection->recv_op) || io_op_busy(&connection->send_op) ||
        io_op_busy(&connection->timer_op) || connection->flock.count > 0) {
        return;
    }
    close_connection(connection);
}

/* ---- the pump ------------------------------------------------------------------------------- */

static void pump_open(struct connection *connection)
{
    int64_t now = worker_now(connection->worker);
    if (session_deadline(connection->session) <= now) {
        session_tick(connection->session, now);
    }
    begin_feed(connection);
    bool all = take_events(connection);
    note_queue(connection);
    unpark_relays(connection);
    /* before the feed ends: relays send from its memory */
    flock_settle(&connection->flock);
    if (all || connection->state != OPEN) {
        end_feed(connection);
    }
    if (!all || connection->recv_ended || (connection->eof_seen && !connection->eof_fed)) {
        mark(connection);
    }
}

static void pump(struct worker_seat *seat)
{
    struct connection *connection = of_seat(seat);
    if (!connection->seat.waiting) {
        connection->recv_starved = false;
    }
    if (connection->retry_at <= worker_now(connection->worker)) {
        connection->retry_at = 0;
    }
    take_send(connection);
    if (connection->state == OPEN) {
        pump_open(connection);
    } else if (connection->state == DRAINING) {
        if (connection->recv_ended) {
            take_recv(connection);
        }
        flock_settle(&connection->flock);
    }
    if (connection->state == JOINING) {
        join(connection);
        return;
    }
    start_send(connection);
    start_recv(connection);
    if (connection->state == DRAINING) {
        drain(connection);
    }
    start_timer(connection);
    bool unread = session_failed(connection->session) && !connection->failed_seen;
    if (unread || (connection->held && !session_stalled(connection->session))) {
        /* the output found a fault, or made the room that the input waited for */
        mark(connection);
    }
}

/* ---- from outside --------------------------------------------------------------------------- */

static bool make_session(struct connection *connection, const struct connection_config *config)
{
    struct session_config session = config->session;
    session.role = config->role;
    session.entropy = entropy_system();
    session.memory = worker_session_memory(connection->worker);
    session.cells = worker_cell_source(connection->worker);
    connection->session_memory = malloc(session_size());
    if (connection->session_memory == NULL) {
        return false;
    }
    connection->session =
        session_make(connection->session_memory, &session, worker_now(connection->worker));
    return connection->session != NULL;
}

struct connection *connection_make(struct worker *worker, const struct connection_config *config)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        io_close(worker_io(worker), config->fd);
        return NULL;
    }
    connection->worker = worker;
    connection->fd = config->fd;
    connection->ops = config->ops;
    connection->owner = config->owner;
    connection->landing = -1;
    const struct sockaddr *peer = (const struct sockaddr *)&config->peer;
    addr_format(peer, sizeof(config->peer), connection->peer);
    addr_host(peer, sizeof(config->peer), connection->peer_ip);
    connection->peer_port = addr_port(peer, sizeof(config->peer));
    sock_set_nodelay(config->fd);
    sock_set_keepalive(config->fd, config->tcp_keepalive);
    connection->recv_op.done = recv_done;
    connection->send_op.done = send_done;
    connection->timer_op.done = timer_done;
    flock_start(&connection->flock);
    if (!make_session(connection, config)) {
        free(connection->session_memory);
        free(connection);
        io_close(worker_io(worker), config->fd);
        return NULL;
    }
    worker_sit(worker, &connection->seat, pump);
    mark(connection);
    return connection;
}

struct session *connection_session(const struct connection *connection)
{
    return connection->session;
}

struct worker *connection_worker(const struct connection *connection)
{
    return connection->worker;
}

const char *connection_peer(const struct connection *connection)
{
    return connection->peer;
}

const char *connection_peer_ip(const struct connection *connection)
{
    return connection->peer_ip;
}

uint16_t connection_peer_port(const struct connection *connection)
{
    return connection->peer_port;
}

int connection_os_error(const struct connection *connection)
{
    return connection->os_error;
}

size_t connection_relays(const struct connection *connection)
{
    return connection->flock.count;
}

void connection_wake(struct connection *connection)
{
    mark(connection);
}

void connection_disconnect(struct connection *connection, enum disconnect_reason reason,
                           const char *text)
{
    session_disconnect(connection->session, reason, text);
    mark(connection);
}

void connection_abort(struct connection *connection)
{
    if (connection->state == JOINING) {
        return;
    }
    if (connection->feeding) {
        connection->state = DRAINING;
        end_feed(connection);
    }
    terminate(connection);
}

struct worker_seat *connection_seat(struct connection *connection)
{
    return &connection->seat;
}

void connection_adopt(struct connection *connection, struct relay *relay)
{
    flock_add(&connection->flock, relay);
}

void connection_forget(struct connection *connection, struct relay *relay)
{
    flock_remove(&connection->flock, relay);
}

void connection_ready(struct connection *connection, struct relay *relay)
{
    flock_ready(&connection->flock, relay);
    mark(connection);
}

bool connection_choked(const struct connection *connection)
{
    return connection->choked;
}

void connection_park(struct connection *connection, struct relay *relay)
{
    flock_park(&connection->flock, relay);
}

void connection_retry_later(struct connection *connection)
{
    connection->retry_at = worker_now(connection->worker) + RETRY_NS;
    mark(connection);
}
