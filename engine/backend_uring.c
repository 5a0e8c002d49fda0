/*
 * The backend on io_uring. Floor: kernel 6.1 (SINGLE_ISSUER, DEFER_TASKRUN, provided-buffer rings);
 * what was not found to work by trying, at start, is a refusal and epoll's turn.
 *
 * A request's user_data is its op's slot and that slot's generation, so that a completion can't
 * reach a later op. Receives are one-shot: their len is an exact budget, and not asking again is
 * all the back-pressure there is to make. Accept is multishot. Timers are not the ring's (see
 * io.c).
 */
#include "engine/backend.h"

#include "engine/backend_uring_offers.h"
#include "engine/backend_uring_probe.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 8192,
    /* how long to wait before the kernel is asked again after it took no request */
    RETRY_NS = 1000000,

    /* the op waits in a list for room in the submission queue: itself, or its cancel */
    FLAG_SUBMIT_WAITS = IO_FLAG_BACKEND,
    FLAG_CANCEL_WAITS = IO_FLAG_BACKEND << 1,
    /* the watch is a multishot one, see end_watch */
    FLAG_EDGE = IO_FLAG_BACKEND << 2,
    /* the multishot watch has its result and waits for its last completion */
    FLAG_FIRED = IO_FLAG_BACKEND << 3,
    /* the receive needs a buffer only when data is there, not already for a first attempt */
    FLAG_POLL_FIRST = IO_FLAG_BACKEND << 4,
    /* the connect is under way and a poll waits for it */
    FLAG_CONNECTING = IO_FLAG_BACKEND << 5,
};

/* marks the completion of a cancel request; its other bits are those of its target */
#define TOKEN_CANCEL ((uint64_t)1 << 63)

struct uring {
    struct io_uring ring;
    /* ops that found no room */
    struct io_list waiting;
};

static uint64_t token(const struct io *io, const struct io_op *op)
{
    return (uint64_t)io_slot_generation(io, op->slot) << 32 | op->slot;
}

/* ---- the list of those that found no room ------------------------------------------------- */

static void wait_for_room(struct uring *u, struct io_op *op, uint32_t flag)
{
    op->flags |= flag;
    io_list_add(&u->waiting, op);
}

static void stop_waiting(struct uring *u, struct io_op *op)
{
    op->flags &= ~(uint32_t)(FLAG_SUBMIT_WAITS | FLAG_CANCEL_WAITS);
    io_list_remove(&u->waiting, op);
}

static bool is_waiting(const struct io_op *op)
{
    return (op->flags & (FLAG_SUBMIT_WAITS | FLAG_CANCEL_WAITS)) != 0;
}

static void end(struct io *io, struct io_op *op, int result)
{
    if (is_waiting(op)) {
        stop_waiting(io->state, op);
    }
    io_end(io, op, result);
}

/* ---- requests ----------------------------------------------------------------------------- */

