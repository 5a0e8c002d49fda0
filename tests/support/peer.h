/*
 * A scripted peer of one session: does the honest steps when told to, and between them can send any
 * payload at any phase, sealed or in clear.
 */
#ifndef CULVERT_TESTS_SUPPORT_PEER_H
#define CULVERT_TESTS_SUPPORT_PEER_H

#include "proto/kex.h"
#include "proto/msg.h"
#include "proto/packet.h"
#include "tests/support/end.h"

/* What the peer says of itself; NULL: the usual. */
struct peer_plan {
    const char *version;
    const char *kex;
    const char *hostkey;
    /* both directions; the first one is used */
    const char *cipher;
    const char *mac;
    const char *compression;
    /* without the marker of strict key exchange */
    bool lenient;
    /* first_kex_packet_follows */
    bool follows;
};

struct peer {
    struct end *end;
    struct peer_plan plan;
    /* the peer is the client, the session the server */
    bool client;
    struct sign_key host_key, user_key;
    struct entropy_seeded seeded;
    struct entropy entropy;

    struct packet_way in, out;
    /* output of the session that was not read yet, and the payload that was read last */
    struct bytes wire;
    struct bytes payload;

    struct bytes version, own_init, their_init;
    bool own_init_sent, their_init_read;
    bool strict, first_done, keys_ready;
    struct kex kex;
    struct bytes hostkey;
    uint8_t session_id[HASH_LEN_MAX];
    size_t session_id_len;
};

/* end is started; plan may be NULL. */
void peer_make(struct peer *peer, struct end *end, const struct peer_plan *plan);
void peer_free(struct peer *peer);

/* ---- single steps ---- */

/* Bytes as they are. */
void peer_raw(struct peer *peer, const void *bytes, size_t len);
/* One packet under the present keys. */
void peer_send(struct peer *peer, const void *payload, size_t len);
/* The packet as peer_send would send it, kept back: the peer's state goes on. */
void peer_seal(struct peer *peer, const void *payload, size_t len, struct bytes *ret_wire);
/* Builds and sends: b byte, u uint32, s text, x bytes and size_t, r the same without a length. */
void peer_say(struct peer *peer, const char *fields, ...);
/* The next payload of the session in peer->payload; false: none. */
bool peer_next(struct peer *peer);
/* Reads until a message comes; false: it did not. */
bool peer_await(struct peer *peer, uint8_t message);
/* True when the payload read last is these fields, as in peer_say. */
bool peer_heard(const struct peer *peer, const char *fields, ...);

/* ---- honest steps ---- */

/* Identification both ways. */
void peer_hello(struct peer *peer);
void peer_init(struct peer *peer);
/* Client: sends the key share. Server: answers the one that came. */
void peer_share(struct peer *peer);
/* Client: takes the server's answer. False: there was none, or it is wrong. */
bool peer_take_reply(struct peer *peer);
/* Server: reads the client's share. */
bool peer_take_share(struct peer *peer);
/* NEWKEYS from us; theirs is taken when it is read. */
void peer_newkeys(struct peer *peer);
/* A whole exchange, first or later. */
bool peer_exchange(struct peer *peer);
/* Service and login; true: it went well on this side. */
bool peer_login(struct peer *peer);
/* All of it: hello, exchange, login. */
bool peer_ready(struct peer *peer);
/* Client: a signed publickey request; id and user may be other than right. */
void peer_auth(struct peer *peer, const char *user, const struct sign_key *key,
               struct slice session_id);
/* Client: opens a direct-tcpip channel with this window. The session's number of it. */
uint32_t peer_channel(struct peer *peer, uint32_t id, uint32_t window);

#endif
