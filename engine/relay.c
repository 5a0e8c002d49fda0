/*
 * One forwarded socket <-> one channel. See relay.h for the states.
 */
#include "engine/relay.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/connection.h"
#include "engine/log.h"
#include "engine/sock.h"
#include "engine/worker.h"
#include "proto/session.h"

enum {
    CHUNK_SMALL = 4096,
    CHUNK_LARGE = 64 * 1024,
};

/* A scatter receive over cells that were taken by hand. */
struct relay_batch {
    struct iovec iov[WORKER_SCATTER];
    struct cell *cells[WORKER_SCATTER];
    int count;
    size_t per_cell;
};

/* One gathered send. landing >= 0: slices lent from that buffer; -1: pieces of the queue. */
struct relay_gather {
    struct iovec iov[IO_IOV_MAX];
    int count;
    int landing;
    size_t len;
    bool flying;
};

struct relay_chunk {
    struct relay_chunk *next;
    uint32_t start;
    uint32_t end;
    uint32_t size;
    uint8_t bytes[];
};

static struct worker *worker_of(const struct relay *relay)
{
    return connection_worker(relay->connection);
}

static struct io *io_of(const struct relay *relay)
{
    return worker_io(worker_of(relay));
}

static struct session *session_of(const struct relay *relay)
{
    return connection_session(relay->connection);
}

/* ---- completions: facts only --------------------------------------------------------------- */

static void read_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct relay *relay = (struct relay *)((char *)op - offsetof(struct relay, read_op));
    relay->read_ended = true;
    relay->read_result = result;
    relay->read_buffer = op->buffer;
    if (result == -ENOBUFS) {
        /* now, not when it is settled: the notice that buffers came home may run before that */
        worker_wait_for_buffers(worker_of(relay), connection_seat(relay->connection));
    }
    connection_ready(relay->connection, relay);
}

static void write_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct relay *relay = (struct relay *)((char *)op - offsetof(struct relay, write_op));
    relay->write_ended = true;
    relay->write_result = result;
    connection_ready(relay->connection, relay);
}

static void watch_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct relay *relay = (struct relay *)((char *)op - offsetof(struct relay, watch_op));
    relay->watch_ended = true;
    relay->watch_result = result;
    connection_ready(relay->connection, relay);
}

/* ---- the queue ------------------------------------------------------------------------------ */

static struct relay_chunk *chunk_make(size_t len)
{
    size_t size = len <= CHUNK_SMALL ? CHUNK_SMALL : CHUNK_LARGE;
    struct relay_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk != NULL) {
        *chunk = (struct relay_chunk){.size = (uint32_t)size};
    }
    return chunk;
}

static size_t chunk_fill(struct relay_chunk *chunk, const uint8_t *bytes, size_t len)
{
    size_t room = chunk->size - chunk->end;
    size_t n = len < room ? len : room;
    memcpy(chunk->bytes + chunk->end, bytes, n);
    chunk->end += (uint32_t)n;
    return n;
}

/* A chunk list under construction, so that what was lent can be put in front of the queue. */
struct chunks {
    struct relay_chunk *first;
    struct relay_chunk *last;
};

static bool chunks_add(struct chunks *chunks, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        struct relay_chunk *last = chunks->last;
        if (last == NULL || last->end == last->size) {
            struct relay_chunk *chunk = chunk_make(len);
            if (chunk == NULL) {
                return false;
            }
            if (last == NULL) {
                chunks->first = chunk;
            } else {
                last->next = chunk;
            }
            chunks->last = last = chunk;
        }
        size_t n = chunk_fill(last, bytes, len);
        bytes += n;
        len -= n;
    }
    return true;
}

static void queue_clear(struct relay *relay)
{
    while (relay->queue_first != NULL) {
        struct relay_chunk *chunk = relay->queue_first;
        relay->queue_first = chunk->next;
        free(chunk);
    }
    relay->queue_last = NULL;
    relay->queued = 0;
}

static void queue_drop(struct relay *relay, size_t len)
{
    assert(len <= relay->queued);
    relay->queued -= len;
    while (len > 0 ||
           (relay->queue_first != NULL && relay->queue_first->start == relay->queue_first->end)) {
        struct relay_chunk *chunk = relay->queue_first;
        size_t have = chunk->end - chunk->start;
        size_t n = len < have ? len : have;
        chunk->start += (uint32_t)n;
        len -= n;
        if (chunk->start == chunk->end) {
            relay->queue_first = chunk->next;
            if (relay->queue_first == NULL) {
                relay->queue_last = NULL;
            }
            free(chunk);
        }
    }
}

