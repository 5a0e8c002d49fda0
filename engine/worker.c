/*
 * The loop of one thread, and the memory that its connections share.
 */
#include "engine/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

enum {
    SMALL_STRIDE = 4096,
    PAGE = 4096,
    DATA_SIZE = CELL_HEADROOM + CELL_PAYLOAD + CELL_TAILROOM,
    /* whole pages, so that a cell that is idle can give its memory back */
    DATA_STRIDE = (DATA_SIZE + PAGE - 1) / PAGE * PAGE,
    LANDING_STRIDE = WORKER_LANDING_ROOM + WORKER_LANDING_SIZE,
    SIGNALS_MAX = 64,
};

/* how often buffers that a burst has touched and nobody needs any more give their memory back */
#define TRIM_NS (INT64_C(200000000))

static_assert((int)CELL_HEADROOM + (int)CELL_SMALL + (int)CELL_TAILROOM == (int)SMALL_STRIDE,
              "a small cell is its stride");
static_assert((int)LIMIT_PACKET_WIRE <= (int)WORKER_LANDING_ROOM,
              "the tail of one packet fits in front of the next landing buffer");

struct ask {
    /* 0: free; otherwise the ticket */
    uint64_t ticket;
    /* NULL: cancelled, the reply is awaited only to be dropped */
    worker_reply_fn *fn;
    void *ctx;
    uint32_t next_free;
};

struct worker {
    struct io *io;
    struct io_pool *data_pool;
    struct io_pool *landing_pool;
    struct io_pool *small_pool;
    struct io_op trim_op;
    struct broker *broker;
    struct worker_config config;

    struct cell *data_cells;
    struct cell *small_cells;
    uint32_t *landing_holds;

    struct ask *asks;
    uint32_t asks_count;
    uint32_t asks_free;
    uint64_t asks_serial;

    struct worker_seat *seats;
    size_t seats_count;
    struct worker_seat *dirty_first;
    struct worker_seat **dirty_last;
    uint64_t pump_serial;
    size_t waiting_count;
    /* a buffer came home while someone waited for one: the next turn must not wait for news */
    bool refilled;
    size_t strays;

    atomic_uint_least64_t signals;
    bool quit;
    bool ending;
};

enum { ASK_NONE = UINT32_MAX };

/* ---- the broker's seam --------------------------------------------------------------------- */

/* On a broker thread. */
static void wake_from_broker(void *ctx)
{
    struct worker *worker = ctx;
    io_wake(worker->io);
}

/* What a wake means is found out after each turn; the wake itself only ends the wait. */
static void woken(void *ctx)
{
    (void)ctx;
}

static struct ask *ask_of(struct worker *worker, uint64_t ticket)
{
    uint32_t slot = (uint32_t)ticket;
    if (ticket == 0 || slot >= worker->asks_count || worker->asks[slot].ticket != ticket) {
        return NULL;
    }
    return &worker->asks[slot];
}

static bool asks_grow(struct worker *worker)
{
    uint32_t count = worker->asks_count == 0 ? 16 : worker->asks_count * 2;
    if (count > 2 * BROKER_QUEUE_MAX) {
        return false;
    }
    struct ask *asks = reallocarray(worker->asks, count, sizeof(*asks));
    if (asks == NULL) {
        return false;
    }
    for (uint32_t i = worker->asks_count; i < count; i++) {
        asks[i] = (struct ask){.next_free = worker->asks_free};
        worker->asks_free = i;
    }
    worker->asks = asks;
    worker->asks_count = count;
    return true;
}

static void ask_release(struct worker *worker, struct ask *ask)
{
    *ask = (struct ask){.next_free = worker->asks_free};
    worker->asks_free = (uint32_t)(ask - worker->asks);
}

uint64_t worker_ask(struct worker *worker, struct broker_request *request, worker_reply_fn *fn,
                    void *ctx)
{
    if (worker->asks_free == ASK_NONE && !asks_grow(worker)) {
        return 0;
    }
    uint32_t slot = worker->asks_free;
    struct ask *ask = &worker->asks[slot];
    worker->asks_free = ask->next_free;
    /* serial in the upper half, never 0: a late reply can't reach the slot's next user */
    ask->ticket = (++worker->asks_serial << 32) | slot;
    ask->fn = fn;
    ask->ctx = ctx;
    request->id = ask->ticket;
    if (broker_ask(worker->broker, request) != 0) {
        ask_release(worker, ask);
        return 0;
    }
    return request->id;
}

