/*
 * The probe: seccomp may allow the setup of a ring and refuse its use, and distributions backport
 * what they like. So what the backend needs is tried.
 */
#include "engine/backend_uring_probe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/backend_uring_offers.h"

/* Submits and waits a second at most for that completion. Its result, or a negative errno. */
static int probe_await(struct io_uring *ring, uint64_t data, uint32_t *ret_flags)
{
    struct __kernel_timespec timeout = {.tv_sec = 1};
    for (int i = 0; i < 4; i++) {
        struct io_uring_cqe *cqe = NULL;
        int r = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &timeout, NULL);
        if (r < 0) {
            return r;
        }
        if (cqe == NULL) {
            break;
        }
        bool found = cqe->user_data == data;
        r = cqe->res;
        *ret_flags = cqe->flags;
        io_uring_cqe_seen(ring, cqe);
        if (found) {
            return r;
        }
    }
    return -ETIME;
}

/* A receive with a chosen buffer that has to wait, then its data. */
static int probe_recv(struct io_uring *ring, const int pair[2], struct backend_uring_offers *offers)
{
    /* static: if this fails, the kernel may still write there later */
    static char memory[16];
    io_uring_buf_ring_add(offers->ring, memory, sizeof(memory), 7, (int)offers->entries - 1, 0);
    io_uring_buf_ring_advance(offers->ring, 1);
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv(sqe, pair[0], NULL, 8, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = offers->group;
    io_uring_sqe_set_data64(sqe, 2);
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_send(sqe, pair[1], "culvert", 7, MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, 3);
    uint32_t flags = 0;
    int r = probe_await(ring, 2, &flags);
    bool right = r == 7 && (flags & IORING_CQE_F_BUFFER) != 0 &&
                 flags >> IORING_CQE_BUFFER_SHIFT == 7 && memcmp(memory, "culvert", 7) == 0;
    return r < 0 || right ? r : -EIO;
}

static int probe_cancel(struct io_uring *ring, const int pair[2])
{
    static char memory[16];
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv(sqe, pair[0], memory, sizeof(memory), 0);
    io_uring_sqe_set_data64(sqe, 4);
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_cancel64(sqe, 4, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, 5);
    uint32_t flags;
    int r = probe_await(ring, 4, &flags);
    if (r == -ECANCELED) {
        return 0;
    }
    return r < 0 ? r : -EIO;
}

int backend_uring_probe(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data64(sqe, 1);
    uint32_t flags;
    int r = probe_await(ring, 1, &flags);
    if (r < 0) {
        return r;
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        return -errno;
    }
    struct backend_uring_offers offers;
    r = backend_uring_offers_open(ring, &offers, 1, 0);
    if (r == 0) {
        r = probe_recv(ring, pair, &offers);
        backend_uring_offers_close(ring, &offers);
    }
    if (r >= 0) {
        r = probe_cancel(ring, pair);
    }
    close(pair[0]);
    close(pair[1]);
    return r;
}
