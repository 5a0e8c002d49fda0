/*
 * One SSH session, either role: the only door between the engine and the protocol.
 *
 * Sans-IO: bytes go in and come out, events are pulled, time is an argument. A session opens no
 * socket, reads no clock, draws no randomness but from the source in its configuration and
 * allocates only through the memory it was given.
 *
 * The driver, after every fact it learned:
 *
 *     session_feed(s, bytes, len)                  what the socket delivered
 *     while (session_next(s, now, &event)) ...     act on each event, with the commands below
 *     session_rest(s, &bytes, &len)                keep this tail in front of the next feed
 *     session_output(s, now, iov, max)             send this
 *     session_sent(s, n)                           n bytes of it are gone
 *     session_deadline(s)                          when to call session_tick
 *
 * Any command or event may change what session_output and session_deadline answer.
 *
 * Failure: the first fault sticks. Exactly one SESSION_EV_FAILED comes, the output may end with a
 * DISCONNECT, and every later call is a harmless no-op.
 */
#ifndef CULVERT_PROTO_SESSION_H
#define CULVERT_PROTO_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "crypto/entropy.h"
#include "proto/cell.h"
#include "proto/err.h"
#include "proto/limits.h"

struct session;

enum session_role { SESSION_CLIENT, SESSION_SERVER };

/* Where growing tables come from. NULL from take: the request at hand is refused; only an answer
 * that must be kept and can't be ends the session. */
struct session_memory {
    void *(*take)(void *ctx, size_t size);
    void (*give)(void *ctx, void *block, size_t size);
    void *ctx;
};

#define SESSION_ALIVE_FOREVER UINT32_MAX

/* Everything a session is told at its start; strings and blobs must live as long as the session. */
struct session_config {
    enum session_role role;
    struct entropy entropy;
    struct session_memory memory;
    struct cell_source cells;

    /* software version and comment behind "SSH-2.0-", such as "culvert_0.1" */
    const char *software;

    /* comma lists in order of preference; NULL: our default order */
    const char *kex_algorithms;
    const char *hostkey_algorithms;
    const char *ciphers;
    /* offered for the peers that insist on a list; with AEAD ciphers it decides nothing */
    const char *macs;

    /* rekey after so many bytes in one direction (0: the cipher's own limit) or so much time (0:
     * LIMIT_REKEY_NS), whatever comes first; packets are always counted */
    uint64_t rekey_bytes;
    int64_t rekey_ns;

    /* keepalive requests after this much silence (0: none), and how many may stay unanswered
     * (SESSION_ALIVE_FOREVER: any number) */
    int64_t alive_ns;
    uint32_t alive_max;

    /* server: its host key in SSH form; the text of the banner, or NULL; failed tries per login;
     * time for the whole login (0: none) */
    const uint8_t *hostkey;
    size_t hostkey_len;
    const char *banner;
    uint32_t auth_tries_max;
    int64_t login_ns;

    /* client: who logs in; whether a server may let us in without a proof; time until the first
     * key exchange is done (0: none) */
    const char *user;
    bool allow_trivial_auth;
    int64_t connect_ns;

    /* channels at once, at most LIMIT_CHANNELS; 0: that */
    uint32_t channels_max;
};

/* Bytes that session_make wants, aligned for any type. */
size_t session_size(void);
/* memory is the caller's and outlives the session; now in nanoseconds of a monotonic clock. The
 * identification line is ready to be sent at once. */
struct session *session_make(void *memory, const struct session_config *config, int64_t now);
/* Gives all cells and memory back and wipes the keys. */
void session_free(struct session *session);

/* ---- bytes and time ------------------------------------------------------------------------ */

/*
 * Lends bytes[0..len), which the session decrypts in place. Only when the last feed was taken back
 * with session_rest. Slices in data events point into it and stay good until the caller reuses the
 * memory.
 */
void session_feed(struct session *session, uint8_t *bytes, size_t len);
/* Ends the feed: what was not consumed (an incomplete packet, or input that waits for a verdict)
 * must be the beginning of the next feed. */
