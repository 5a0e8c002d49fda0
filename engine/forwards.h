/*
 * The client's local forwards (-L): where each listens, and what an accepted connection becomes.
 */
#ifndef CULVERT_ENGINE_FORWARDS_H
#define CULVERT_ENGINE_FORWARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/client.h"

struct connection;
struct forwards;

/* Begins to listen, for a connection that is logged in. on_settled runs once, inside the loop,
 * when every forward listens or has failed; failed counts the latter. NULL: out of memory. */
struct forwards *forwards_start(struct connection *connection, const struct client_config *config,
                                void (*on_settled)(void *ctx, size_t failed), void *ctx);
/* Stops listening; open channels go on. No callback any more. */
void forwards_stop(struct forwards *forwards);
/* The port that forward index listens on, 0: none. */
uint16_t forwards_port(const struct forwards *forwards, size_t index);

#endif
