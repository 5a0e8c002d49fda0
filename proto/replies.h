/*
 * Small answers on their way out: replies to global and channel requests, PONG, UNIMPLEMENTED.
 *
 * They keep the order of their questions (RFC 4254 4). While they can't be sent (a key exchange,
 * a full queue) they wait in one bounded block. At the bound no further question is read; inside a
 * key exchange, where reading must go on, the session ends instead.
 */
#ifndef CULVERT_PROTO_REPLIES_H
#define CULVERT_PROTO_REPLIES_H

#include "proto/transport.h"

struct replies {
    struct transport *transport;
    uint8_t *block;
    uint32_t len;
};

/* A copy of payload[0..len), message number first; len at most LIMIT_PING + 5. */
void replies_send(struct replies *replies, const uint8_t *payload, size_t len);
/* Sends what can be sent now. */
void replies_flush(struct replies *replies);
/* No room for another answer of any size. */
bool replies_full(const struct replies *replies);
void replies_clear(struct replies *replies);

#endif