/* A free entry, or NULL when the queue is full and the kernel takes nothing at the moment. */
static struct io_uring_sqe *get_entry(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (sqe == NULL) {
        (void)io_uring_submit(&u->ring);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static void fill_watch(struct io_uring_sqe *sqe, const struct io_op *op)
{
    unsigned events = (unsigned short)op->events;
    if ((op->flags & FLAG_EDGE) != 0) {
        io_uring_prep_poll_multishot(sqe, op->fd, events);
    } else {
        io_uring_prep_poll_add(sqe, op->fd, events);
    }
}

static void fill_connect(struct io_uring_sqe *sqe, const struct io_op *op)
{
    if ((op->flags & FLAG_CONNECTING) != 0) {
        fill_watch(sqe, op);
    } else {
        io_uring_prep_connect(sqe, op->fd, op->msg.msg_name, op->msg.msg_namelen);
    }
}

static void fill_recv_pool(struct io_uring_sqe *sqe, const struct io_op *op)
{
    const struct backend_uring_offers *offers = op->pool->state;
    io_uring_prep_recv(sqe, op->fd, NULL, op->len, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = offers->group;
    if ((op->flags & FLAG_POLL_FIRST) != 0) {
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
}

static void fill_send(struct io_uring_sqe *sqe, const struct io_op *op)
{
    int flags = MSG_NOSIGNAL | ((op->flags & IO_FLAG_NOW) != 0 ? MSG_DONTWAIT : 0);
    const struct iovec *iov = op->msg.msg_iov;
    if (op->msg.msg_iovlen == 1) {
        io_uring_prep_send(sqe, op->fd, iov->iov_base, iov->iov_len, flags);
    } else {
        io_uring_prep_sendmsg(sqe, op->fd, &op->msg, (unsigned)flags);
    }
}

static void fill_recv(struct io_uring_sqe *sqe, struct io_op *op)
{
    const struct iovec *iov = op->msg.msg_iov;
    if (op->msg.msg_iovlen == 1) {
        io_uring_prep_recv(sqe, op->fd, iov->iov_base, iov->iov_len, 0);
    } else {
        io_uring_prep_recvmsg(sqe, op->fd, &op->msg, 0);
    }
}

static void fill(struct io_uring_sqe *sqe, struct io_op *op)
{
    switch (op->kind) {
    case IO_ACCEPT:
        io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case IO_CONNECT:
        fill_connect(sqe, op);
        break;
    case IO_WATCH:
        fill_watch(sqe, op);
        break;
    case IO_RECV:
        fill_recv(sqe, op);
        break;
    case IO_RECV_POOL:
        fill_recv_pool(sqe, op);
        break;
    case IO_SEND:
        fill_send(sqe, op);
        break;
    default:
        assert(false);
    }
}

/* Puts the op's request into the queue, the first time or again. */
static void request(struct io *io, struct io_op *op)
{
    struct uring *u = io->state;
    struct io_uring_sqe *sqe = get_entry(u);
    if (sqe == NULL) {
        wait_for_room(u, op, FLAG_SUBMIT_WAITS);
        return;
    }
    fill(sqe, op);
    io_uring_sqe_set_data64(sqe, token(io, op));
}

static void request_cancel(struct io *io, struct io_op *op)
{
    struct uring *u = io->state;
    if (is_waiting(op)) {
        return;
    }
    struct io_uring_sqe *sqe = get_entry(u);
    if (sqe == NULL) {
        wait_for_room(u, op, FLAG_CANCEL_WAITS);
        return;
    }
    io_uring_prep_cancel64(sqe, token(io, op), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, token(io, op) | TOKEN_CANCEL);
}

static void request_waiting(struct io *io)
{
    struct uring *u = io->state;
    while (u->waiting.head != NULL) {
        struct io_op *op = u->waiting.head;
        bool cancel = (op->flags & FLAG_CANCEL_WAITS) != 0;
        stop_waiting(u, op);
        if (cancel) {
            request_cancel(io, op);
        } else {
            request(io, op);
        }
        if (is_waiting(op)) {
            /* still no room */
            break;
        }
    }
}

static void uring_submit(struct io *io, struct io_op *op)
{
    if (io_slot_take(io, op) < 0) {
        io_end(io, op, -ENOMEM);
        return;
    }
    request(io, op);
}

static void uring_cancel(struct io *io, struct io_op *op)
{
    if ((op->flags & FLAG_SUBMIT_WAITS) != 0) {
        /* the kernel has not heard of it */
        end(io, op, -ECANCELED);
        return;
    }
    if ((op->flags & FLAG_FIRED) == 0) {
        request_cancel(io, op);
    }
}

/* ---- completions -------------------------------------------------------------------------- */

/* Asks again, or ends an op that is to be cancelled anyway. */
static void request_again(struct io *io, struct io_op *op)
{
    if (op->cancelling) {
        end(io, op, -ECANCELED);
    } else {
        request(io, op);
    }
}

static void end_accept(struct io *io, struct io_op *op, int result, bool more)
{
    if (result >= 0) {
        io_accept_one(io, op, result);
    }
    if (more) {
        return;
    }
    /* a shot may also end because the completion queue was full */
    if (result >= 0 || io_accept_passes(result)) {
        request_again(io, op);
    } else {
        end(io, op, result);
    }
}

/*
 * The kernel ends a poll on POLLRDHUP even when nobody asked for it. A watch that did not ask is
 * then requested anew as a multishot one: that is edge-triggered, so the half-closed socket is
 * silent until something else happens to it.
 */
static void end_watch(struct io *io, struct io_op *op, int result, bool more)
{
    if (result >= 0) {
        result &= (unsigned short)op->events | POLLERR | POLLHUP | POLLNVAL;
    }
    if (more) {
        if (result > 0 && (op->flags & FLAG_FIRED) == 0) {
            op->flags |= FLAG_FIRED;
            op->result = result;
            request_cancel(io, op);
        }
        return;
    }
    if ((op->flags & FLAG_FIRED) != 0) {
        end(io, op, op->result);
    } else if (result != 0) {
        end(io, op, result);
    } else {
        op->flags |= FLAG_EDGE;
        request_again(io, op);
    }
}

static void uring_pool_offer(struct io_pool *pool);

/*
 * More sockets became ready at once than buffers were offered. Asking again would let all of them
 * fight for the next few, turn after turn; as the data is most likely there, it is taken by hand.
 */
static void recv_by_hand(struct io *io, struct io_op *op)
{
    struct io_pool *pool = op->pool;
    int buffer = io_pool_move_out(pool, IO_BUFFER_OUT);
    ssize_t n = -1;
    errno = EAGAIN;
    if (buffer >= 0) {
        n = recv(op->fd, io_pool_at(pool, buffer), op->len, MSG_DONTWAIT);
    }
    int result = n < 0 ? -errno : (int)n;
    if (result > 0) {
        op->buffer = buffer;
    } else if (buffer >= 0) {
        io_pool_move_home(pool, buffer);
    }
    if (result == -EAGAIN || result == -EINTR) {
        uring_pool_offer(pool);
        op->flags |= FLAG_POLL_FIRST;
        request(io, op);
    } else {
        end(io, op, result);
    }
}

static void end_recv_pool(struct io *io, struct io_op *op, int result, uint32_t flags)
{
    struct io_pool *pool = op->pool;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        int buffer = (int)(flags >> IORING_CQE_BUFFER_SHIFT);
        io_pool_filled(pool, buffer);
        if (result > 0) {
            op->buffer = buffer;
        } else {
            io_pool_move_home(pool, buffer);
        }
    }
    if (result == -ENOBUFS && op->cancelling) {
        end(io, op, -ECANCELED);
    } else if (result == -ENOBUFS && pool->free_count + pool->offered_count > 0) {
        recv_by_hand(io, op);
    } else {
        end(io, op, result);
    }
}

/* Kernels differ in whether they wait for a non-blocking connect; where they don't, a poll does. */
static void end_connect(struct io *io, struct io_op *op, int result)
{
    if ((op->flags & FLAG_CONNECTING) != 0) {
        end(io, op, result < 0 ? result : io_connect_result(op->fd));
    } else if (result == -EINPROGRESS || result == -EINTR) {
        op->flags |= FLAG_CONNECTING;
        request_again(io, op);
    } else {
        end(io, op, result);
    }
}

static void complete(struct io *io, struct io_op *op, int result, uint32_t flags)
{
    bool more = (flags & IORING_CQE_F_MORE) != 0;
    if (op->kind == IO_ACCEPT) {
        end_accept(io, op, result, more);
    } else if (op->kind == IO_WATCH) {
        end_watch(io, op, result, more);
    } else if (op->kind == IO_CONNECT) {
        end_connect(io, op, result);
    } else if (result == -EINTR) {
        request_again(io, op);
    } else if (op->kind == IO_RECV_POOL) {
        end_recv_pool(io, op, result, flags);
    } else {
        end(io, op, result);
    }
}

static void reap(struct io *io)
{
    struct uring *u = io->state;
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        uint64_t data = cqe->user_data;
        struct io_op *op = io_slot_op(io, (uint32_t)data, (uint32_t)((data & ~TOKEN_CANCEL) >> 32));
        count++;
        if (op == NULL) {
            continue;
        }
        if ((data & TOKEN_CANCEL) == 0) {
            complete(io, op, cqe->res, cqe->flags);
        } else if (cqe->res < 0) {
            /* not found or just running: if it has not ended by then, ask again */
            request_cancel(io, op);
        }
    }
    io_uring_cq_advance(&u->ring, count);
}

static int enter(struct uring *u, int64_t timeout_ns)
{
    struct io_uring_cqe *cqe;
    if (timeout_ns == 0) {
        return io_uring_submit_and_get_events(&u->ring);
    }
    if (timeout_ns < 0) {
        return io_uring_submit_and_wait(&u->ring, 1);
    }
    struct __kernel_timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                                        .tv_nsec = timeout_ns % 1000000000};
    return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &timeout, NULL);
}