/* ---- ending -------------------------------------------------------------------------------- */

/* Lets go of the channel and stops the ops; relay_settle does the rest when they have ended. */
static void begin_closing(struct relay *relay, const char *why)
{
    if (relay->state == RELAY_CLOSING) {
        return;
    }
    relay->state = RELAY_CLOSING;
    if (relay->channel != SESSION_NO_CHANNEL) {
        log_line(LEVEL_DEBUG1,
                 "channel %u: free: %s, %s, sent %" PRIu64 " bytes, received %" PRIu64 " bytes",
                 relay->channel, relay->what, why, relay->bytes_in, relay->bytes_out);
    }
    if (relay->channel_live) {
        relay->channel_live = false;
        session_channel_close(session_of(relay), relay->channel);
    }
    struct io *io = io_of(relay);
    io_cancel(io, &relay->read_op);
    io_cancel(io, &relay->write_op);
    io_cancel(io, &relay->watch_op);
    connection_ready(relay->connection, relay);
}

static void credit(struct relay *relay, size_t len)
{
    if (relay->channel_live && len > 0) {
        session_channel_consumed(session_of(relay), relay->channel, len);
    }
}

static void gather_free(struct relay *relay)
{
    struct relay_gather *gather = relay->gather;
    if (gather == NULL) {
        return;
    }
    if (gather->flying && gather->landing >= 0) {
        worker_landing_drop(worker_of(relay), gather->landing);
    }
    free(gather);
    relay->gather = NULL;
}

/* The socket takes no more: what is queued, and what will come, is discarded. */
static void break_out(struct relay *relay, int error)
{
    log_line(LEVEL_DEBUG1, "channel %u: write failed: %s", relay->channel, strerror(error));
    size_t lost = relay->queued;
    if (relay->gather != NULL && relay->gather->landing >= 0) {
        lost += relay->gather->len;
    }
    gather_free(relay);
    queue_clear(relay);
    relay->out = RELAY_BROKEN;
    credit(relay, lost);
}

/* ---- reading: socket -> channel ------------------------------------------------------------ */

static void batch_give(struct relay *relay, int from)
{
    struct relay_batch *batch = relay->batch;
    for (int i = from; i < batch->count; i++) {
        worker_cell_give(worker_of(relay), batch->cells[i]);
    }
    free(batch);
    relay->batch = NULL;
}

/* Gives back what a read that nobody wants any more has brought. */
static void discard_read(struct relay *relay)
{
    relay->read_ended = false;
    if (relay->batch != NULL) {
        batch_give(relay, 0);
    } else if (relay->read_result > 0 && relay->read_buffer >= 0) {
        io_pool_give(worker_data_pool(worker_of(relay)), relay->read_buffer);
    }
}

static void write_cells(struct relay *relay, size_t len)
{
    struct session *session = session_of(relay);
    struct worker *worker = worker_of(relay);
    if (relay->batch == NULL) {
        struct cell *cell = worker_cell_of(worker, relay->read_buffer, len);
        session_channel_write(session, relay->channel, cell);
        return;
    }
    struct relay_batch *batch = relay->batch;
    int i = 0;
    for (; len > 0; i++) {
        size_t n = len < batch->per_cell ? len : batch->per_cell;
        batch->cells[i]->end = batch->cells[i]->start + (uint32_t)n;
        session_channel_write(session, relay->channel, batch->cells[i]);
        len -= n;
    }
    batch_give(relay, i);
}

static void take_read(struct relay *relay)
{
    int result = relay->read_result;
    if (result > 0 && relay->in == RELAY_FLOWING && !relay->peer_closed) {
        relay->read_ended = false;
        size_t len = (size_t)result;
        relay->bytes_in += len;
        relay->bulk = relay->bulk ? len * 2 >= relay->read_asked : len == relay->read_asked;
        write_cells(relay, len);
        return;
    }
    discard_read(relay);
    if (result > 0 || result == -ECANCELED || relay->in != RELAY_FLOWING || relay->peer_closed) {
        return;
    }
    if (result == 0) {
        log_line(LEVEL_DEBUG1, "channel %u: end of input, EOF sent", relay->channel);
        relay->in = RELAY_ENDED;
        session_channel_eof(session_of(relay), relay->channel);
    } else if (result == -ENOBUFS) {
        connection_park(relay->connection, relay);
    } else if (result == -ENOMEM) {
        connection_park(relay->connection, relay);
        connection_retry_later(relay->connection);
    } else if (result != -EAGAIN && result != -EINTR) {
        log_line(LEVEL_DEBUG1, "channel %u: read failed: %s", relay->channel, strerror(-result));
        begin_closing(relay, "the socket was reset");
    }
}