void session_rest(struct session *session, uint8_t **ret_bytes, size_t *ret_len);
/* The peer closed its side. */
void session_feed_eof(struct session *session);
/* True while input waits for one of our own answers (verdict, signature, room for replies): more
 * bytes don't help now. */
bool session_stalled(const struct session *session);

/*
 * What to send next, in order, as up to max pieces; the number of pieces. The memory stays in place
 * until session_sent. Window adjusts, answers and everything else that was due is in it.
 */
int session_output(struct session *session, int64_t now, struct iovec *iov, int max);
void session_sent(struct session *session, size_t len);
/* Bytes that wait to be sent, and the cells that hold them. */
size_t session_queued_cells(const struct session *session);
size_t session_queued(const struct session *session);

/* When session_tick is due next, INT64_MAX: never. */
int64_t session_deadline(const struct session *session);
void session_tick(struct session *session, int64_t now);

/* ---- events -------------------------------------------------------------------------------- */

enum session_event_kind {
    SESSION_EV_VERSION,   /* the peer's identification: text */
    SESSION_EV_KEX,       /* keys are in use: kex */
    SESSION_EV_HOSTKEY,   /* client: judge blob, answer session_hostkey_verdict */
    SESSION_EV_SIGN_HOST, /* server: sign blob with the host key, answer session_host_signature */
    SESSION_EV_AUTH_NEXT, /* client: offer a key or give up; text: methods that can continue,
                             partial */
    SESSION_EV_AUTH_SIGN, /* client: sign blob with the offered key: session_auth_signature */
    SESSION_EV_AUTH_REQUEST, /* server: may user log in with this key? session_auth_verdict */
    SESSION_EV_AUTH_OK,      /* both: channels may be opened now */
    SESSION_EV_AUTH_FAILED,  /* server: one try failed, for the log: text is the user */
    SESSION_EV_BANNER,       /* client: blob, bytes as sent, to be escaped */
    SESSION_EV_OPEN,         /* server: the peer wants a channel: confirm or refuse it */
    SESSION_EV_CONFIRMED,    /* our channel is open */
    SESSION_EV_REFUSED,      /* our channel was refused: code, text; its id is gone */
    SESSION_EV_DATA,         /* bytes for this channel; credit them with session_channel_consumed */
    SESSION_EV_EOF,          /* no more data from the peer on this channel */
    SESSION_EV_CLOSE,        /* the peer closed; finish and call session_channel_close */
    SESSION_EV_WINDOW,       /* this channel's budget is no longer 0 */
    SESSION_EV_WRITABLE,     /* budgets that were 0 because of a key exchange are back */
    SESSION_EV_ALIVE,        /* the peer answered a keepalive or a ping: ns is the round trip */
    SESSION_EV_DEBUG,        /* the peer's DEBUG message: text */
    SESSION_EV_DISCONNECT,   /* the peer said goodbye: code, text; FAILED follows */
    SESSION_EV_FAILED,       /* the end: err, text says what and why */
};

struct session_kex {
    bool first;
    bool strict;
    const char *kex;
    const char *hostkey;
    const char *cipher_in;
    const char *cipher_out;
};

struct session_event {
    enum session_event_kind kind;
    enum err err;
    /* channel events: our number, the peer's number, what session_channel_open or
     * session_channel_confirm was given */
    uint32_t channel;
    uint32_t remote;
    void *owner;
    /* RFC code of a refusal or disconnect */
    uint32_t code;
    bool partial;
    /* AUTH_REQUEST: signed and verified (false: only asks whether the key would do) */
    bool is_signed;
    int64_t ns;
    const struct session_kex *kex;
    /* AUTH_REQUEST: the user; OPEN: the target host. NUL-terminated, may hold any other byte */
    const char *text;
    /* AUTH_REQUEST: the key's algorithm; OPEN: the originator */
    const char *text2;
    uint16_t port;
    uint16_t port2;
    /* DATA, HOSTKEY, SIGN_HOST, AUTH_SIGN, AUTH_REQUEST (the key) */
    const uint8_t *blob;
    size_t blob_len;
};

/*
 * The next event; false: none now. Pointers in it live until the next call, the blob of DATA until
 * the memory of its feed is reused.
 */
