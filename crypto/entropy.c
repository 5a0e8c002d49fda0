/*
 * The two sources of randomness: the system's, and a seeded one that every run repeats.
 */
#include "crypto/entropy.h"

#include <string.h>

#include <sodium.h>

enum { BLOCK_LEN = 64 };

static void system_fill(void *ctx, void *ret_bytes, size_t len)
{
    (void)ctx;
    randombytes_buf(ret_bytes, len);
}

struct entropy entropy_system(void)
{
    return (struct entropy){.fill = system_fill};
}

/* Each fill starts at a block of its own, so what it gives depends only on the fills before it. */
static void seeded_fill(void *ctx, void *ret_bytes, size_t len)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    struct entropy_seeded *state = (struct entropy_seeded *)ctx;

    if (len == 0) {
        return;
    }
    memset(ret_bytes, 0, len);
    crypto_stream_chacha20_xor_ic((uint8_t *)ret_bytes, (const uint8_t *)ret_bytes, len, nonce,
                                  state->counter, state->key);
    state->counter += (len + BLOCK_LEN - 1) / BLOCK_LEN;
}

struct entropy entropy_seeded(struct entropy_seeded *state, uint64_t seed)
{
    memset(state, 0, sizeof(*state));
    /* byte by byte, so that a seed means the same run on every machine */
    for (size_t i = 0; i < sizeof(seed); i++) {
        state->key[i] = (uint8_t)(seed >> (8 * i));
    }
    return (struct entropy){.fill = seeded_fill, .ctx = state};
}