static int uring_wait(struct io *io, int64_t timeout_ns)
{
    struct uring *u = io->state;
    for (struct io_pool *pool = io->pools; pool != NULL; pool = pool->next) {
        uring_pool_offer(pool);
    }
    request_waiting(io);
    if (u->waiting.head != NULL && (timeout_ns < 0 || timeout_ns > RETRY_NS)) {
        timeout_ns = RETRY_NS;
    }
    int r = enter(u, timeout_ns);
    switch (r < 0 ? -r : 0) {
    case 0:
    case ETIME:
    case EINTR:
    /* short of memory, or completions must be taken first: what was not submitted is still queued
     */
    case EAGAIN:
    case EBUSY:
    case ENOMEM:
        break;
    default:
        return r;
    }
    reap(io);
    return 0;
}

/* ---- pools -------------------------------------------------------------------------------- */

static bool is_group_used(const struct io *io, uint16_t group)
{
    for (const struct io_pool *pool = io->pools; pool != NULL; pool = pool->next) {
        const struct backend_uring_offers *offers = pool->state;
        if (offers != NULL && offers->group == group) {
            return true;
        }
    }
    return false;
}

static int uring_pool_open(struct io_pool *pool)
{
    struct uring *u = pool->io->state;
    struct backend_uring_offers *offers = calloc(1, sizeof(*offers));
    if (offers == NULL) {
        return -ENOMEM;
    }
    uint16_t group = 0;
    while (is_group_used(pool->io, group)) {
        group++;
    }
    int r = backend_uring_offers_open(&u->ring, offers, pool->config.offered, group);
    if (r < 0) {
        free(offers);
        return r;
    }
    pool->state = offers;
    return 0;
}

