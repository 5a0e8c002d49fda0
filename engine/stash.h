/*
 * The stash: input of a connection that its session could not use yet, kept between two receives.
 * Usually the head of a packet; more only when the session waits for an answer of ours. It holds no
 * memory while it is empty.
 */
#ifndef CULVERT_ENGINE_STASH_H
#define CULVERT_ENGINE_STASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stash {
    uint8_t *memory;
    size_t size;
    size_t start;
    size_t len;
};

static inline uint8_t *stash_at(const struct stash *stash)
{
    return stash->memory + stash->start;
}

/* The bytes become the content; they may lie inside the stash. False: out of memory. */
__attribute__((warn_unused_result)) bool stash_set(struct stash *stash, uint8_t *bytes, size_t len);
/* More bytes behind those that are there. False: out of memory, nothing changed. */
__attribute__((warn_unused_result)) bool stash_append(struct stash *stash, const uint8_t *bytes,
                                                      size_t len);
void stash_free(struct stash *stash);

#endif
