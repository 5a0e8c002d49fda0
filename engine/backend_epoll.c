/*
 * The backend on epoll. What can be tried at once (sends, connects) is tried in submit and its end
 * queued; what can't waits here in a list per descriptor until a level-triggered event says so.
 *
 * A descriptor is registered once, with the interest of all its ops. Interest is added when an op
 * needs it and dropped only when an event comes that no op wants: the usual receive, end, receive
 * again costs no epoll_ctl at all.
 */
#include "engine/backend.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI &&
                  EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP,
              "poll bits and epoll bits are the same numbers");

enum {
    EVENTS_A_TURN = 512,
    /* so that a flood of connections can't hold up everything else */
    ACCEPTS_A_TURN = 64,
    FIRST_FILES = 256,
};

/* These hold for a descriptor whether asked for or not. */
#define ALWAYS ((uint32_t)(EPOLLERR | EPOLLHUP))

/* What is known about one descriptor. */
struct file {
    /* ops that wait, in order of submit */
    struct io_list ops;
    uint32_t interest;
    /* goes up when the descriptor is closed, so that a late event can be told */
    uint32_t generation;
    bool registered;
    /* data is probably there: the last receive filled its buffer, or an event found no op */
    bool readable;
};

struct epoll {
    int fd;
    struct file *files;
    size_t file_count;
    bool no_pwait2;
    struct epoll_event events[EVENTS_A_TURN];
};

/* ---- descriptors -------------------------------------------------------------------------- */

static struct file *file_of(struct epoll *ep, int fd)
{
    size_t need = (size_t)fd + 1;
    if (need > ep->file_count) {
        size_t count = ep->file_count == 0 ? FIRST_FILES : ep->file_count;
        while (count < need) {
            count *= 2;
        }
        struct file *files = reallocarray(ep->files, count, sizeof(*files));
        if (files == NULL) {
            return NULL;
        }
        memset(files + ep->file_count, 0, (count - ep->file_count) * sizeof(*files));
        ep->files = files;
        ep->file_count = count;
    }
    return &ep->files[fd];
}

