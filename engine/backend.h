/*
 * Between io.c and its backends: the functions a backend supplies, the insides of struct io and
 * struct io_pool that both sides use, and the calls by which a backend reports results. Nobody else
 * includes this file.
 */
#ifndef CULVERT_ENGINE_BACKEND_H
#define CULVERT_ENGINE_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/io.h"
#include "engine/timers.h"

/* bits of io_op.flags; the backends' own start at IO_FLAG_BACKEND */
enum {
    /* its result waits in the queue of the ended */
    IO_FLAG_ENDED = 1 << 0,
    /* the send must not wait */
    IO_FLAG_NOW = 1 << 1,
    /* the io's own, not counted as busy */
    IO_FLAG_INTERNAL = 1 << 2,
    IO_FLAG_BACKEND = 1 << 8,
};

#define IO_SLOT_NONE UINT32_MAX

/*
 * What a backend does. submit gets accept, connect (the address is in msg.msg_name), recv,
 * recv_pool, send and watch; it ends the op by io_end, now or later. cancel is called at most once
 * for an op that has not ended. wait hands over what was submitted, waits until something ended or
 * timeout_ns passed (0: don't wait, negative: no limit) and reports; a negative errno is fatal.
 * pool_offer moves free buffers to the kernel; the pool functions and forget may be NULL.
 */
struct backend {
    const char *name;
    int (*open)(struct io *io, char *why, size_t why_len);
    void (*close)(struct io *io);
    void (*submit)(struct io *io, struct io_op *op);
    void (*cancel)(struct io *io, struct io_op *op);
    int (*wait)(struct io *io, int64_t timeout_ns);
    void (*forget)(struct io *io, int fd);
    int (*pool_open)(struct io_pool *pool);
    void (*pool_close)(struct io_pool *pool);
    void (*pool_offer)(struct io_pool *pool);
};

extern const struct backend backend_uring;
extern const struct backend backend_epoll;

/* Ops linked by next and prev; an op is in one list at a time. */
struct io_list {
    struct io_op *head;
    struct io_op *tail;
};

struct io_slot {
    struct io_op *op;
    uint32_t generation;
    uint32_t next_free;
};

struct io_accepted {
    struct io_op *op;
    int fd;
};

struct io {
    const struct backend *backend;
    void *state;

    struct io_slot *slots;
    uint32_t slot_count;
    uint32_t slot_free;

    /* ops whose end is not yet told */
    struct io_list ended;
    size_t ended_count;
    /* accepted descriptors not yet told */
    struct io_accepted *accepted;
    size_t accepted_count;
    size_t accepted_capacity;

    struct timers timers;
    struct io_pool *pools;
    size_t busy;
    int64_t now_ns;
    bool turning;

    int wake_fd;
    struct io_op wake_op;
    atomic_bool wake_pending;
    void (*on_wake)(void *ctx);
    void *on_wake_ctx;
};

enum io_buffer_state { IO_BUFFER_FREE, IO_BUFFER_OFFERED, IO_BUFFER_OUT };

struct io_pool {
    struct io *io;
    struct io_pool *next, *prev;
    struct io_pool_config config;
    uint8_t *base;
    size_t base_len;
    /* the free ones, last in first out: the hottest in the cache goes next */
    uint32_t *free;
    uint32_t free_count;
    uint32_t offered_count;
    uint32_t out_count;
    /* enum io_buffer_state of each, to catch a buffer given twice */
    uint8_t *states;
    /* which buffers may have pages behind them, and the least that was free since the last trim */
    bool *touched;
    uint32_t touched_count;
    uint32_t free_low;
    /* recv_pool ops that are busy on it */
    uint32_t op_count;
    bool starved_take;
    bool starved_recv;
    void (*on_refill)(void *ctx);
    void *on_refill_ctx;
    void *state;
};

/* At the tail. */
void io_list_add(struct io_list *list, struct io_op *op);
void io_list_remove(struct io_list *list, struct io_op *op);

/* As io_make, on a given backend. */
struct io *io_make_on(const struct backend *backend, int *ret_error, char *why, size_t why_len);

/* The op's last result. It must be in none of the backend's lists. */
void io_end(struct io *io, struct io_op *op, int result);
/* One result of an accept that stays armed. Closes fd when it can't be kept. */
void io_accept_one(struct io *io, struct io_op *op, int fd);
/* Errors of accept(2) that concern one connection only, so that the next call may do better. */
bool io_accept_passes(int error);
/* How the connect of a now writable socket ended: 0 or a negative errno. */
int io_connect_result(int fd);

/* Gives the op a slot; 0 or -ENOMEM. io_end frees it. */
int io_slot_take(struct io *io, struct io_op *op);
/* The op that holds the slot, or NULL when the generation is not the present one. */
struct io_op *io_slot_op(const struct io *io, uint32_t slot, uint32_t generation);
/* 31 bits. */
uint32_t io_slot_generation(const struct io *io, uint32_t slot);

/* Offers free buffers to the kernel and runs the refill notices that are due. */
void io_pool_settle(struct io_pool *pool);
/* Takes a free buffer for the state, or -1; no notice follows. */
int io_pool_move_out(struct io_pool *pool, enum io_buffer_state state);
/* The kernel filled an offered buffer: it is the op owner's now. */
void io_pool_filled(struct io_pool *pool, int buffer);
/* A buffer that was offered or out comes back unused. */
void io_pool_move_home(struct io_pool *pool, int buffer);

#endif
