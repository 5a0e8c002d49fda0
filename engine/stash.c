/*
 * Input that waits. See stash.h.
 */
#include "engine/stash.h"

#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

void stash_free(struct stash *stash)
{
    free(stash->memory);
    *stash = (struct stash){0};
}

bool stash_set(struct stash *stash, uint8_t *bytes, size_t len)
{
    if (len == 0) {
        stash_free(stash);
        return true;
    }
    if (stash->memory != NULL && bytes >= stash->memory && bytes < stash->memory + stash->size) {
        stash->start = (size_t)(bytes - stash->memory);
        stash->len = len;
        return true;
    }
    if (stash->size < len) {
        size_t size = len < LIMIT_PACKET_WIRE ? LIMIT_PACKET_WIRE : len;
        uint8_t *memory = malloc(size);
        if (memory == NULL) {
            return false;
        }
        free(stash->memory);
        stash->memory = memory;
        stash->size = size;
    }
    memcpy(stash->memory, bytes, len);
    stash->start = 0;
    stash->len = len;
    return true;
}

bool stash_append(struct stash *stash, const uint8_t *bytes, size_t len)
{
    uint8_t *memory = malloc(stash->len + len);
    if (memory == NULL) {
        return false;
    }
    memcpy(memory, stash->memory + stash->start, stash->len);
    memcpy(memory + stash->len, bytes, len);
    free(stash->memory);
    *stash = (struct stash){.memory = memory, .size = stash->len + len, .len = stash->len + len};
    return true;
}
