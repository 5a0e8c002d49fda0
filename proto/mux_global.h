/*
 * Global requests (RFC 4254 section 4), ping (OpenSSH PROTOCOL 1.10) and host key announcements
 * (OpenSSH PROTOCOL 2.5). Private to proto.
 */
#ifndef CULVERT_PROTO_MUX_GLOBAL_H
#define CULVERT_PROTO_MUX_GLOBAL_H

#include "proto/mux.h"

void mux_global_take_request(struct mux *mux, struct wire_in *in);
void mux_global_take_reply(struct mux *mux);
void mux_global_take_ping(struct mux *mux, struct wire_in *in);
void mux_global_take_pong(struct mux *mux);

/* Asks for a sign of life, unless too many answers are outstanding. */
void mux_global_ping(struct mux *mux);
/* Server: tells the client which host keys there are. */
void mux_global_announce_hostkeys(struct mux *mux);
/* The answer to the SIGN_HOST event of a proof; ignored when none was asked. */
void mux_global_proof(struct mux *mux, struct slice signature);

#endif
