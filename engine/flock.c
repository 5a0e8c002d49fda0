/*
 * The relays of one connection. See flock.h.
 */
#include "engine/flock.h"

#include <assert.h>

void flock_start(struct flock *flock)
{
    *flock = (struct flock){0};
    flock->ready_last = &flock->ready_first;
    flock->parked_last = &flock->parked_first;
}

void flock_add(struct flock *flock, struct relay *relay)
{
    relay->next = flock->all;
    if (flock->all != NULL) {
        flock->all->prev = relay;
    }
    flock->all = relay;
    flock->count++;
}

static void remove_parked(struct flock *flock, struct relay *relay)
{
    struct relay **at = &flock->parked_first;
    while (*at != relay) {
        at = &(*at)->next_parked;
    }
    *at = relay->next_parked;
    if (flock->parked_last == &relay->next_parked) {
        flock->parked_last = at;
    }
    relay->parked = false;
}

void flock_remove(struct flock *flock, struct relay *relay)
{
    assert(!relay->ready);
    if (relay->parked) {
        remove_parked(flock, relay);
    }
    if (relay->prev != NULL) {
        relay->prev->next = relay->next;
    } else {
        flock->all = relay->next;
    }
    if (relay->next != NULL) {
        relay->next->prev = relay->prev;
    }
    flock->count--;
}

void flock_ready(struct flock *flock, struct relay *relay)
{
    if (!relay->ready) {
        relay->ready = true;
        relay->next_ready = NULL;
        *flock->ready_last = relay;
        flock->ready_last = &relay->next_ready;
    }
}

void flock_park(struct flock *flock, struct relay *relay)
{
    if (!relay->parked) {
        relay->parked = true;
        relay->next_parked = NULL;
        *flock->parked_last = relay;
        flock->parked_last = &relay->next_parked;
    }
}

void flock_settle(struct flock *flock)
{
    struct relay *relay = flock->ready_first;
    flock->ready_first = NULL;
    flock->ready_last = &flock->ready_first;
    while (relay != NULL) {
        struct relay *next = relay->next_ready;
        relay->ready = false;
        relay_settle(relay);
        relay = next;
    }
}

bool flock_unpark(struct flock *flock, int max)
{
    for (int i = 0; i < max && flock->parked_first != NULL; i++) {
        struct relay *relay = flock->parked_first;
        remove_parked(flock, relay);
        flock_ready(flock, relay);
    }
    return flock->parked_first != NULL;
}

void flock_wake_all(struct flock *flock)
{
    for (struct relay *relay = flock->all; relay != NULL; relay = relay->next) {
        relay_wake(relay);
    }
}

void flock_kill_all(struct flock *flock)
{
    for (struct relay *relay = flock->all; relay != NULL; relay = relay->next) {
        relay_kill(relay);
    }
}