/* Bulk: as many cells as there are bytes waiting, so that no cell is held by a socket that went
 * quiet. False: not worth it, or no cells. */
static bool arm_scatter(struct relay *relay, size_t budget, size_t per_cell)
{
    int waiting = 0;
    if (ioctl(relay->fd, FIONREAD, &waiting) != 0 || (size_t)waiting <= per_cell) {
        return false;
    }
    size_t want = (size_t)waiting < budget ? (size_t)waiting : budget;
    struct relay_batch *batch = malloc(sizeof(*batch));
    if (batch == NULL) {
        return false;
    }
    batch->count = 0;
    batch->per_cell = per_cell;
    size_t asked = 0;
    while (batch->count < WORKER_SCATTER && asked < want) {
        struct cell *cell = worker_cell_take(worker_of(relay));
        if (cell == NULL) {
            break;
        }
        size_t room = budget - asked < per_cell ? budget - asked : per_cell;
        batch->cells[batch->count] = cell;
        batch->iov[batch->count++] =
            (struct iovec){.iov_base = cell->bytes + cell->start, .iov_len = room};
        asked += room;
    }
    if (batch->count == 0) {
        free(batch);
        return false;
    }
    relay->batch = batch;
    relay->read_asked = asked;
    io_recv(io_of(relay), &relay->read_op, relay->fd, batch->iov, batch->count);
    return true;
}

/* While nothing reads the socket, a reset would go unnoticed. Armed once, it stays. */
static void arm_watch(struct relay *relay)
{
    if (!relay->watched) {
        relay->watched = true;
        io_watch(io_of(relay), &relay->watch_op, relay->fd, 0);
    }
}

static void take_watch(struct relay *relay)
{
    relay->watch_ended = false;
    if (relay->watch_result <= 0 || (relay->watch_result & POLLERR) == 0) {
        /* a hang-up alone is no news: both directions are shut, and bytes may still wait */
        return;
    }
    int waiting = 0;
    if (io_op_busy(&relay->read_op) ||
        (relay->in == RELAY_FLOWING && relay->state == RELAY_OPEN && !relay->peer_closed &&
         ioctl(relay->fd, FIONREAD, &waiting) == 0 && waiting > 0)) {
        /* the read will tell, after the bytes that came before */
        return;
    }
    begin_closing(relay, "the socket was reset");
}

static void arm_read(struct relay *relay)
{
    if (relay->in != RELAY_FLOWING || relay->peer_closed || io_op_busy(&relay->read_op) ||
        relay->read_ended || relay->parked) {
        return;
    }
    if (connection_choked(relay->connection)) {
        connection_park(relay->connection, relay);
        return;
    }
    size_t budget = session_channel_budget(session_of(relay), relay->channel);
    if (budget == 0) {
        return;
    }
    size_t per_cell = session_channel_packet_max(session_of(relay), relay->channel);
    per_cell = per_cell < CELL_PAYLOAD ? per_cell : CELL_PAYLOAD;
    if (relay->bulk && arm_scatter(relay, budget, per_cell)) {
        return;
    }
    relay->read_asked = budget < per_cell ? budget : per_cell;
    io_recv_pool(io_of(relay), &relay->read_op, relay->fd, worker_data_pool(worker_of(relay)),
                 relay->read_asked);
}

/* ---- writing: channel -> socket ------------------------------------------------------------ */

static bool queue_add(struct relay *relay, const uint8_t *bytes, size_t len)
{
    struct chunks chunks = {.first = relay->queue_first, .last = relay->queue_last};
    bool added = chunks_add(&chunks, bytes, len);
    relay->queue_first = chunks.first;
    relay->queue_last = chunks.last;
    relay->queued += len;
    if (!added) {
        log_line(LEVEL_ERROR, "channel %u: out of memory for data that waits", relay->channel);
        relay->abort = true;
        begin_closing(relay, "out of memory");
    }
    return added;
}

