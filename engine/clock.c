/*
 * The monotonic clock, in nanoseconds.
 */
#include "engine/clock.h"

#include <assert.h>
#include <time.h>

int64_t clock_now(void)
{
    struct timespec now;
    int r = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(r == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
