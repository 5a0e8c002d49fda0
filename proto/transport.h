/*
 * The transport protocol (RFC 4253): identification, packets, key exchange and rekeying, extension
 * negotiation. Bytes on one side, payloads on the other. Private to proto.
 *
 * A key exchange, and which side may still send what while it runs:
 *
 *     we           NONE --KEXINIT out--> SENT --KEXINIT in--> SHARE ... NEWKEYS out --> AWAIT --+
 *     we send      everything            key exchange only ............................ everything
 *     NONE again when the peer's NEWKEYS came in  <----------------------------------------------+
 */
#ifndef CULVERT_PROTO_TRANSPORT_H
#define CULVERT_PROTO_TRANSPORT_H

#include "proto/events.h"
#include "proto/gate.h"
#include "proto/kex.h"
#include "proto/msg.h"
#include "proto/negotiate.h"
#include "proto/outq.h"
#include "proto/packet.h"
#include "proto/version.h"

enum kex_step {
    KEX_NONE,
    KEX_SENT,    /* our KEXINIT is out, the peer's awaited */
    KEX_SHARE,   /* both are known, the peer's key share awaited */
    KEX_SIGN,    /* server: the signature of our broker awaited */
    KEX_VERDICT, /* client: the judgement of the host key awaited */
    KEX_AWAIT,   /* our NEWKEYS is out, the peer's awaited */
};

/* How far the session as a whole has come, key exchanges aside. */
enum stage { STAGE_VERSION, STAGE_KEX, STAGE_SERVICE, STAGE_AUTH, STAGE_OPEN, STAGE_DEAD };

struct transport {
    const struct session_config *config;
    struct events *events;
    enum stage stage;
    enum kex_step step;
    int64_t now;

    struct version_in peer_version;
    char own_version[LIMIT_VERSION_LINE + 1];

    struct packet_way in;
    struct packet_way out;
    struct outq queue;
    /* data and opens that were written while our side of an exchange ran; unsealed, in order */
    struct cell *held_first, *held_last;
    /* the message begun in a cell of its own, because it will be held */
    struct cell *building;

    /* the exchange in flight */
    struct kex kex;
    struct negotiated chosen;
    bool drop_guess;
    bool rekey_wanted;
    uint8_t kexinit[LIMIT_KEXINIT];
    uint32_t kexinit_len;
    int64_t kex_started;
    int64_t keys_since;
    struct cipher_keys {
        const struct cipher_spec *spec;
        uint8_t key[CIPHER_KEY_MAX];
        uint8_t iv[CIPHER_IV_MAX];
    } next_in;
    uint8_t client_share[ECDH_SHARE_LEN];
    uint8_t hostkey[256];
    uint32_t hostkey_len;

    /* what the first exchange settled for good */
    bool first_done;
    bool strict;
    bool peer_ext_info;
    uint8_t session_id[HASH_LEN_MAX];
    uint32_t session_id_len;
    struct session_kex report;

    /* from EXT_INFO */
    char peer_signatures[512];
    bool peer_pings;

    struct session_stats stats;
};

void transport_start(struct transport *t, const struct session_config *config,
                     struct events *events, int64_t now);
void transport_end(struct transport *t);

/*
 * Takes from bytes[0..len). True: a payload for the layers above. *ret_used is what was taken in
 * either case; 0 and false: more bytes are needed, or the transport waits (transport_waits).
 */
bool transport_take(struct transport *t, uint8_t *bytes, size_t len, size_t *ret_used,
                    struct packet *ret_packet);
/* The peer closed its side. */
void transport_eof(struct transport *t);
/* The exchange waits for one of our own answers. */
bool transport_waits(const struct transport *t);

/* Messages other than those of the key exchange may be sealed now. */
bool transport_may_send(const struct transport *t);

/* Room for a payload of at most size bytes, begun with message; failed when there is none (the pool
 * is empty, the session dead). transport_commit seals it, or holds it while our side of an exchange
 * runs and the message is not the exchange's own; it fails the session when there was no room, so
 * who can wait for room looks at out.failed after the begin. */
struct wire_out transport_begin(struct transport *t, enum msg message, size_t size);
bool transport_commit(struct transport *t, struct wire_out *out);

/* The payload bytes[start..end) of a cell: sealed at once, or held while our side of an exchange
 * runs. The cell is the transport's from here on. */
void transport_send_cell(struct transport *t, struct cell *cell);

/* Seals what was held back while our side of an exchange ran. */
void transport_release_held(struct transport *t);

/* The first fault: DISCONNECT when it can be said, one FAILED event, STAGE_DEAD. detail may be
 * NULL: the fault's own sentence. */
void transport_fail(struct transport *t, enum err err, const char *detail);
/* The same with words of our own user and a reason of theirs. */
void transport_goodbye(struct transport *t, enum disconnect_reason reason, const char *text);

#endif
