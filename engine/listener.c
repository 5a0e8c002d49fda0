/*
 * Listening sockets, and what to do when descriptors run out.
 */
#include "engine/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/io.h"
#include "engine/log.h"
#include "engine/sock.h"

#define PAUSE_NS (INT64_C(1000000000))

struct slot {
    struct listener *listener;
    struct io_op accept_op;
    struct io_op timer_op;
    struct sockaddr_storage addr;
    int fd;
    /* the last accept failed for want of descriptors as well */
    bool starved;
};

struct listener {
    struct worker *worker;
    void (*on_accept)(void *ctx, int fd, const struct sockaddr_storage *peer,
                      const struct sockaddr_storage *local);
    void *ctx;
    bool closing;
    /* kept so that one more connection can be taken, and closed, when no other is left */
    int reserve;
    size_t count;
    struct slot slots[];
};

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void reap(struct listener *listener)
{
    for (size_t i = 0; i < listener->count; i++) {
        if (io_op_busy(&listener->slots[i].accept_op) || io_op_busy(&listener->slots[i].timer_op)) {
            return;
        }
    }
    for (size_t i = 0; i < listener->count; i++) {
        io_close(worker_io(listener->worker), listener->slots[i].fd);
    }
    if (listener->reserve >= 0) {
        close(listener->reserve);
    }
    worker_exit(listener->worker);
    free(listener);
}

/* Those who wait are told now, by a close, rather than never. */
static void shed(struct listener *listener, int listen_fd)
{
    if (listener->reserve < 0) {
        listener->reserve = open_reserve();
        return;
    }
    for (;;) {
        close(listener->reserve);
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        }
        listener->reserve = open_reserve();
        if (fd < 0 || listener->reserve < 0) {
            return;
        }
    }
}

static void accept_failed(struct slot *slot, int error)
{
    struct listener *listener = slot->listener;
    struct io *io = worker_io(listener->worker);
    if (error == ECONNABORTED || error == EINTR || error == EAGAIN) {
        io_accept(io, &slot->accept_op, slot->fd);
        return;
    }
    if (!slot->starved) {
        log_line(LEVEL_ERROR, "accept: %s", strerror(error));
    } else if (error == EMFILE || error == ENFILE) {
        shed(listener, slot->fd);
    }
    slot->starved = true;
    io_timer(io, &slot->timer_op, worker_now(listener->worker) + PAUSE_NS);
}

static void accept_done(struct io_op *op, int result, bool more)
{
    struct slot *slot = (struct slot *)((char *)op - offsetof(struct slot, accept_op));
    struct listener *listener = slot->listener;
    if (listener->closing) {
        if (result >= 0) {
            close(result);
        }
        if (!more) {
            reap(listener);
        }
        return;
    }
    if (!more) {
        if (result >= 0) {
            io_accept(worker_io(listener->worker), &slot->accept_op, slot->fd);
        } else {
            accept_failed(slot, -result);
        }
    }
    if (result < 0) {
        return;
    }
    slot->starved = false;
    struct sockaddr_storage peer = {0};
    socklen_t len;
    if (sock_peer(result, &peer, &len) < 0) {
        /* it has gone already */
        close(result);
        return;
    }
    /* the last statement: the receiver may close the listener */
    listener->on_accept(listener->ctx, result, &peer, &slot->addr);
}

static void timer_done(struct io_op *op, int result, bool more)
{
    (void)result;
    (void)more;
    struct slot *slot = (struct slot *)((char *)op - offsetof(struct slot, timer_op));
    if (slot->listener->closing) {
        reap(slot->listener);
        return;
    }
    io_accept(worker_io(slot->listener->worker), &slot->accept_op, slot->fd);
}

static void add_socket(struct listener *listener, const struct sockaddr_storage *addr, int fd)
{
    struct slot *slot = &listener->slots[listener->count++];
    socklen_t len;
    slot->listener = listener;
    slot->fd = fd;
    slot->accept_op.done = accept_done;
    slot->timer_op.done = timer_done;
    if (sock_local(fd, &slot->addr, &len) < 0) {
        slot->addr = *addr;
    }
}

struct listener *listener_make(struct worker *worker, const struct listener_config *config,
                               int *ret_error)
{
    size_t count = config->count < LISTENER_SOCKETS_MAX ? config->count : LISTENER_SOCKETS_MAX;
    struct listener *listener = calloc(1, sizeof(*listener) + count * sizeof(struct slot));
    if (listener == NULL) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    listener->worker = worker;
    listener->on_accept = config->on_accept;
    listener->ctx = config->ctx;
    *ret_error = count == 0 ? -EADDRNOTAVAIL : 0;
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_storage addr = config->addrs[i];
        if (addr_port((const struct sockaddr *)&addr, sizeof(addr)) == 0 && listener->count > 0) {
            addr_set_port(&addr, listener_port(listener));
        }
        int fd = sock_listen((const struct sockaddr *)&addr, sizeof(addr));
        if (fd >= 0) {
            add_socket(listener, &addr, fd);
            continue;
        }
        *ret_error = *ret_error == 0 ? fd : *ret_error;
        if (config->on_refused != NULL) {
            config->on_refused(config->ctx, &addr, -fd);
        }
    }
    if (listener->count == 0) {
        free(listener);
        return NULL;
    }
    listener->reserve = open_reserve();
    worker_enter(worker);
    for (size_t i = 0; i < listener->count; i++) {
        io_accept(worker_io(worker), &listener->slots[i].accept_op, listener->slots[i].fd);
    }
    return listener;
}

void listener_close(struct listener *listener)
{
    struct io *io = worker_io(listener->worker);
    listener->closing = true;
    bool busy = false;
    for (size_t i = 0; i < listener->count; i++) {
        io_cancel(io, &listener->slots[i].accept_op);
        io_cancel(io, &listener->slots[i].timer_op);
        busy = busy || io_op_busy(&listener->slots[i].accept_op) ||
               io_op_busy(&listener->slots[i].timer_op);
    }
    if (!busy) {
        reap(listener);
    }
}

size_t listener_count(const struct listener *listener)
{
    return listener->count;
}

const struct sockaddr_storage *listener_address(const struct listener *listener, size_t index)
{
    return &listener->slots[index].addr;
}

uint16_t listener_port(const struct listener *listener)
{
    const struct sockaddr_storage *addr = &listener->slots[0].addr;
    return addr_port((const struct sockaddr *)addr, sizeof(*addr));
}