void worker_ask_cancel(struct worker *worker, uint64_t ticket)
{
    struct ask *ask = ask_of(worker, ticket);
    if (ask != NULL) {
        ask->fn = NULL;
        broker_cancel(worker->broker, ticket);
    }
}

static void take_replies(struct worker *worker)
{
    for (;;) {
        struct broker_reply *reply = broker_answer(worker->broker);
        if (reply == NULL) {
            return;
        }
        struct ask *ask = ask_of(worker, reply->id);
        assert(ask != NULL);
        worker_reply_fn *fn = ask->fn;
        void *ctx = ask->ctx;
        ask_release(worker, ask);
        if (fn != NULL) {
            fn(ctx, reply);
        }
        free(reply);
    }
}

/* ---- cells --------------------------------------------------------------------------------- */

static bool cells_make(struct worker *worker)
{
    const struct worker_config *config = &worker->config;
    struct io_pool_config pool = {
        .count = config->data_cells,
        .stride = DATA_STRIDE,
        .offset = CELL_HEADROOM,
        .size = CELL_PAYLOAD,
        .offered = config->data_cells / 2 < WORKER_OFFERED_CELLS ? config->data_cells / 2
                                                                 : WORKER_OFFERED_CELLS,
    };
    worker->data_pool = io_pool_make(worker->io, &pool);
    pool = (struct io_pool_config){
        .count = config->landings,
        .stride = LANDING_STRIDE,
        .offset = WORKER_LANDING_ROOM,
        .size = WORKER_LANDING_SIZE,
        .offered = config->landings < WORKER_OFFERED_LANDINGS ? config->landings
                                                              : WORKER_OFFERED_LANDINGS,
    };
    worker->landing_pool = io_pool_make(worker->io, &pool);
    pool = (struct io_pool_config){
        .count = config->small_cells,
        .stride = SMALL_STRIDE,
        .size = SMALL_STRIDE,
    };
    worker->small_pool = io_pool_make(worker->io, &pool);
    worker->data_cells = calloc(config->data_cells, sizeof(struct cell));
    worker->small_cells = calloc(config->small_cells, sizeof(struct cell));
    worker->landing_holds = calloc(config->landings, sizeof(uint32_t));
    return worker->data_pool != NULL && worker->landing_pool != NULL &&
           worker->small_pool != NULL && worker->data_cells != NULL &&
           worker->small_cells != NULL && worker->landing_holds != NULL;
}

static void cells_free(struct worker *worker)
{
    if (worker->data_pool != NULL) {
        io_pool_free(worker->data_pool);
    }
    if (worker->landing_pool != NULL) {
        io_pool_free(worker->landing_pool);
    }
    if (worker->small_pool != NULL) {
        io_pool_free(worker->small_pool);
    }
    free(worker->data_cells);
    free(worker->small_cells);
    free(worker->landing_holds);
}

struct io_pool *worker_data_pool(struct worker *worker)
{
    return worker->data_pool;
}

struct cell *worker_cell_of(struct worker *worker, int buffer, size_t len)
{
    assert(buffer >= 0 && (uint32_t)buffer < worker->config.data_cells && len <= CELL_PAYLOAD);
    struct cell *cell = &worker->data_cells[buffer];
    *cell = (struct cell){
        .bytes = io_pool_at(worker->data_pool, buffer) - CELL_HEADROOM,
        .size = DATA_SIZE,
        .start = CELL_HEADROOM,
        .end = CELL_HEADROOM + (uint32_t)len,
        .index = buffer,
    };
    return cell;
}

static struct cell *data_take(struct worker *worker)
{
    int buffer = io_pool_take(worker->data_pool);
    return buffer < 0 ? NULL : worker_cell_of(worker, buffer, 0);
}

bool worker_cells_short(const struct worker *worker)
{
    return io_pool_free_count(worker->data_pool) <= WORKER_RESERVED_CELLS;
}

struct cell *worker_cell_take(struct worker *worker)
{
    return worker_cells_short(worker) ? NULL : data_take(worker);
}

size_t worker_cell_share(const struct worker *worker)
{
    size_t seats = worker->seats_count == 0 ? 1 : worker->seats_count;
    return worker->config.data_cells / 2 / seats;
}

static struct cell *small_take(struct worker *worker)
{
    int buffer = io_pool_take(worker->small_pool);
    if (buffer < 0) {
        return NULL;
    }
    struct cell *cell = &worker->small_cells[buffer];
    *cell = (struct cell){
        .bytes = io_pool_at(worker->small_pool, buffer),
        .size = SMALL_STRIDE,
        .start = CELL_HEADROOM,
        .end = CELL_HEADROOM,
        /* below 0 to tell it from a data cell */
        .index = -1 - buffer,
    };
    return cell;
}

