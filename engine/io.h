/*
 * The completion interface: what the engine asks of the kernel, and how it hears back.
 *
 * An *op* is one outstanding request. It lives inside its owner, the owner fills in `done` and
 * submits it, and the io calls `done` exactly once per submit (accept: any number of times with
 * `more`, then once without). Guarantees, the same for every backend:
 *
 *   - callbacks run only inside io_turn, never from a submit or a cancel;
 *   - each op ends exactly once, cancelled ones too (with -ECANCELED, or with its result when the
 *     cancel lost the race);
 *   - from submit to end the op, its iovecs and its memory are the io's; after the end they are
 *     the owner's again, already inside `done`, which may submit the same op anew;
 *   - the order in which different ops end is not promised;
 *   - a late completion never reaches a later use of the same op.
 *
 * Never close a descriptor that an op is using: shut it down, cancel, wait for the ends, then
 * io_close it. io_close, not close(2), for every descriptor that was ever handed to an op: a
 * backend remembers descriptors, and the number comes back with the next socket.
 *
 * Descriptors are sockets; io_watch takes whatever poll(2) does. Any op may also end with -ENOMEM.
 *
 * The io knows nothing of SSH. Times are nanoseconds of the monotonic clock.
 */
#ifndef CULVERT_ENGINE_IO_H
#define CULVERT_ENGINE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct io;
struct io_op;
struct io_pool;

/*
 * result: a count, a descriptor (accept) or a negative errno. `more` is true only for accept, when
 * the op stays armed and further results follow.
 */
typedef void io_done_fn(struct io_op *op, int result, bool more);

enum io_kind {
    IO_IDLE,
    IO_ACCEPT,
    IO_CONNECT,
    IO_RECV,
    IO_RECV_POOL,
    IO_SEND,
    IO_WATCH,
    IO_TIMER,
};

struct io_op {
    /* the owner zeroes the op and sets this, once, before the first submit; the rest is the io's */
    io_done_fn *done;

    /* IO_RECV_POOL: the buffer that was filled, valid in done when the result is > 0; the owner
     * then owns that buffer and gives it back with io_pool_give. -1 otherwise. */
    int buffer;

    /* private */
    enum io_kind kind;
    int fd;
    uint32_t slot;
    int result;
    uint32_t flags;
    uint32_t heap_index;
    bool cancelling;
    short events;
    struct msghdr msg;
    struct io_pool *pool;
    size_t len;
    int64_t deadline_ns;
    struct io_op *next, *prev;
};

/* True between submit and end. */
static inline bool io_op_busy(const struct io_op *op)
{
    return op->kind != IO_IDLE;
}

enum io_backend_kind { IO_BACKEND_AUTO, IO_BACKEND_URING, IO_BACKEND_EPOLL };

/*
 * Makes an io for the calling thread. AUTO takes io_uring when a functional probe passes and epoll
 * otherwise; asked for explicitly, a refusal is the error. On failure NULL, a negative errno in
 * *ret_error. why (size why_len, may be NULL) gets one sentence: what was chosen or refused, why.
 */
struct io *io_make(enum io_backend_kind kind, int *ret_error, char *why, size_t why_len);
/* No op may be busy, all pool buffers must be home: asserted. */
void io_free(struct io *io);
/* "io_uring" or "epoll". */
const char *io_backend_name(const struct io *io);
/* Ops between submit and end, timers not counted: zero when everything was torn down. */
size_t io_busy_count(const struct io *io);

/*
 * One turn: submit what was asked, wait until something ends or until deadline_ns (INT64_MAX: no
 * limit; a time in the past: don't wait), then run the callbacks of what has ended. 0, or a
 * negative errno that no caller can mend.
 */
int io_turn(struct io *io, int64_t deadline_ns);
/* The time as of the start of the callbacks of this turn. */
int64_t io_now(const struct io *io);

/* Any thread: makes a running or coming io_turn call the wake function. */
void io_wake(struct io *io);
/* What io_wake runs, inside a turn; wakes may be merged. */
void io_on_wake(struct io *io, void (*fn)(void *ctx), void *ctx);

/* ---- ops ---------------------------------------------------------------------------------- */

/* Many results: each a new non-blocking, close-on-exec descriptor. Ends on error or cancel. */
void io_accept(struct io *io, struct io_op *op, int listen_fd);
/* The descriptor is a fresh non-blocking socket. 0 or a negative errno. addr must stay in place
 * until the end. */
void io_connect(struct io *io, struct io_op *op, int fd, const struct sockaddr *addr,
                socklen_t addr_len);
/* One receive, scattered over up to IO_IOV_MAX pieces. 0 is the end of the stream. The iovec array
 * must stay in place until the end. */
void io_recv(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int count);
/* One receive of at most len bytes into a buffer that is chosen when data is there, so that an
 * idle socket holds none. -ENOBUFS: the pool was empty, submit again when a buffer came home. */
void io_recv_pool(struct io *io, struct io_op *op, int fd, struct io_pool *pool, size_t len);
/* One gathered send; may be short. SIGPIPE is never raised. */
void io_send(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int count);
/* The same, but it doesn't wait for room: -EAGAIN when nothing could be taken. Ends in the same or
 * the next turn whatever the peer does. */
void io_send_now(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int count);
/* Ends with the ready poll(2) bits (> 0) when one of events, or POLLERR or POLLHUP (these two
 * always count), holds for fd. */
void io_watch(struct io *io, struct io_op *op, int fd, short events);
/* Ends with 0 at or after deadline_ns. */
void io_timer(struct io *io, struct io_op *op, int64_t deadline_ns);
/* Asks a busy op to end soon; a no-op for an idle one. An accept may hand over descriptors that it
 * already had before it ends. */
void io_cancel(struct io *io, struct io_op *op);
/* Forgets the descriptor, then closes it. No op may be using it. */
void io_close(struct io *io, int fd);

enum { IO_IOV_MAX = 64 };

/* ---- pools -------------------------------------------------------------------------------- */

/*
 * Equal buffers in one block that the pool allocates. Buffer i is the `size` usable bytes at
 * base + i * stride + offset, so that an owner has `offset` bytes of headroom in front and
 * stride - offset - size behind. Taken by hand, or by the kernel for io_recv_pool.
 */
struct io_pool_config {
    uint32_t count;
    uint32_t stride;
    uint32_t offset;
    uint32_t size;
    /* at most this many are offered to the kernel at once (io_uring); the rest is for io_pool_take
     */
    uint32_t offered;
};

/* NULL: out of memory. */
struct io_pool *io_pool_make(struct io *io, const struct io_pool_config *config);
/* All buffers must be home. */
void io_pool_free(struct io_pool *pool);
/* A buffer's index, or -1 when none is free. */
int io_pool_take(struct io_pool *pool);
void io_pool_give(struct io_pool *pool, int buffer);
/* Start of the usable bytes. */
uint8_t *io_pool_at(const struct io_pool *pool, int buffer);
/* Buffers that io_pool_take could hand out now. */
uint32_t io_pool_free_count(const struct io_pool *pool);
/*
 * Gives the memory of buffers back to the system that were free ever since the last trim; they stay
 * usable. The stride must be whole pages. trimmable: free buffers hold memory that a trim, now or
 * after some quiet time, can give back.
 */
void io_pool_trim(struct io_pool *pool);
bool io_pool_trimmable(const struct io_pool *pool);
/* Runs inside a turn, once after buffers came home following an -ENOBUFS or a failed take. It must
 * not free a pool. */
void io_pool_on_refill(struct io_pool *pool, void (*fn)(void *ctx), void *ctx);

#endif
