/*
 * The flock: the relays of one connection. All of them; those with news, which are settled in this
 * turn's pump; and those that are parked until there is room, first come first served.
 */
#ifndef CULVERT_ENGINE_FLOCK_H
#define CULVERT_ENGINE_FLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/relay.h"

struct flock {
    size_t count;
    struct relay *all;
    struct relay *ready_first;
    struct relay **ready_last;
    struct relay *parked_first;
    struct relay **parked_last;
};

void flock_start(struct flock *flock);
void flock_add(struct flock *flock, struct relay *relay);
void flock_remove(struct flock *flock, struct relay *relay);
void flock_ready(struct flock *flock, struct relay *relay);
void flock_park(struct flock *flock, struct relay *relay);
/* relay_settle for each that is ready now; one that becomes ready meanwhile is for the next time.
 */
void flock_settle(struct flock *flock);
/* Makes up to max parked ones ready. True: more are parked. */
bool flock_unpark(struct flock *flock, int max);
void flock_wake_all(struct flock *flock);
void flock_kill_all(struct flock *flock);

#endif
