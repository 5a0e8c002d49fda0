/*
 * Timer ops in a binary min-heap by deadline. An op knows its place (heap_index), so that a cancel
 * need not search.
 */
#ifndef CULVERT_ENGINE_TIMERS_H
#define CULVERT_ENGINE_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/io.h"

/* All zero is an empty heap. */
struct timers {
    struct io_op **at;
    size_t count;
    size_t capacity;
};

/* By op->deadline_ns. 0 or -ENOMEM. */
int timers_add(struct timers *timers, struct io_op *op);
/* The op must be in the heap. */
void timers_remove(struct timers *timers, struct io_op *op);
/* The op with the earliest deadline, or NULL. */
struct io_op *timers_first(const struct timers *timers);
/* Frees the heap's memory; ops that are in it are forgotten. */
void timers_free(struct timers *timers);

#endif
