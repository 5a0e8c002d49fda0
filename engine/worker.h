/*
 * A worker: one event loop on one thread, and what its connections share.
 *
 * It owns the io, the cells (data cells that the kernel fills, small cells for control messages),
 * the landing buffers, and the seam to the broker. Shared nothing, no locks: whatever is made on a
 * worker lives and dies on it. One turn is: io_turn, which only records facts; the broker's
 * replies; then each dirty connection is pumped once, with a budget.
 *
 *     worker_make -> client_make / server_make (any number) -> ..._start -> worker_run
 *     -> ..._free -> worker_free
 */
#ifndef CULVERT_ENGINE_WORKER_H
#define CULVERT_ENGINE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/broker.h"
#include "engine/io.h"
#include "proto/cell.h"
#include "proto/session.h"

struct worker;

struct worker_config {
    enum io_backend_kind backend;
    /* copied; their ctx must outlive the worker */
    struct broker_handlers handlers;
    /* runs inside the loop for each signal that worker_signal noted; NULL: signals are dropped */
    void (*on_signal)(void *ctx, int signal_number);
    void *ctx;
    /* 0: the defaults below */
    uint32_t data_cells;
    uint32_t small_cells;
    uint32_t landings;
};

enum {
    /* 32 KiB each; address space, touched only as far as load goes */
    WORKER_DATA_CELLS = 2048,
    /* of these, what the kernel may fill by itself at once: its pool is a ring, so more of them
     * would only walk through more cache */
    WORKER_OFFERED_CELLS = 64,
    /* never given to relays, so that control messages that need a large cell get one */
    WORKER_RESERVED_CELLS = 64,
    /* 4 KiB each, for control messages */
    WORKER_SMALL_CELLS = 8192,
    /* 256 KiB each */
    WORKER_LANDINGS = 16,
    /* of these, what the kernel may fill by itself: together they stay within a core's L2 */
    WORKER_OFFERED_LANDINGS = 4,
    WORKER_LANDING_SIZE = 256 * 1024,
    /* headroom of a landing buffer: the tail of the last one is put in front of the next */
    WORKER_LANDING_ROOM = 64 * 1024,
    /* one channel's share of the data cells in one scatter receive */
    WORKER_SCATTER = 16,
};

/* Call on the thread that will run it. NULL: *ret_error is a negative errno and why (may be NULL)
 * says it in one sentence; on success why tells which backend was chosen and why. */
struct worker *worker_make(const struct worker_config *config, int *ret_error, char *why,
                           size_t why_len);
/* Clients and servers must be freed before. */
void worker_free(struct worker *worker);

/* Turns until worker_quit. 0, or the negative errno of an io that can't go on. */
int worker_run(struct worker *worker);
/* From a callback: worker_run returns after this turn. */
void worker_quit(struct worker *worker);
/* Async-signal-safe and from any thread: on_signal runs soon inside the loop. */
void worker_signal(struct worker *worker, int signal_number);
/* "io_uring" or "epoll". */
const char *worker_backend_name(const struct worker *worker);

/* ---- for the engine's own modules ---------------------------------------------------------- */

struct io *worker_io(struct worker *worker);
int64_t worker_now(const struct worker *worker);

/* ---- broker -------------------------------------------------------------------------------- */

/* Runs once, inside the loop. reply lives until the return. */
typedef void worker_reply_fn(void *ctx, const struct broker_reply *reply);

/* Sends the request; the id is filled in. A ticket > 0, or 0 when the broker is full. */
uint64_t worker_ask(struct worker *worker, struct broker_request *request, worker_reply_fn *fn,
                    void *ctx);
/* After this the reply is dropped. 0 and old tickets are fine. */
void worker_ask_cancel(struct worker *worker, uint64_t ticket);

/* ---- cells and landing buffers ------------------------------------------------------------- */

/* The data pool, for io_recv_pool; worker_cell_of turns a filled buffer into its cell with
 * start = CELL_HEADROOM and end = start + len. */
struct io_pool *worker_data_pool(struct worker *worker);
struct cell *worker_cell_of(struct worker *worker, int buffer, size_t len);
/* Data cells for a relay to read into; NULL when none is free. */
struct cell *worker_cell_take(struct worker *worker);
void worker_cell_give(struct worker *worker, struct cell *cell);
/* True when so few data cells are free that relays must wait. */
bool worker_cells_short(const struct worker *worker);
/* Data cells that one connection may keep waiting in its queue, so that no few stuck ones hold all.
 */
size_t worker_cell_share(const struct worker *worker);
/* What sessions are given. */
struct cell_source worker_cell_source(struct worker *worker);
struct session_memory worker_session_memory(struct worker *worker);

struct io_pool *worker_landing_pool(struct worker *worker);
/* References to a landing buffer: it goes home with the last one. A fresh buffer has none. */
void worker_landing_hold(struct worker *worker, int buffer);
void worker_landing_drop(struct worker *worker, int buffer);

/* ---- connections --------------------------------------------------------------------------- */

/* The place of a connection in the loop, embedded in it. pump runs once in each turn in which the
 * seat is dirty; marked while it is being pumped, it is pumped again in the next turn, which then
 * does not wait. */
struct worker_seat {
    void (*pump)(struct worker_seat *seat);
    /* private */
    struct worker_seat *next, *prev;
    struct worker_seat *next_dirty;
    uint64_t serial;
    bool dirty;
    bool waiting;
};

void worker_sit(struct worker *worker, struct worker_seat *seat,
                void (*pump)(struct worker_seat *seat));
/* The seat may be freed afterwards, also inside its own pump. */
void worker_leave(struct worker *worker, struct worker_seat *seat);
void worker_mark_dirty(struct worker *worker, struct worker_seat *seat);
/* The seat is marked dirty once buffers of either pool came home. */
void worker_wait_for_buffers(struct worker *worker, struct worker_seat *seat);

/* What lives on by itself until its ops have ended (a cancelled dial, a closed listener) is
 * counted, so that worker_free can wait for it. */
void worker_enter(struct worker *worker);
void worker_exit(struct worker *worker);
/* One turn of the loop by hand, for the frees that must wait for the kernel. */
int worker_turn(struct worker *worker);

#endif
