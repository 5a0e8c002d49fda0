/*
 * A provided-buffer ring: where the kernel finds the free buffers of a pool. Private to the
 * io_uring backend.
 */
#ifndef CULVERT_ENGINE_BACKEND_URING_OFFERS_H
#define CULVERT_ENGINE_BACKEND_URING_OFFERS_H

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

struct backend_uring_offers {
    struct io_uring_buf_ring *ring;
    size_t ring_len;
    uint32_t entries;
    uint16_t group;
};

/* Room for count buffers (rounded up to a power of two) under this group. 0 or a negative errno. */
int backend_uring_offers_open(struct io_uring *ring, struct backend_uring_offers *offers,
                              uint32_t count, uint16_t group);
/* No receive may be using the group. */
void backend_uring_offers_close(struct io_uring *ring, struct backend_uring_offers *offers);

#endif
