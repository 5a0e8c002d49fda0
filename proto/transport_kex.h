/*
 * The key exchange inside the transport: its messages and the taking of keys into use. Private to
 * transport and session.
 */
#ifndef CULVERT_PROTO_TRANSPORT_KEX_H
#define CULVERT_PROTO_TRANSPORT_KEX_H

#include "proto/transport.h"

/* Sends our KEXINIT. Only in KEX_NONE. */
void transport_kex_begin(struct transport *t);
void transport_kex_take_init(struct transport *t, struct slice payload, uint32_t sequence);
void transport_kex_take_share(struct transport *t, struct slice payload);
void transport_kex_take_reply(struct transport *t, struct slice payload);
void transport_kex_take_newkeys(struct transport *t, struct slice payload);

/* The answers to SIGN_HOST and HOSTKEY; ignored when none was asked. */
void transport_kex_signature(struct transport *t, struct slice signature);
void transport_kex_verdict(struct transport *t, bool accepted);

/* Begins an exchange when a limit is reached, or when rekey_wanted. */
void transport_kex_begin_if_due(struct transport *t);

#endif