static struct relay_gather *gather_make(struct relay *relay, int landing)
{
    struct relay_gather *gather = malloc(sizeof(*gather));
    if (gather != NULL) {
        gather->count = 0;
        gather->len = 0;
        gather->landing = landing;
        gather->flying = false;
        relay->gather = gather;
    }
    return gather;
}

/* A slice of the landing buffer joins the send of this turn. False: it must be copied. */
static bool lend(struct relay *relay, const uint8_t *bytes, size_t len, int landing)
{
    if (landing < 0 || relay->queue_first != NULL || io_op_busy(&relay->write_op) ||
        relay->write_ended) {
        return false;
    }
    struct relay_gather *gather =
        relay->gather != NULL ? relay->gather : gather_make(relay, landing);
    if (gather == NULL || gather->count == IO_IOV_MAX || gather->landing != landing) {
        return false;
    }
    /* an iovec has no const; sends don't write */
    gather->iov[gather->count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    gather->len += len;
    return true;
}

/* The part of a lent send that didn't go goes in front of the queue, by copy. */
static bool keep_rest(struct relay *relay, size_t sent)
{
    struct chunks chunks = {NULL, NULL};
    struct relay_gather *gather = relay->gather;
    size_t rest = gather->len - sent;
    bool added = true;
    for (int i = 0; i < gather->count && added; i++) {
        size_t skip = sent < gather->iov[i].iov_len ? sent : gather->iov[i].iov_len;
        sent -= skip;
        added = chunks_add(&chunks, (const uint8_t *)gather->iov[i].iov_base + skip,
                           gather->iov[i].iov_len - skip);
    }
    if (chunks.last != NULL) {
        chunks.last->next = relay->queue_first;
        relay->queue_first = chunks.first;
        relay->queue_last = relay->queue_last == NULL ? chunks.last : relay->queue_last;
        relay->queued += rest;
    }
    return added;
}

static void take_write(struct relay *relay)
{
    relay->write_ended = false;
    struct relay_gather *gather = relay->gather;
    assert(gather != NULL && gather->flying);
    int result = relay->write_result;
    bool nothing = result == -EAGAIN || result == -EINTR || result == -ENOBUFS ||
                   result == -ENOMEM || result == -ECANCELED;
    if (result < 0 && !nothing) {
        break_out(relay, -result);
        return;
    }
    size_t sent = result < 0 ? 0 : (size_t)result;
    bool kept = true;
    if (gather->landing < 0) {
        queue_drop(relay, sent);
    } else if (sent < gather->len) {
        kept = keep_rest(relay, sent);
    }
    gather_free(relay);
    credit(relay, sent);
    if (!kept) {
        log_line(LEVEL_ERROR, "channel %u: out of memory for data that waits", relay->channel);
        relay->abort = true;
        begin_closing(relay, "out of memory");
    }
}

static void send_queue(struct relay *relay)
{
    struct relay_gather *gather = gather_make(relay, -1);
    if (gather == NULL) {
        log_line(LEVEL_ERROR, "channel %u: out of memory for data that waits", relay->channel);
        relay->abort = true;
        begin_closing(relay, "out of memory");
        return;
    }
    for (struct relay_chunk *chunk = relay->queue_first;
         chunk != NULL && gather->count < IO_IOV_MAX; chunk = chunk->next) {
        gather->iov[gather->count++] = (struct iovec){.iov_base = chunk->bytes + chunk->start,
                                                      .iov_len = chunk->end - chunk->start};
        gather->len += chunk->end - chunk->start;
    }
    gather->flying = true;
    io_send(io_of(relay), &relay->write_op, relay->fd, gather->iov, gather->count);
}

static void arm_write(struct relay *relay)
{
    if (io_op_busy(&relay->write_op) || relay->write_ended || relay->out == RELAY_BROKEN) {
        return;
    }
    struct relay_gather *gather = relay->gather;
    if (gather != NULL) {
        gather->flying = true;
        worker_landing_hold(worker_of(relay), gather->landing);
        io_send_now(io_of(relay), &relay->write_op, relay->fd, gather->iov, gather->count);
    } else if (relay->queue_first != NULL) {
        send_queue(relay);
    } else if (relay->out == RELAY_DRAINING) {
        relay->out = RELAY_ENDED;
        sock_shutdown_write(relay->fd);
    }
}

/* ---- from outside --------------------------------------------------------------------------- */

struct relay *relay_make(struct connection *connection, int fd, const char *what)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL) {
        return NULL;
    }
    sock_set_nodelay(fd);
    relay->what = strdup(what);
    if (relay->what == NULL) {
        free(relay);
        return NULL;
    }
    relay->connection = connection;
    relay->fd = fd;
    relay->channel = SESSION_NO_CHANNEL;
    relay->read_op.done = read_done;
    relay->write_op.done = write_done;
    relay->watch_op.done = watch_done;
    connection_adopt(connection, relay);
    connection_ready(connection, relay);
    return relay;
}

