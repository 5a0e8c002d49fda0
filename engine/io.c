/*
 * What all backends have in common: the life of an op, the turn, timers, wakes, slots.
 */
#include "engine/io.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/backend.h"
#include "engine/clock.h"

enum { FIRST_SLOTS = 256, FIRST_ACCEPTED = 64, SLOT_GENERATION_MASK = 0x7fffffff };

/* ---- lists -------------------------------------------------------------------------------- */

void io_list_add(struct io_list *list, struct io_op *op)
{
    op->next = NULL;
    op->prev = list->tail;
    if (list->tail == NULL) {
        list->head = op;
    } else {
        list->tail->next = op;
    }
    list->tail = op;
}

void io_list_remove(struct io_list *list, struct io_op *op)
{
    if (op->prev == NULL) {
        list->head = op->next;
    } else {
        op->prev->next = op->next;
    }
    if (op->next == NULL) {
        list->tail = op->prev;
    } else {
        op->next->prev = op->prev;
    }
}

/* ---- slots -------------------------------------------------------------------------------- */

static int grow_slots(struct io *io)
{
    uint32_t count = io->slot_count == 0 ? FIRST_SLOTS : io->slot_count * 2;
    struct io_slot *slots = reallocarray(io->slots, count, sizeof(*slots));
    if (slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = io->slot_count; i < count; i++) {
        slots[i] = (struct io_slot){.next_free = i + 1 < count ? i + 1 : IO_SLOT_NONE};
    }
    io->slot_free = io->slot_count;
    io->slots = slots;
    io->slot_count = count;
    return 0;
}

int io_slot_take(struct io *io, struct io_op *op)
{
    if (io->slot_free == IO_SLOT_NONE) {
        int r = grow_slots(io);
        if (r < 0) {
            return r;
        }
    }
    uint32_t slot = io->slot_free;
    io->slot_free = io->slots[slot].next_free;
    io->slots[slot].op = op;
    op->slot = slot;
    return 0;
}

static void free_slot(struct io *io, struct io_op *op)
{
    struct io_slot *slot = &io->slots[op->slot];
    assert(slot->op == op);
    slot->op = NULL;
    slot->generation = (slot->generation + 1) & SLOT_GENERATION_MASK;
    slot->next_free = io->slot_free;
    io->slot_free = op->slot;
    op->slot = IO_SLOT_NONE;
}

struct io_op *io_slot_op(const struct io *io, uint32_t slot, uint32_t generation)
{
    if (slot >= io->slot_count || io->slots[slot].generation != generation) {
        return NULL;
    }
    return io->slots[slot].op;
}

uint32_t io_slot_generation(const struct io *io, uint32_t slot)
{
    assert(slot < io->slot_count);
    return io->slots[slot].generation;
}

/* ---- results ------------------------------------------------------------------------------ */

void io_end(struct io *io, struct io_op *op, int result)
{
    assert(io_op_busy(op) && (op->flags & IO_FLAG_ENDED) == 0);
    if (op->kind == IO_RECV_POOL) {
        op->pool->op_count--;
        if (result == -ENOBUFS) {
            op->pool->starved_recv = true;
        }
    }
    if (op->slot != IO_SLOT_NONE) {
        free_slot(io, op);
    }
    op->flags |= IO_FLAG_ENDED;
    op->result = result;
    io_list_add(&io->ended, op);
    io->ended_count++;
}

void io_accept_one(struct io *io, struct io_op *op, int fd)
{
    if (io->accepted_count == io->accepted_capacity) {
        size_t capacity = io->accepted_capacity == 0 ? FIRST_ACCEPTED : io->accepted_capacity * 2;
        struct io_accepted *accepted = reallocarray(io->accepted, capacity, sizeof(*accepted));
        if (accepted == NULL) {
            /* no room to remember it: the peer sees a close, the listener lives on */
            close(fd);
            return;
        }
        io->accepted = accepted;
        io->accepted_capacity = capacity;
    }
    io->accepted[io->accepted_count++] = (struct io_accepted){.op = op, .fd = fd};
}

bool io_accept_passes(int error)
{
    switch (-error) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

int io_connect_result(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        return -errno;
    }
    return -error;
}

/* ---- the turn ----------------------------------------------------------------------------- */

static int64_t wait_ns(const struct io *io, int64_t deadline_ns)
{
    if (io->ended_count > 0 || io->accepted_count > 0) {
        return 0;
    }
    const struct io_op *timer = timers_first(&io->timers);
    if (timer != NULL && timer->deadline_ns < deadline_ns) {
        deadline_ns = timer->deadline_ns;
    }
    if (deadline_ns == INT64_MAX) {
        return -1;
    }
    if (deadline_ns <= io->now_ns) {
        return 0;
    }
    int64_t now = clock_now();
    return deadline_ns <= now ? 0 : deadline_ns - now;
}

