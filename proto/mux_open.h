/*
 * Channel opens as the peer sends them: which types there are, who may ask, what they carry.
 * Private to mux.
 */
#ifndef CULVERT_PROTO_MUX_OPEN_H
#define CULVERT_PROTO_MUX_OPEN_H

#include "proto/mux.h"

void mux_open_take(struct mux *mux, struct slice payload);

/* A free slot with the peer's numbers filled in later; MUX_NONE: at the bound, or no memory. */
uint32_t mux_slot_take(struct mux *mux, enum channel_state state, void *owner);
void mux_slot_free(struct mux *mux, uint32_t id);

#endif
