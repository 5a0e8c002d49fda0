/*
 * Bytes that grow, for tests: streams on their way, recorded streams, told stories.
 */
#ifndef CULVERT_TESTS_SUPPORT_BYTES_H
#define CULVERT_TESTS_SUPPORT_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *at;
    size_t len;
    size_t size;
};

static inline void bytes_add(struct bytes *bytes, const void *from, size_t len)
{
    if (bytes->len + len > bytes->size) {
        bytes->size = 2 * (bytes->len + len) + 64;
        bytes->at = realloc(bytes->at, bytes->size);
        assert(bytes->at != NULL);
    }
    if (len > 0) {
        memcpy(bytes->at + bytes->len, from, len);
    }
    bytes->len += len;
}

/* Forgets the first len bytes. */
static inline void bytes_drop(struct bytes *bytes, size_t len)
{
    assert(len <= bytes->len);
    if (len > 0) {
        memmove(bytes->at, bytes->at + len, bytes->len - len);
    }
    bytes->len -= len;
}

static inline bool bytes_same(const struct bytes *a, const struct bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->at, b->at, a->len) == 0);
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){.at = NULL};
}

#endif