void relay_set_channel(struct relay *relay, uint32_t channel)
{
    relay->channel = channel;
    relay->channel_live = true;
}

void relay_open(struct relay *relay, uint32_t channel, uint32_t remote)
{
    relay_set_channel(relay, channel);
    relay->remote = remote;
    relay->state = RELAY_OPEN;
    connection_ready(relay->connection, relay);
}

void relay_refused(struct relay *relay)
{
    relay->channel_live = false;
    begin_closing(relay, "open failed");
}

void relay_kill(struct relay *relay)
{
    /* whoever holds the other end must not take the cut for a clean end */
    relay->abort = relay->out == RELAY_FLOWING || relay->out == RELAY_DRAINING;
    relay->channel_live = false;
    begin_closing(relay, "the connection ended");
}

void relay_data(struct relay *relay, const uint8_t *bytes, size_t len, int landing)
{
    relay->bytes_out += len;
    if (relay->state != RELAY_OPEN || relay->out != RELAY_FLOWING) {
        credit(relay, len);
        return;
    }
    if (lend(relay, bytes, len, landing) || queue_add(relay, bytes, len)) {
        connection_ready(relay->connection, relay);
    }
}

void relay_eof(struct relay *relay)
{
    log_line(LEVEL_DEBUG1, "channel %u: EOF received", relay->channel);
    if (relay->out == RELAY_FLOWING) {
        relay->out = RELAY_DRAINING;
    }
    connection_ready(relay->connection, relay);
}

void relay_peer_closed(struct relay *relay)
{
    log_line(LEVEL_DEBUG1, "channel %u: close received", relay->channel);
    relay->peer_closed = true;
    if (relay->out == RELAY_FLOWING) {
        relay->out = RELAY_DRAINING;
    }
    io_cancel(io_of(relay), &relay->read_op);
    connection_ready(relay->connection, relay);
}

void relay_wake(struct relay *relay)
{
    connection_ready(relay->connection, relay);
}

/* ---- settle -------------------------------------------------------------------------------- */

static void settle_closing(struct relay *relay)
{
    if (relay->read_ended) {
        discard_read(relay);
    }
    relay->write_ended = false;
    relay->watch_ended = false;
    if (io_op_busy(&relay->read_op) || io_op_busy(&relay->write_op) ||
        io_op_busy(&relay->watch_op) || relay->ready) {
        return;
    }
    gather_free(relay);
    queue_clear(relay);
    if (relay->abort) {
        /* close sends a reset then, not an end */
        sock_set_abort(relay->fd);
    }
    io_close(io_of(relay), relay->fd);
    connection_forget(relay->connection, relay);
    free(relay->what);
    free(relay);
}

void relay_settle(struct relay *relay)
{
    if (relay->state != RELAY_CLOSING && relay->write_ended) {
        take_write(relay);
    }
    if (relay->state == RELAY_OPEN && relay->read_ended) {
        take_read(relay);
    }
    if (relay->state != RELAY_CLOSING && relay->watch_ended) {
        take_watch(relay);
    }
    if (relay->state == RELAY_OPEN) {
        arm_write(relay);
    }
    if (relay->state == RELAY_OPEN) {
        bool out_over = relay->out == RELAY_ENDED || relay->out == RELAY_BROKEN;
        if (out_over && (relay->in == RELAY_ENDED || relay->peer_closed)) {
            begin_closing(relay, relay->peer_closed ? "by the peer" : "both directions ended");
        }
    }
    if (relay->state == RELAY_CLOSING) {
        settle_closing(relay);
        return;
    }
    if (relay->state == RELAY_OPEN) {
        arm_read(relay);
    }
    if (!io_op_busy(&relay->read_op)) {
        arm_watch(relay);
    }
}
