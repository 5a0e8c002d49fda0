/*
 * Events on their way out of a session. One packet or command makes few of them, and no further
 * packet is opened while one waits, so a short ring is enough; text is kept beside it.
 */
#ifndef CULVERT_PROTO_EVENTS_H
#define CULVERT_PROTO_EVENTS_H

#include <assert.h>
#include <string.h>

#include "proto/session.h"

/* DISCONNECT + FAILED, KEX + WRITABLE, and what a command in between may add */
enum { EVENTS_MAX = 16 };

struct events {
    uint32_t first;
    uint32_t count;
    struct session_event ring[EVENTS_MAX];
    /* where the text of the packet's event lives until the next packet is opened */
    char text[LIMIT_HOST + 1];
    char text2[LIMIT_TEXT + 1];
    /* the sentence of FAILED, which no packet may overwrite */
    char fault[2 * LIMIT_TEXT + 1];
};

/* A cleared event at the end of the queue. */
static inline struct session_event *events_push(struct events *events, enum session_event_kind kind)
{
    assert(events->count < EVENTS_MAX);
    uint32_t at = (events->first + events->count++) % EVENTS_MAX;
    events->ring[at] = (struct session_event){.kind = kind};
    return &events->ring[at];
}

static inline bool events_pop(struct events *events, struct session_event *ret_event)
{
    if (events->count == 0) {
        return false;
    }
    *ret_event = events->ring[events->first];
    events->first = (events->first + 1) % EVENTS_MAX;
    events->count--;
    return true;
}

#endif