void worker_cell_give(struct worker *worker, struct cell *cell)
{
    if (cell->index >= 0) {
        worker->refilled = worker->waiting_count > 0;
        io_pool_give(worker->data_pool, cell->index);
    } else {
        io_pool_give(worker->small_pool, -1 - cell->index);
    }
}

static struct cell *source_take(void *ctx, size_t payload_len)
{
    if (payload_len > CELL_PAYLOAD) {
        return NULL;
    }
    struct cell *cell = payload_len <= CELL_SMALL ? small_take(ctx) : NULL;
    return cell != NULL ? cell : data_take(ctx);
}

static void source_give(void *ctx, struct cell *cell)
{
    worker_cell_give(ctx, cell);
}

struct cell_source worker_cell_source(struct worker *worker)
{
    return (struct cell_source){.take = source_take, .give = source_give, .ctx = worker};
}

static void *memory_take(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void memory_give(void *ctx, void *block, size_t size)
{
    (void)ctx;
    (void)size;
    free(block);
}

struct session_memory worker_session_memory(struct worker *worker)
{
    return (struct session_memory){.take = memory_take, .give = memory_give, .ctx = worker};
}

struct io_pool *worker_landing_pool(struct worker *worker)
{
    return worker->landing_pool;
}

void worker_landing_hold(struct worker *worker, int buffer)
{
    worker->landing_holds[buffer]++;
}

void worker_landing_drop(struct worker *worker, int buffer)
{
    assert(worker->landing_holds[buffer] > 0);
    if (--worker->landing_holds[buffer] == 0) {
        worker->refilled = worker->waiting_count > 0;
        io_pool_give(worker->landing_pool, buffer);
    }
}

/* ---- seats --------------------------------------------------------------------------------- */

void worker_sit(struct worker *worker, struct worker_seat *seat,
                void (*pump)(struct worker_seat *seat))
{
    *seat = (struct worker_seat){.pump = pump, .next = worker->seats};
    if (worker->seats != NULL) {
        worker->seats->prev = seat;
    }
    worker->seats = seat;
    worker->seats_count++;
}

void worker_mark_dirty(struct worker *worker, struct worker_seat *seat)
{
    if (!seat->dirty) {
        seat->dirty = true;
        seat->serial = worker->pump_serial;
        seat->next_dirty = NULL;
        *worker->dirty_last = seat;
        worker->dirty_last = &seat->next_dirty;
    }
}

static void dirty_remove(struct worker *worker, struct worker_seat *seat)
{
    struct worker_seat **at = &worker->dirty_first;
    while (*at != seat) {
        assert(*at != NULL);
        at = &(*at)->next_dirty;
    }
    *at = seat->next_dirty;
    if (worker->dirty_last == &seat->next_dirty) {
        worker->dirty_last = at;
    }
    seat->dirty = false;
}

void worker_leave(struct worker *worker, struct worker_seat *seat)
{
    if (seat->dirty) {
        dirty_remove(worker, seat);
    }
    worker->waiting_count -= seat->waiting;
    if (seat->prev != NULL) {
        seat->prev->next = seat->next;
    } else {
        worker->seats = seat->next;
    }
    if (seat->next != NULL) {
        seat->next->prev = seat->prev;
    }
    worker->seats_count--;
}

void worker_wait_for_buffers(struct worker *worker, struct worker_seat *seat)
{
    worker->waiting_count += !seat->waiting;
    seat->waiting = true;
}

static void buffers_came_home(void *ctx)
{
    struct worker *worker = ctx;
    for (struct worker_seat *seat = worker->seats; worker->waiting_count > 0 && seat != NULL;
         seat = seat->next) {
        if (seat->waiting) {
            seat->waiting = false;
            worker->waiting_count--;
            worker_mark_dirty(worker, seat);
        }
    }
}

/* Those that are dirty now, each once; what they mark is for the next turn. */
static void pump_dirty(struct worker *worker)
{
    uint64_t serial = ++worker->pump_serial;
    while (worker->dirty_first != NULL && worker->dirty_first->serial != serial) {
        struct worker_seat *seat = worker->dirty_first;
        dirty_remove(worker, seat);
        seat->pump(seat);
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

void worker_enter(struct worker *worker)
{
    worker->strays++;
}

void worker_exit(struct worker *worker)
{
    assert(worker->strays > 0);
    worker->strays--;
}

void worker_signal(struct worker *worker, int signal_number)
{
    if (signal_number > 0 && signal_number < SIGNALS_MAX) {
        /* in a signal handler: whom it interrupts may be about to look at errno */
        int saved = errno;
        atomic_fetch_or(&worker->signals, UINT64_C(1) << signal_number);
        io_wake(worker->io);
        errno = saved;
    }
}

static void take_signals(struct worker *worker)
{
    uint64_t signals = atomic_exchange(&worker->signals, 0);
    for (int i = 1; i < SIGNALS_MAX; i++) {
        if ((signals >> i & 1) != 0 && worker->config.on_signal != NULL) {
            worker->config.on_signal(worker->config.ctx, i);
        }
    }
}

/* Ends when nothing is left to give back; the next use of a pool starts it again. */
static void trim_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct worker *worker = (struct worker *)((char *)op - offsetof(struct worker, trim_op));
    if (result == 0) {
        io_pool_trim(worker->data_pool);
        io_pool_trim(worker->landing_pool);
        io_pool_trim(worker->small_pool);
    }
}

static void watch_pools(struct worker *worker)
{
    bool used = io_pool_trimmable(worker->data_pool) || io_pool_trimmable(worker->landing_pool) ||
                io_pool_trimmable(worker->small_pool);
    if (used && !worker->ending && !io_op_busy(&worker->trim_op)) {
        io_timer(worker->io, &worker->trim_op, worker_now(worker) + TRIM_NS);
    }
}

int worker_turn(struct worker *worker)
{
    bool at_once = worker->dirty_first != NULL || worker->refilled;
    worker->refilled = false;
    int error = io_turn(worker->io, at_once ? 0 : INT64_MAX);
    if (error < 0) {
        return error;
    }
    take_signals(worker);
    take_replies(worker);
    pump_dirty(worker);
    watch_pools(worker);
    return 0;
}

int worker_run(struct worker *worker)
{
    while (!worker->quit) {
        int error = worker_turn(worker);
        if (error < 0) {
            return error;
        }
    }
    worker->quit = false;
    return 0;
}

void worker_quit(struct worker *worker)
{
    worker->quit = true;
}

const char *worker_backend_name(const struct worker *worker)
{
    return io_backend_name(worker->io);
}

struct io *worker_io(struct worker *worker)
{
    return worker->io;
}

int64_t worker_now(const struct worker *worker)
{
    return io_now(worker->io);
}

static struct worker *refuse(struct worker *worker, int *ret_error, char *why, size_t why_len)
{
    *ret_error = -ENOMEM;
    if (why != NULL) {
        snprintf(why, why_len, "out of memory for buffers");
    }
    worker_free(worker);
    return NULL;
}

struct worker *worker_make(const struct worker_config *config, int *ret_error, char *why,
                           size_t why_len)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return refuse(NULL, ret_error, why, why_len);
    }
    worker->config = *config;
    struct worker_config *own = &worker->config;
    own->data_cells = own->data_cells == 0 ? WORKER_DATA_CELLS : own->data_cells;
    own->small_cells = own->small_cells == 0 ? WORKER_SMALL_CELLS : own->small_cells;
    own->landings = own->landings == 0 ? WORKER_LANDINGS : own->landings;
    worker->asks_free = ASK_NONE;
    worker->dirty_last = &worker->dirty_first;

    worker->trim_op.done = trim_done;
    worker->io = io_make(config->backend, ret_error, why, why_len);
    if (worker->io == NULL) {
        free(worker);
        return NULL;
    }
    io_on_wake(worker->io, woken, worker);
    if (!cells_make(worker)) {
        return refuse(worker, ret_error, why, why_len);
    }
    io_pool_on_refill(worker->data_pool, buffers_came_home, worker);
    io_pool_on_refill(worker->landing_pool, buffers_came_home, worker);
    worker->broker = broker_make(&config->handlers, wake_from_broker, worker);
    if (worker->broker == NULL) {
        return refuse(worker, ret_error, why, why_len);
    }
    return worker;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    assert(worker->seats_count == 0);
    /* those whom signals concern are gone */
    worker->config.on_signal = NULL;
    worker->ending = true;
    if (worker->io != NULL) {
        io_cancel(worker->io, &worker->trim_op);
    }
    while ((worker->strays > 0 || io_op_busy(&worker->trim_op)) && worker_turn(worker) == 0) {
    }
    broker_free(worker->broker);
    cells_free(worker);
    if (worker->io != NULL) {
        io_free(worker->io);
    }
    free(worker->asks);
    free(worker);
}