static void end_timers(struct io *io)
{
    struct io_op *op = timers_first(&io->timers);
    while (op != NULL && op->deadline_ns <= io->now_ns) {
        timers_remove(&io->timers, op);
        io_end(io, op, 0);
        op = timers_first(&io->timers);
    }
}

static void tell_accepted(struct io *io)
{
    for (size_t i = 0; i < io->accepted_count; i++) {
        struct io_accepted *one = &io->accepted[i];
        one->op->done(one->op, one->fd, true);
    }
    io->accepted_count = 0;
}

/* Ops that end while callbacks run wait for the next turn, or a pair that feeds itself would keep
 * this one from returning. */
static void tell_ended(struct io *io)
{
    for (size_t n = io->ended_count; n > 0; n--) {
        struct io_op *op = io->ended.head;
        io_list_remove(&io->ended, op);
        io->ended_count--;
        if (op->kind != IO_TIMER && (op->flags & IO_FLAG_INTERNAL) == 0) {
            io->busy--;
        }
        op->kind = IO_IDLE;
        op->done(op, op->result, false);
    }
}

int io_turn(struct io *io, int64_t deadline_ns)
{
    assert(!io->turning);
    int r = io->backend->wait(io, wait_ns(io, deadline_ns));
    if (r < 0) {
        return r;
    }
    io->now_ns = clock_now();
    io->turning = true;
    end_timers(io);
    tell_accepted(io);
    tell_ended(io);
    struct io_pool *next = NULL;
    for (struct io_pool *pool = io->pools; pool != NULL; pool = next) {
        next = pool->next;
        io_pool_settle(pool);
    }
    io->turning = false;
    return 0;
}

int64_t io_now(const struct io *io)
{
    return io->now_ns;
}

size_t io_busy_count(const struct io *io)
{
    return io->busy;
}

const char *io_backend_name(const struct io *io)
{
    return io->backend->name;
}

/* ---- ops ---------------------------------------------------------------------------------- */

static void begin(struct io *io, struct io_op *op, enum io_kind kind, int fd)
{
    assert(op->done != NULL && !io_op_busy(op));
    op->kind = kind;
    op->fd = fd;
    op->slot = IO_SLOT_NONE;
    op->flags = 0;
    op->cancelling = false;
    op->buffer = -1;
    if (kind != IO_TIMER) {
        io->busy++;
    }
}

static void begin_message(struct io *io, struct io_op *op, enum io_kind kind, int fd)
{
    begin(io, op, kind, fd);
    op->msg = (struct msghdr){0};
}

static void set_pieces(struct io_op *op, const struct iovec *iov, int count)
{
    assert(count >= 1 && count <= IO_IOV_MAX);
    /* struct msghdr serves both directions, so it lacks the const; a send never writes there, and a
     * receive writes through the pieces, not to the array */
    union {
        const struct iovec *given;
        struct iovec *wanted;
    } array = {.given = iov};
    op->msg.msg_iov = array.wanted;
    op->msg.msg_iovlen = (size_t)count;
}

void io_accept(struct io *io, struct io_op *op, int listen_fd)
{
    begin(io, op, IO_ACCEPT, listen_fd);
    io->backend->submit(io, op);
}

void io_connect(struct io *io, struct io_op *op, int fd, const struct sockaddr *addr,
                socklen_t addr_len)
{
    begin_message(io, op, IO_CONNECT, fd);
    op->events = POLLOUT;
    /* msghdr has no const; connecting doesn't write */
    op->msg.msg_name = (void *)(uintptr_t)addr;
    op->msg.msg_namelen = addr_len;
    io->backend->submit(io, op);
}

void io_recv(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int count)
{
    begin_message(io, op, IO_RECV, fd);
    set_pieces(op, iov, count);
    io->backend->submit(io, op);
}

void io_recv_pool(struct io *io, struct io_op *op, int fd, struct io_pool *pool, size_t len)
{
    assert(len > 0 && pool->io == io);
    begin(io, op, IO_RECV_POOL, fd);
    op->pool = pool;
    op->len = len < pool->config.size ? len : pool->config.size;
    pool->op_count++;
    io->backend->submit(io, op);
}

void io_send(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int count)
{
    begin_message(io, op, IO_SEND, fd);
    set_pieces(op, iov, count);
    io->backend->submit(io, op);
}

void io_send_now(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int count)
{
    begin_message(io, op, IO_SEND, fd);
    op->flags |= IO_FLAG_NOW;
    set_pieces(op, iov, count);
    io->backend->submit(io, op);
}

void io_watch(struct io *io, struct io_op *op, int fd, short events)
{
    begin(io, op, IO_WATCH, fd);
    op->events = events;
    io->backend->submit(io, op);
}

