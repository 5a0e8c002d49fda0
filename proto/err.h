/*
 * What a peer can do wrong, one list: each with a name, a disconnect reason and a sentence.
 *
 * The peer's fault is never an errno (the world's fault) and never an assert (ours).
 */
#ifndef CULVERT_PROTO_ERR_H
#define CULVERT_PROTO_ERR_H

#include <stdint.h>

enum err {
    ERR_OK,
    ERR_VERSION,        /* the peer is no SSH 2 */
    ERR_VERSION_LONG,   /* identification line over its bound */
    ERR_PACKET_LENGTH,  /* packet_length or padding_length impossible */
    ERR_MAC,            /* forged or damaged packet */
    ERR_MALFORMED,      /* a message whose fields don't fit it */
    ERR_UNEXPECTED,     /* a message that this phase forbids */
    ERR_NO_COMMON,      /* negotiation found no common algorithm */
    ERR_KEX,            /* key share or exchange signature refused */
    ERR_HOSTKEY,        /* the host key was not accepted */
    ERR_NO_STRICT,      /* only ciphers in common that need strict key exchange */
    ERR_SERVICE,        /* service name unknown */
    ERR_AUTH_TRIES,     /* too many authentication failures */
    ERR_AUTH_CHANGED,   /* user or service changed between requests */
    ERR_AUTH_NONE_LEFT, /* the client has no method left */
    ERR_AUTH_TRIVIAL,   /* the server let us in without asking for a proof */
    ERR_CHANNEL,        /* message for a channel that is not there */
    ERR_WINDOW,         /* more data than granted, or a window past 2^32-1 */
    ERR_FLOOD,          /* more requests than a bound holds */
    ERR_KEYS_WORN,      /* keys used to their hard limit without a rekey */
    ERR_TIMEOUT,        /* an answer did not come in time */
    ERR_EOF,            /* the peer closed the connection */
    ERR_MEMORY,         /* a pool was empty where nothing else could give way */
    ERR_LOCAL,          /* ended by our own user */
    ERR_COUNT,
};

/* Disconnect reasons of RFC 4253 11.1. */
enum disconnect_reason {
    DISCONNECT_HOST_NOT_ALLOWED = 1,
    DISCONNECT_PROTOCOL_ERROR = 2,
    DISCONNECT_KEY_EXCHANGE_FAILED = 3,
    DISCONNECT_MAC_ERROR = 5,
    DISCONNECT_SERVICE_NOT_AVAILABLE = 7,
    DISCONNECT_VERSION_NOT_SUPPORTED = 8,
    DISCONNECT_HOST_KEY_NOT_VERIFIABLE = 9,
    DISCONNECT_CONNECTION_LOST = 10,
    DISCONNECT_BY_APPLICATION = 11,
    DISCONNECT_TOO_MANY_CONNECTIONS = 12,
    DISCONNECT_AUTH_CANCELLED = 13,
    DISCONNECT_NO_MORE_AUTH_METHODS = 14,
};

/* Short fixed name for logs, such as "no-common-algorithm". */
const char *err_name(enum err err);
/* One sentence without a full stop. */
const char *err_text(enum err err);
/* What DISCONNECT says of it; 0: no DISCONNECT is sent. */
uint32_t err_reason(enum err err);

#endif
