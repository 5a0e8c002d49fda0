/*
 * Does a fresh ring do what the backend needs? Private to the io_uring backend.
 */
#ifndef CULVERT_ENGINE_BACKEND_URING_PROBE_H
#define CULVERT_ENGINE_BACKEND_URING_PROBE_H

#include <liburing.h>

/* A no-op, a receive that chooses its buffer, a cancel. 0 or more, or a negative errno. */
int backend_uring_probe(struct io_uring *ring);

#endif