static void uring_pool_close(struct io_pool *pool)
{
    struct uring *u = pool->io->state;
    backend_uring_offers_close(&u->ring, pool->state);
    free(pool->state);
}

static void uring_pool_offer(struct io_pool *pool)
{
    struct backend_uring_offers *offers = pool->state;
    if (offers == NULL) {
        /* a pool for taking by hand */
        return;
    }
    int mask = (int)offers->entries - 1;
    int added = 0;
    while (pool->offered_count < pool->config.offered) {
        int buffer = io_pool_move_out(pool, IO_BUFFER_OFFERED);
        if (buffer < 0) {
            break;
        }
        io_uring_buf_ring_add(offers->ring, io_pool_at(pool, buffer), pool->config.size,
                              (unsigned short)buffer, mask, added);
        added++;
    }
    if (added > 0) {
        io_uring_buf_ring_advance(offers->ring, added);
    }
}

/* ---- making ------------------------------------------------------------------------------- */

static void explain(int error, char *why, size_t why_len)
{
    static const struct {
        int error;
        const char *text;
    } reasons[] = {
        {-EPERM, "the system forbids it (a container's seccomp profile, or the sysctl "
                 "kernel.io_uring_disabled)"},
        {-EACCES, "the system forbids it (a security module such as SELinux)"},
        {-ENOSYS, "the kernel doesn't have it (built without, or a sandbox such as gVisor)"},
        {-ENOMEM, "the kernel has no memory for it (the cgroup's limit, or ulimit -l)"},
        {-EINVAL, "it needs Linux 6.1 or later"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].error == error) {
            snprintf(why, why_len, "%s", reasons[i].text);
            return;
        }
    }
    snprintf(why, why_len, "its self-test failed: %s", strerror(-error));
}

static int uring_open(struct io *io, char *why, size_t why_len)
{
    struct uring *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        explain(-ENOMEM, why, why_len);
        return -ENOMEM;
    }
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    int r = io_uring_queue_init_params(SQ_ENTRIES, &u->ring, &params);
    if (r < 0) {
        explain(r, why, why_len);
        free(u);
        return r;
    }
    uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
                      IORING_FEAT_CQE_SKIP | IORING_FEAT_SUBMIT_STABLE;
    r = (params.features & needed) == needed ? 0 : -EINVAL;
    if (r == 0) {
        (void)io_uring_ring_dontfork(&u->ring);
        /* it only saves a little of each call */
        (void)io_uring_register_ring_fd(&u->ring);
        r = backend_uring_probe(&u->ring);
    }
    if (r < 0) {
        explain(r, why, why_len);
        io_uring_queue_exit(&u->ring);
        free(u);
        return r;
    }
    io->state = u;
    return 0;
}

static void uring_close(struct io *io)
{
    struct uring *u = io->state;
    io_uring_queue_exit(&u->ring);
    free(u);
}

const struct backend backend_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .wait = uring_wait,
    .pool_open = uring_pool_open,
    .pool_close = uring_pool_close,
    .pool_offer = uring_pool_offer,
};