static int set_interest(struct epoll *ep, int fd, uint32_t interest)
{
    struct file *file = &ep->files[fd];
    if (file->registered && file->interest == interest) {
        return 0;
    }
    struct epoll_event event = {.events = interest};
    event.data.u64 = (uint64_t)file->generation << 32 | (uint32_t)fd;
    int r = epoll_ctl(ep->fd, file->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (r < 0 && (errno == EEXIST || errno == ENOENT)) {
        /* the number was closed and reused behind our back */
        r = epoll_ctl(ep->fd, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    }
    if (r < 0) {
        return -errno;
    }
    file->registered = true;
    file->interest = interest;
    return 0;
}

static void unregister(struct epoll *ep, int fd)
{
    struct file *file = &ep->files[fd];
    if (file->registered) {
        /* it fails only when the descriptor is gone already */
        (void)epoll_ctl(ep->fd, EPOLL_CTL_DEL, fd, NULL);
        file->registered = false;
        file->interest = 0;
    }
}

static uint32_t wanted_bits(const struct io_op *op)
{
    switch (op->kind) {
    case IO_ACCEPT:
    case IO_RECV:
    case IO_RECV_POOL:
        return EPOLLIN;
    case IO_SEND:
        return EPOLLOUT;
    case IO_CONNECT:
    case IO_WATCH:
        return (uint32_t)(unsigned short)op->events;
    default:
        return 0;
    }
}

/* Is an op of the same direction waiting already? Then a new one queues behind it. */
static bool is_waited(const struct file *file, uint32_t bit)
{
    for (const struct io_op *op = file->ops.head; op != NULL; op = op->next) {
        if (op->kind != IO_WATCH && (wanted_bits(op) & bit) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- trying ------------------------------------------------------------------------------- */

static int try_send(struct io_op *op)
{
    ssize_t n;
    do {
        n = sendmsg(op->fd, &op->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n;
}

static size_t pieces_len(const struct msghdr *msg)
{
    size_t len = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        len += msg->msg_iov[i].iov_len;
    }
    return len;
}

static int try_recv_pieces(struct io_op *op, bool *ret_filled)
{
    ssize_t n;
    do {
        if (op->msg.msg_iovlen == 1) {
            n = recv(op->fd, op->msg.msg_iov[0].iov_base, op->msg.msg_iov[0].iov_len, MSG_DONTWAIT);
        } else {
            n = recvmsg(op->fd, &op->msg, MSG_DONTWAIT);
        }
    } while (n < 0 && errno == EINTR);
    *ret_filled = n >= 0 && (n == 0 || (size_t)n == pieces_len(&op->msg));
    return n < 0 ? -errno : (int)n;
}

static int try_recv_pool(struct io_op *op, bool *ret_filled)
{
    *ret_filled = true;
    int buffer = io_pool_move_out(op->pool, IO_BUFFER_OUT);
    if (buffer < 0) {
        return -ENOBUFS;
    }
    ssize_t n;
    do {
        n = recv(op->fd, io_pool_at(op->pool, buffer), op->len, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    int r = n < 0 ? -errno : (int)n;
    if (r > 0) {
        op->buffer = buffer;
    } else {
        io_pool_move_home(op->pool, buffer);
    }
    *ret_filled = r >= 0 && (r == 0 || (size_t)r == op->len);
    return r;
}

static int try_recv(struct file *file, struct io_op *op)
{
    bool filled = false;
    int r = op->kind == IO_RECV ? try_recv_pieces(op, &filled) : try_recv_pool(op, &filled);
    file->readable = filled;
    return r;
}

/* Takes connections. True: the op goes on waiting. */
static bool try_accept(struct io_op *op, struct io *io, int *ret_error)
{
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            io_accept_one(io, op, fd);
            continue;
        }
        if (errno == EAGAIN) {
            return true;
        }
        if (!io_accept_passes(-errno)) {
            *ret_error = -errno;
            return false;
        }
    }
    return true;
}

/* ---- submit and cancel -------------------------------------------------------------------- */

static int try_connect(const struct io_op *op)
{
    if (connect(op->fd, op->msg.msg_name, op->msg.msg_namelen) == 0) {
        return 0;
    }
    return errno == EINPROGRESS || errno == EINTR ? -EAGAIN : -errno;
}

/* Sends, accepts and connects are tried now, receives only when data is likely. True: the op has
 * ended. */
static bool try_at_once(struct io *io, struct file *file, struct io_op *op)
{
    int r = -EAGAIN;
    if (op->kind == IO_SEND && !is_waited(file, EPOLLOUT)) {
        r = try_send(op);
    } else if (op->kind == IO_ACCEPT) {
        (void)try_accept(op, io, &r);
    } else if (op->kind == IO_CONNECT) {
        r = try_connect(op);
    } else if ((op->kind == IO_RECV || op->kind == IO_RECV_POOL) && file->readable &&
               !is_waited(file, EPOLLIN)) {
        r = try_recv(file, op);
    }
    if (r == -EAGAIN && (op->flags & IO_FLAG_NOW) == 0) {
        return false;
    }
    io_end(io, op, r);
    return true;
}

/* epoll takes no regular files and the like: those are always ready, as poll(2) has it. */
static void submit_unpollable(struct io *io, struct file *file, struct io_op *op)
{
    int bits = op->events & (POLLIN | POLLOUT);
    if (op->kind != IO_WATCH) {
        io_end(io, op, -ENOTSOCK);
    } else if (bits != 0) {
        io_end(io, op, bits);
    } else {
        io_list_add(&file->ops, op);
    }
}

static void epoll_submit(struct io *io, struct io_op *op)
{
    struct epoll *ep = io->state;
    if (op->fd < 0) {
        io_end(io, op, -EBADF);
        return;
    }
    struct file *file = file_of(ep, op->fd);
    if (file == NULL) {
        io_end(io, op, -ENOMEM);
        return;
    }
    if (try_at_once(io, file, op)) {
        return;
    }
    int r = set_interest(ep, op->fd, file->interest | wanted_bits(op));
    if (r == -EPERM) {
        submit_unpollable(io, file, op);
    } else if (r < 0) {
        io_end(io, op, r);
    } else {
        io_list_add(&file->ops, op);
    }
}

static void epoll_cancel(struct io *io, struct io_op *op)
{
    struct epoll *ep = io->state;
    io_list_remove(&ep->files[op->fd].ops, op);
    io_end(io, op, -ECANCELED);
}

static void epoll_forget(struct io *io, int fd)
{
    struct epoll *ep = io->state;
    if ((size_t)fd >= ep->file_count) {
        return;
    }
    struct file *file = &ep->files[fd];
    assert(file->ops.head == NULL);
    unregister(ep, fd);
    file->readable = false;
    file->generation++;
}

/* ---- events ------------------------------------------------------------------------------- */

/* Does what the event allows for one op. True: the op ended with *ret_result. */
static bool serve(struct io *io, struct file *file, struct io_op *op, int *ret_result)
{
    switch (op->kind) {
    case IO_ACCEPT:
        return !try_accept(op, io, ret_result);
    case IO_CONNECT:
        *ret_result = io_connect_result(op->fd);
        return true;
    case IO_RECV:
    case IO_RECV_POOL:
        *ret_result = try_recv(file, op);
        return *ret_result != -EAGAIN;
    case IO_SEND:
        *ret_result = try_send(op);
        return *ret_result != -EAGAIN;
    default:
        return true;
    }
}

static void handle_event(struct io *io, int fd, uint32_t ready)
{
    struct epoll *ep = io->state;
    struct file *file = &ep->files[fd];
    uint32_t wanted = 0;
    struct io_op *next = NULL;
    bool idle = file->ops.head == NULL;
    for (struct io_op *op = file->ops.head; op != NULL; op = next) {
        next = op->next;
        uint32_t bits = wanted_bits(op);
        wanted |= bits;
        bits = ready & (bits | ALWAYS);
        if (bits == 0) {
            continue;
        }
        int result = (int)bits;
        if (serve(io, file, op, &result)) {
            io_list_remove(&file->ops, op);
            io_end(io, op, result);
        }
    }
    uint32_t stale = ready & ~wanted & ~ALWAYS;
    if ((ready & ~wanted & (EPOLLIN | ALWAYS)) != 0) {
        file->readable = true;
    }
    if (idle && (ready & ALWAYS) != 0) {
        /* these can't be switched off otherwise */
        unregister(ep, fd);
    } else if (stale != 0) {
        /* dropping interest of a registered descriptor can't fail for want of anything */
        (void)set_interest(ep, fd, file->interest & ~stale);
    }
}

static int wait_events(struct epoll *ep, int64_t timeout_ns)
{
    if (timeout_ns > 0 && !ep->no_pwait2) {
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                   .tv_nsec = (long)(timeout_ns % 1000000000)};
        int n = epoll_pwait2(ep->fd, ep->events, EVENTS_A_TURN, &timeout, NULL);
        /* seccomp profiles older than the call answer with EPERM */
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return n;
        }
        ep->no_pwait2 = true;
    }
    int ms = -1;
    if (timeout_ns >= 0) {
        int64_t up = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
        ms = up > INT_MAX ? INT_MAX : (int)up;
    }
    return epoll_wait(ep->fd, ep->events, EVENTS_A_TURN, ms);
}

static int epoll_backend_wait(struct io *io, int64_t timeout_ns)
{
    struct epoll *ep = io->state;
    int n = wait_events(ep, timeout_ns);
    if (n < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    for (int i = 0; i < n; i++) {
        uint64_t data = ep->events[i].data.u64;
        int fd = (int)(uint32_t)data;
        if (ep->files[fd].generation == (uint32_t)(data >> 32)) {
            handle_event(io, fd, ep->events[i].events);
        }
    }
    return 0;
}

/* ---- making ------------------------------------------------------------------------------- */

static int epoll_open(struct io *io, char *why, size_t why_len)
{
    struct epoll *ep = calloc(1, sizeof(*ep));
    if (ep == NULL) {
        snprintf(why, why_len, "out of memory");
        return -ENOMEM;
    }
    ep->fd = epoll_create1(EPOLL_CLOEXEC);
    if (ep->fd < 0) {
        int r = -errno;
        snprintf(why, why_len, "epoll_create1: %s", strerror(errno));
        free(ep);
        return r;
    }
    io->state = ep;
    return 0;
}

static void epoll_close(struct io *io)
{
    struct epoll *ep = io->state;
    close(ep->fd);
    free(ep->files);
    free(ep);
}

const struct backend backend_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .wait = epoll_backend_wait,
    .forget = epoll_forget,
};