bool session_next(struct session *session, int64_t now, struct session_event *ret_event);

/* ---- answers and commands ------------------------------------------------------------------ */

void session_hostkey_verdict(struct session *session, bool accepted);
/* signature in SSH form (string algorithm, string bytes); len 0: it could not be made. */
void session_host_signature(struct session *session, const uint8_t *signature, size_t len);

/* Client: the server's server-sig-algs list, "" when it sent none (RFC 8308 3.1). */
const char *session_signature_algorithms(const struct session *session);
/*
 * Client: try this key. With probe the server is asked first whether it would do, without it the
 * signature is made at once. algorithm may differ from the key's own type (rsa-sha2-512).
 */
void session_auth_offer(struct session *session, const char *algorithm, const uint8_t *blob,
                        size_t len, bool probe);
/* signature in SSH form; len 0: it could not be made, the next AUTH_NEXT comes. */
void session_auth_signature(struct session *session, const uint8_t *signature, size_t len);
/* Client: there is nothing left to offer; the session ends. */
void session_auth_give_up(struct session *session);
/* Server: the answer to AUTH_REQUEST. */
void session_auth_verdict(struct session *session, bool allowed);

/* The session id (RFC 4253 7.2), 32 or 64 bytes; *ret_len 0 before the first exchange. */
const uint8_t *session_id(const struct session *session, size_t *ret_len);
bool session_authenticated(const struct session *session);
bool session_failed(const struct session *session);

enum { SESSION_NO_CHANNEL = 0xffffffff };

/* Client: asks for a direct-tcpip channel (RFC 4254 7.2). SESSION_NO_CHANNEL: no number or memory
 * left, or the session can't open channels. */
uint32_t session_channel_open(struct session *session, const char *host, uint16_t port,
                              const char *originator, uint16_t originator_port, void *owner);
/* Server: answers OPEN, at any later time. */
void session_channel_confirm(struct session *session, uint32_t channel, void *owner);

/* Reasons of RFC 4254 5.1. */
enum open_failure {
    OPEN_PROHIBITED = 1,
    OPEN_CONNECT_FAILED = 2,
    OPEN_UNKNOWN_TYPE = 3,
    OPEN_RESOURCE_SHORTAGE = 4,
};
void session_channel_refuse(struct session *session, uint32_t channel, enum open_failure reason,
                            const char *text);
/* The owner of an OPEN event's channel before it is confirmed; also changes a later one. */
void session_channel_set_owner(struct session *session, uint32_t channel, void *owner);

/* Bytes that may be written to the channel now: what is left of the peer's window; 0 while keys
 * are exchanged, after eof, or before the confirmation. */
size_t session_channel_budget(const struct session *session, uint32_t channel);
/* The most that one cell may carry. */
size_t session_channel_packet_max(const struct session *session, uint32_t channel);
/*
 * Sends the cell's payload as one CHANNEL_DATA; the cell is the session's from here on. At most
 * session_channel_packet_max bytes, and not more in all than the last budget (a key exchange that
 * began meanwhile is no obstacle: the cell waits).
 */
void session_channel_write(struct session *session, uint32_t channel, struct cell *cell);
/* len bytes of DATA events have left our hands: the window may be granted again. */
void session_channel_consumed(struct session *session, uint32_t channel, size_t len);
/* No more data from us; the other direction goes on. */
void session_channel_eof(struct session *session, uint32_t channel);
/* Ends the channel. The id and the owner are not used again: no later event names them. Also right
 * for a channel whose confirmation is outstanding. */
void session_channel_close(struct session *session, uint32_t channel);

/* Asks the peer for a sign of life: ping@openssh.com where it offers that, keepalive otherwise. */
void session_ping(struct session *session);
/* Starts a key exchange now, if none is running. */
void session_rekey(struct session *session);
/* Says goodbye and ends the session; FAILED with ERR_LOCAL follows. */
void session_disconnect(struct session *session, enum disconnect_reason reason, const char *text);

struct session_stats {
    uint64_t packets_in, packets_out;
    uint64_t bytes_in, bytes_out;
    uint64_t rekeys;
    uint32_t channels;
};
struct session_stats session_stats(const struct session *session);

#endif
