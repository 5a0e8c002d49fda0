/*
 * Every bound of the protocol in one place, each with its reason. Relations are asserted below.
 */
#ifndef CULVERT_PROTO_LIMITS_H
#define CULVERT_PROTO_LIMITS_H

#include <assert.h>

enum {
    /* identification line with CR LF (RFC 4253 4.2) */
    LIMIT_VERSION_LINE = 255,
    /* lines a server may send before it, and their length (OpenSSH's ssh accepts as many) */
    LIMIT_VERSION_LINES_BEFORE = 1024,
    LIMIT_VERSION_LINE_BEFORE = 8192,

    /* packet_length of the smallest packet: padding_length, message number, padding of 4 */
    LIMIT_PACKET_MIN = 6,
    /* whole packet on the wire that every implementation must take (RFC 4253 6.1) */
    LIMIT_PACKET_WIRE = 35000,
    /* padding is at least 4 bytes (RFC 4253 6) and at most one byte can tell */
    LIMIT_PADDING_MIN = 4,
    LIMIT_PADDING_MAX = 255,

    /* data in one CHANNEL_DATA that we accept, and that everybody accepts from us */
    LIMIT_CHANNEL_DATA = 32768,
    /* names in one name-list, and bytes of one name (RFC 4251 6: 64; certificates are longer) */
    LIMIT_NAMES = 256,
    LIMIT_NAME = 255,
    /* the KEXINIT payload we send and keep until the exchange hash is made */
    LIMIT_KEXINIT = 2048,
    /* extensions in EXT_INFO (OpenSSH: 1024) */
    LIMIT_EXTENSIONS = 128,

    /* user name and service strings of an auth request */
    LIMIT_USER = 256,
    /* public key blob in an auth request or as host key: RSA-16384 with room */
    LIMIT_KEY_BLOB = 8192,
    LIMIT_SIGNATURE = 4096,
    /* methods in USERAUTH_FAILURE that we keep */
    LIMIT_METHODS = 256,
    /* failed requests (OpenSSH MaxAuthTries) and all requests of one login */
    LIMIT_AUTH_FAILURES = 6,
    LIMIT_AUTH_REQUESTS = 20,
    /* unknown messages, and key exchanges beside the first, that a peer may begin before the login:
     * no honest one needs any */
    LIMIT_EARLY_UNKNOWN = 64,
    LIMIT_EARLY_REKEYS = 4,
    /* banner text shown to the user */
    LIMIT_BANNER = 16384,

    /* names of hosts in channel opens: a DNS name has 253; NI_MAXHOST is what OpenSSH refuses at */
    LIMIT_HOST = 1024,
    /* text of DISCONNECT, OPEN_FAILURE and DEBUG that we keep for the log */
    LIMIT_TEXT = 256,

    /* channels of one session (OpenSSH ends the connection above this) */
    LIMIT_CHANNELS = 16384,
    /* the channel table grows by so many slots */
    LIMIT_CHANNELS_CHUNK = 64,

    /* small answers (global replies, channel failures, PONG, UNIMPLEMENTED) that wait for room:
     * bytes. At the bound input stops; inside a key exchange, where it must not, the session ends
     */
    LIMIT_REPLIES = 16384,
    /* the longest ping we answer */
    LIMIT_PING = 1024,
    /* global requests of ours that wait for their answer */
    LIMIT_REQUESTS_SENT = 64,

    /* window: where a channel starts while the session's budget is fresh, where when it is used up,
     * how far it grows (OpenSSH's own; more would stand in front of others' small messages), and
     * the budget itself: the sum of all windows, above which channels get the least and none grows
     */
    LIMIT_WINDOW_START = 256 * 1024,
    LIMIT_WINDOW_LEAST = 16 * 1024,
    LIMIT_WINDOW_MAX = 2 * 1024 * 1024,
    LIMIT_WINDOW_BUDGET = 64 * 1024 * 1024,

    /* bytes and cells in the out queue above which a session takes no more channel data */
    LIMIT_QUEUE_HIGH = 1024 * 1024,
    LIMIT_QUEUE_LOW = 256 * 1024,
    LIMIT_QUEUE_CELLS = 512,
    /* data up to this is packed behind what waits instead of keeping a cell of its own */
    LIMIT_COPY_DATA = 1024,
};

/* rekey after so many packets (RFC 4344 3.1) or nanoseconds, whatever the volume */
#define LIMIT_REKEY_PACKETS ((uint64_t)1 << 31)
#define LIMIT_REKEY_NS      ((int64_t)3600 * 1000000000)
/* a key exchange that takes longer ends the session */
#define LIMIT_KEX_NS ((int64_t)60 * 1000000000)
/* identification must be complete after this (the server's whole login has its own limit) */
#define LIMIT_VERSION_NS ((int64_t)10 * 1000000000)

static_assert((int)LIMIT_CHANNEL_DATA + 1024 <= (int)LIMIT_PACKET_WIRE,
              "a full data packet fits the wire limit");
static_assert((int)LIMIT_QUEUE_LOW < (int)LIMIT_QUEUE_HIGH, "the low mark is below the high one");
static_assert((int)LIMIT_WINDOW_START >= 2 * (int)LIMIT_CHANNEL_DATA,
              "a window holds at least two packets, or the sender would stop at each");
static_assert((int)LIMIT_KEXINIT < (int)LIMIT_PACKET_WIRE, "our KEXINIT fits one packet");

#endif
