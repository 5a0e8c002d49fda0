/*
 * Timer ops in a binary min-heap by deadline.
 */
#include "engine/timers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

static void place(struct timers *timers, size_t i, struct io_op *op)
{
    timers->at[i] = op;
    op->heap_index = (uint32_t)i;
}

static void sift_up(struct timers *timers, size_t i, struct io_op *op)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (timers->at[parent]->deadline_ns <= op->deadline_ns) {
            break;
        }
        place(timers, i, timers->at[parent]);
        i = parent;
    }
    place(timers, i, op);
}

static void sift_down(struct timers *timers, size_t i, struct io_op *op)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            timers->at[child + 1]->deadline_ns < timers->at[child]->deadline_ns) {
            child++;
        }
        if (op->deadline_ns <= timers->at[child]->deadline_ns) {
            break;
        }
        place(timers, i, timers->at[child]);
        i = child;
    }
    place(timers, i, op);
}

int timers_add(struct timers *timers, struct io_op *op)
{
    if (timers->count == timers->capacity) {
        size_t capacity = timers->capacity == 0 ? FIRST_CAPACITY : timers->capacity * 2;
        struct io_op **at = reallocarray(timers->at, capacity, sizeof(*at));
        if (at == NULL) {
            return -ENOMEM;
        }
        timers->at = at;
        timers->capacity = capacity;
    }
    timers->count++;
    sift_up(timers, timers->count - 1, op);
    return 0;
}

void timers_remove(struct timers *timers, struct io_op *op)
{
    size_t i = op->heap_index;
    assert(i < timers->count && timers->at[i] == op);
    timers->count--;
    struct io_op *last = timers->at[timers->count];
    if (last == op) {
        return;
    }
    if (i > 0 && timers->at[(i - 1) / 2]->deadline_ns > last->deadline_ns) {
        sift_up(timers, i, last);
    } else {
        sift_down(timers, i, last);
    }
}

struct io_op *timers_first(const struct timers *timers)
{
    return timers->count == 0 ? NULL : timers->at[0];
}

void timers_free(struct timers *timers)
{
    free(timers->at);
    *timers = (struct timers){0};
}