void io_timer(struct io *io, struct io_op *op, int64_t deadline_ns)
{
    begin(io, op, IO_TIMER, -1);
    op->deadline_ns = deadline_ns;
    int r = timers_add(&io->timers, op);
    if (r < 0) {
        io_end(io, op, r);
    }
}

void io_cancel(struct io *io, struct io_op *op)
{
    if (!io_op_busy(op) || op->cancelling || (op->flags & IO_FLAG_ENDED) != 0) {
        return;
    }
    op->cancelling = true;
    if (op->kind == IO_TIMER) {
        timers_remove(&io->timers, op);
        io_end(io, op, -ECANCELED);
        return;
    }
    io->backend->cancel(io, op);
}

void io_close(struct io *io, int fd)
{
    assert(fd >= 0);
    if (io->backend->forget != NULL) {
        io->backend->forget(io, fd);
    }
    close(fd);
}

/* ---- wakes -------------------------------------------------------------------------------- */

static struct io *io_of_wake(struct io_op *op)
{
    return (struct io *)(void *)((char *)op - offsetof(struct io, wake_op));
}

static void arm_wake(struct io *io)
{
    begin(io, &io->wake_op, IO_WATCH, io->wake_fd);
    io->busy--;
    io->wake_op.flags |= IO_FLAG_INTERNAL;
    io->wake_op.events = POLLIN;
    io->backend->submit(io, &io->wake_op);
}

static void wake_done(struct io_op *op, int result, bool more)
{
    (void)more;
    struct io *io = io_of_wake(op);
    /* reading a counter only fails when it is zero: then there is nothing to reset */
    uint64_t count;
    ssize_t n = read(io->wake_fd, &count, sizeof(count));
    (void)n;
    /* a wake from here on must write again: cleared before the function looks at its work */
    bool woken = atomic_exchange(&io->wake_pending, false);
    if (result != -ECANCELED) {
        arm_wake(io);
    }
    if (woken && io->on_wake != NULL) {
        io->on_wake(io->on_wake_ctx);
    }
}

void io_wake(struct io *io)
{
    if (atomic_exchange(&io->wake_pending, true)) {
        return;
    }
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(io->wake_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
}

void io_on_wake(struct io *io, void (*fn)(void *ctx), void *ctx)
{
    io->on_wake = fn;
    io->on_wake_ctx = ctx;
}

/* ---- making ------------------------------------------------------------------------------- */

struct io *io_make_on(const struct backend *backend, int *ret_error, char *why, size_t why_len)
{
    struct io *io = calloc(1, sizeof(*io));
    if (io == NULL) {
        *ret_error = -ENOMEM;
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    io->backend = backend;
    io->slot_free = IO_SLOT_NONE;
    io->now_ns = clock_now();
    io->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (io->wake_fd < 0) {
        *ret_error = -errno;
        snprintf(why, why_len, "no descriptor for wakes: %s", strerror(errno));
        free(io);
        return NULL;
    }
    int r = backend->open(io, why, why_len);
    if (r < 0) {
        *ret_error = r;
        close(io->wake_fd);
        free(io->slots);
        free(io);
        return NULL;
    }
    io->wake_op.done = wake_done;
    arm_wake(io);
    *ret_error = 0;
    return io;
}

struct io *io_make(enum io_backend_kind kind, int *ret_error, char *why, size_t why_len)
{
    char refusal[256] = "";
    struct io *io = NULL;
    if (kind != IO_BACKEND_EPOLL) {
        io = io_make_on(&backend_uring, ret_error, refusal, sizeof(refusal));
        if (io != NULL) {
            snprintf(why, why_len, "using io_uring: its probe passed");
            return io;
        }
        if (kind == IO_BACKEND_URING) {
            snprintf(why, why_len, "io_uring was asked for but can't be used: %s", refusal);
            return NULL;
        }
    }
    char trouble[256] = "";
    io = io_make_on(&backend_epoll, ret_error, trouble, sizeof(trouble));
    if (io == NULL) {
        snprintf(why, why_len, "epoll can't be used: %s", trouble);
    } else if (kind == IO_BACKEND_EPOLL) {
        snprintf(why, why_len, "using epoll: it was asked for");
    } else {
        snprintf(why, why_len, "using epoll, not io_uring: %s", refusal);
    }
    return io;
}

void io_free(struct io *io)
{
    if (io == NULL) {
        return;
    }
    assert(!io->turning);
    assert(io->busy == 0 && io->timers.count == 0 && io->accepted_count == 0);
    assert(io->pools == NULL);
    io->backend->close(io);
    close(io->wake_fd);
    timers_free(&io->timers);
    free(io->slots);
    free(io->accepted);
    free(io);
}
