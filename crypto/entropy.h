/*
 * Randomness as a value: who needs random bytes is handed a source, so that tests can hand a
 * seeded one and every run can be repeated.
 */
#ifndef CULVERT_CRYPTO_ENTROPY_H
#define CULVERT_CRYPTO_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

struct entropy {
    void (*fill)(void *ctx, void *ret_bytes, size_t len);
    void *ctx;
};

/* State of a seeded source; the caller owns it and keeps it in place. */
struct entropy_seeded {
    uint8_t key[32];
    uint64_t counter;
};

/* The system's source. Ends the process if the kernel gives no entropy (nothing else is safe). */
struct entropy entropy_system(void);

/* A reproducible source for tests and simulations; never for real sessions. */
struct entropy entropy_seeded(struct entropy_seeded *state, uint64_t seed);

static inline void entropy_fill(const struct entropy *source, void *ret_bytes, size_t len)
{
    source->fill(source->ctx, ret_bytes, len);
}

#endif
