/*
 * Pools: who has each buffer, the free list, and the notice that buffers came home.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/backend.h"

static void add_to_io(struct io *io, struct io_pool *pool)
{
    pool->next = io->pools;
    if (io->pools != NULL) {
        io->pools->prev = pool;
    }
    io->pools = pool;
}

static void remove_from_io(struct io *io, struct io_pool *pool)
{
    if (pool->prev != NULL) {
        pool->prev->next = pool->next;
    } else {
        io->pools = pool->next;
    }
    if (pool->next != NULL) {
        pool->next->prev = pool->prev;
    }
}

static void free_memory(struct io_pool *pool)
{
    if (pool->base != NULL) {
        munmap(pool->base, pool->base_len);
    }
    free(pool->free);
    free(pool->states);
    free(pool->touched);
    free(pool);
}

struct io_pool *io_pool_make(struct io *io, const struct io_pool_config *config)
{
    assert(config->count > 0 && config->size > 0);
    assert((uint64_t)config->offset + config->size <= config->stride);
    assert(config->offered <= config->count);
    struct io_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pool->io = io;
    pool->config = *config;
    pool->free = calloc(config->count, sizeof(*pool->free));
    pool->states = calloc(config->count, sizeof(*pool->states));
    pool->touched = calloc(config->count, sizeof(*pool->touched));
    pool->base_len = (size_t)config->count * config->stride;
    /* pages come when they are first touched, so a generous count costs nothing until it is used */
    void *base =
        mmap(NULL, pool->base_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pool->base = base == MAP_FAILED ? NULL : base;
    if (pool->free == NULL || pool->states == NULL || pool->touched == NULL || pool->base == NULL) {
        free_memory(pool);
        return NULL;
    }
    for (uint32_t i = 0; i < config->count; i++) {
        pool->free[i] = config->count - 1 - i;
    }
    pool->free_count = config->count;
    pool->free_low = config->count;
    if (config->offered > 0 && io->backend->pool_open != NULL && io->backend->pool_open(pool) < 0) {
        free_memory(pool);
        return NULL;
    }
    add_to_io(io, pool);
    return pool;
}

void io_pool_free(struct io_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    assert(pool->op_count == 0 && pool->out_count == 0);
    assert(pool->free_count + pool->offered_count == pool->config.count);
    struct io *io = pool->io;
    if (pool->config.offered > 0 && io->backend->pool_close != NULL) {
        io->backend->pool_close(pool);
    }
    remove_from_io(io, pool);
    free_memory(pool);
}

/* ---- who has a buffer --------------------------------------------------------------------- */

int io_pool_move_out(struct io_pool *pool, enum io_buffer_state state)
{
    if (pool->free_count == 0) {
        return -1;
    }
    uint32_t buffer = pool->free[--pool->free_count];
    assert(pool->states[buffer] == IO_BUFFER_FREE);
    pool->states[buffer] = (uint8_t)state;
    if (pool->free_count < pool->free_low) {
        pool->free_low = pool->free_count;
    }
    if (!pool->touched[buffer]) {
        pool->touched[buffer] = true;
        pool->touched_count++;
    }
    if (state == IO_BUFFER_OFFERED) {
        pool->offered_count++;
    } else {
        pool->out_count++;
    }
    return (int)buffer;
}

void io_pool_filled(struct io_pool *pool, int buffer)
{
    assert(buffer >= 0 && (uint32_t)buffer < pool->config.count);
    assert(pool->states[buffer] == IO_BUFFER_OFFERED);
    pool->states[buffer] = IO_BUFFER_OUT;
    pool->offered_count--;
    pool->out_count++;
}

void io_pool_move_home(struct io_pool *pool, int buffer)
{
    assert(buffer >= 0 && (uint32_t)buffer < pool->config.count);
    assert(pool->states[buffer] != IO_BUFFER_FREE);
    if (pool->states[buffer] == IO_BUFFER_OFFERED) {
        pool->offered_count--;
    } else {
        pool->out_count--;
    }
    pool->states[buffer] = IO_BUFFER_FREE;
    pool->free[pool->free_count++] = (uint32_t)buffer;
}

int io_pool_take(struct io_pool *pool)
{
    int buffer = io_pool_move_out(pool, IO_BUFFER_OUT);
    if (buffer < 0) {
        pool->starved_take = true;
    }
    return buffer;
}

void io_pool_give(struct io_pool *pool, int buffer)
{
    assert(buffer >= 0 && (uint32_t)buffer < pool->config.count);
    assert(pool->states[buffer] == IO_BUFFER_OUT);
    io_pool_move_home(pool, buffer);
}

uint8_t *io_pool_at(const struct io_pool *pool, int buffer)
{
    assert(buffer >= 0 && (uint32_t)buffer < pool->config.count);
    return pool->base + (size_t)buffer * pool->config.stride + pool->config.offset;
}

uint32_t io_pool_free_count(const struct io_pool *pool)
{
    return pool->free_count;
}

/* ---- memory ------------------------------------------------------------------------------- */

bool io_pool_trimmable(const struct io_pool *pool)
{
    return pool->touched_count > pool->config.count - pool->free_count;
}

void io_pool_trim(struct io_pool *pool)
{
    /* the free list is a stack: what lies below its lowest level was not needed since last time */
    for (uint32_t i = 0; i < pool->free_low; i++) {
        uint32_t buffer = pool->free[i];
        if (!pool->touched[buffer]) {
            continue;
        }
        /* should it fail, the memory is only kept */
        (void)madvise(pool->base + (size_t)buffer * pool->config.stride, pool->config.stride,
                      MADV_DONTNEED);
        pool->touched[buffer] = false;
        pool->touched_count--;
    }
    pool->free_low = pool->free_count;
}

/* ---- notices ------------------------------------------------------------------------------ */

void io_pool_on_refill(struct io_pool *pool, void (*fn)(void *ctx), void *ctx)
{
    pool->on_refill = fn;
    pool->on_refill_ctx = ctx;
}

void io_pool_settle(struct io_pool *pool)
{
    if (pool->config.offered > 0 && pool->io->backend->pool_offer != NULL) {
        pool->io->backend->pool_offer(pool);
    }
    bool take = pool->starved_take && pool->free_count > 0;
    bool recv = pool->starved_recv && pool->free_count + pool->offered_count > 0;
    if (!take && !recv) {
        return;
    }
    pool->starved_take = false;
    pool->starved_recv = false;
    if (pool->on_refill != NULL) {
        pool->on_refill(pool->on_refill_ctx);
    }
}
