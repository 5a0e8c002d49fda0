/*
 * The peer's faults as names, sentences and disconnect reasons.
 */
#include "proto/err.h"

#include <assert.h>

struct err_row {
    const char *name;
    const char *text;
    uint32_t reason;
};

static const struct err_row rows[ERR_COUNT] = {
    [ERR_OK] = {"ok", "no error", 0},
    [ERR_VERSION] = {"version", "the peer does not speak SSH 2", DISCONNECT_VERSION_NOT_SUPPORTED},
    [ERR_VERSION_LONG] = {"version-long",
                          "the peer's identification is longer than SSH allows, it is probably no "
                          "SSH peer",
                          DISCONNECT_PROTOCOL_ERROR},
    [ERR_PACKET_LENGTH] = {"packet-length", "bad packet length, the stream is damaged or no SSH",
                           DISCONNECT_PROTOCOL_ERROR},
    [ERR_MAC] = {"mac", "message authentication code incorrect, a packet was damaged or forged",
                 DISCONNECT_MAC_ERROR},
    [ERR_MALFORMED] = {"malformed", "the peer sent a message whose fields don't fit its type",
                       DISCONNECT_PROTOCOL_ERROR},
    [ERR_UNEXPECTED] = {"unexpected", "the peer sent a message that is not allowed at this point",
                        DISCONNECT_PROTOCOL_ERROR},
    [ERR_NO_COMMON] = {"no-common-algorithm", "no algorithm in common with the peer",
                       DISCONNECT_KEY_EXCHANGE_FAILED},
    [ERR_KEX] = {"kex", "the peer's key share or its signature over the key exchange is wrong",
                 DISCONNECT_KEY_EXCHANGE_FAILED},
    [ERR_HOSTKEY] = {"hostkey", "the server's host key was not accepted",
                     DISCONNECT_HOST_KEY_NOT_VERIFIABLE},
    [ERR_NO_STRICT] = {"no-strict-kex",
                       "the only ciphers in common are unsafe without strict key exchange, which "
                       "the peer lacks",
                       DISCONNECT_KEY_EXCHANGE_FAILED},
    [ERR_SERVICE] = {"service", "the peer asked for a service that is not there",
                     DISCONNECT_SERVICE_NOT_AVAILABLE},
    [ERR_AUTH_TRIES] = {"auth-tries", "too many authentication failures",
                        DISCONNECT_PROTOCOL_ERROR},
    [ERR_AUTH_CHANGED] = {"auth-changed",
                          "the user or service name changed between authentication requests",
                          DISCONNECT_PROTOCOL_ERROR},
    [ERR_AUTH_NONE_LEFT] = {"auth-none-left",
                            "permission denied, no authentication method is left to try",
                            DISCONNECT_NO_MORE_AUTH_METHODS},
    [ERR_AUTH_TRIVIAL] = {"auth-trivial",
                          "the server let us in without asking for a proof of who we are",
                          DISCONNECT_BY_APPLICATION},
    [ERR_CHANNEL] = {"channel", "the peer sent a message for a channel that is not open",
                     DISCONNECT_PROTOCOL_ERROR},
    [ERR_WINDOW] = {"window",
                    "the peer sent more data than its window, or grew a window past its "
                    "limit",
                    DISCONNECT_PROTOCOL_ERROR},
    [ERR_FLOOD] = {"flood", "the peer sent more requests than it may", DISCONNECT_PROTOCOL_ERROR},
    [ERR_KEYS_WORN] = {"keys-worn", "the session keys reached their limit without a new exchange",
                       DISCONNECT_PROTOCOL_ERROR},
    [ERR_TIMEOUT] = {"timeout", "the peer did not answer in time", DISCONNECT_BY_APPLICATION},
    [ERR_EOF] = {"eof", "the peer closed the connection", 0},
    [ERR_MEMORY] = {"memory", "out of memory for this connection", DISCONNECT_BY_APPLICATION},
    [ERR_LOCAL] = {"local", "ended by the local user", DISCONNECT_BY_APPLICATION},
};

static const struct err_row *row_of(enum err err)
{
    assert((unsigned)err < ERR_COUNT);
    return &rows[err];
}

const char *err_name(enum err err)
{
    return row_of(err)->name;
}

const char *err_text(enum err err)
{
    return row_of(err)->text;
}

uint32_t err_reason(enum err err)
{
    return row_of(err)->reason;
}
