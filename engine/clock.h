/*
 * The monotonic clock, in nanoseconds.
 */
#ifndef CULVERT_ENGINE_CLOCK_H
#define CULVERT_ENGINE_CLOCK_H

#include <stdint.h>

int64_t clock_now(void);

#endif
