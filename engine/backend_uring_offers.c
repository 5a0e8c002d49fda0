/*
 * Provided-buffer rings, set up by hand: Debian 12's liburing has no helper for it.
 */
#include "engine/backend_uring_offers.h"

#include <errno.h>
#include <sys/mman.h>

int backend_uring_offers_open(struct io_uring *ring, struct backend_uring_offers *offers,
                              uint32_t count, uint16_t group)
{
    offers->entries = 1;
    while (offers->entries < count) {
        offers->entries *= 2;
    }
    offers->group = group;
    offers->ring_len = offers->entries * sizeof(struct io_uring_buf);
    void *memory =
        mmap(NULL, offers->ring_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    offers->ring = memory;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)memory,
        .ring_entries = offers->entries,
        .bgid = group,
    };
    int r = io_uring_register_buf_ring(ring, &reg, 0);
    if (r < 0) {
        munmap(memory, offers->ring_len);
        return r;
    }
    io_uring_buf_ring_init(offers->ring);
    return 0;
}

void backend_uring_offers_close(struct io_uring *ring, struct backend_uring_offers *offers)
{
    (void)io_uring_unregister_buf_ring(ring, offers->group);
    munmap(offers->ring, offers->ring_len);
}
