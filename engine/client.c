/*
 * The client's role: what each event of its session means, and how it ends.
 */
#include "engine/client.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/connection.h"
#include "engine/dialer.h"
#include "engine/forwards.h"
#include "engine/log.h"
#include "engine/relay.h"
#include "proto/keytext.h"
#include "proto/wire.h"

enum {
    END_TEXT_MAX = 1024,
    /* flags of a sign request to an agent (draft-miller-ssh-agent) */
    SIGN_RSA_SHA2_256 = 2,
    SIGN_RSA_SHA2_512 = 4,
};

struct client {
    struct worker *worker;
    struct client_config config;
    int64_t started;
    bool begun;
    bool stopping;
    bool ready;
    bool ended;

    struct dialer *dialer;
    struct connection *connection;
    struct sockaddr_storage peer;
    struct forwards *forwards;

    /* the question to the broker that is out */
    uint64_t ticket;
    /* index of the key to offer next; the one on offer is before it */
    size_t next_identity;
    uint32_t sign_flags;
    bool said_goodbye;

    /* how it ended, decided by the first reason */
    enum err err;
    bool reason_known;
    char reason[END_TEXT_MAX];
    char methods[LIMIT_METHODS + 1];
};

/* ---- the end -------------------------------------------------------------------------------- */

static const char *shown(const struct client *client)
{
    return client->config.host_shown != NULL ? client->config.host_shown : client->config.host;
}

__attribute__((format(printf, 2, 3))) static void note_reason(struct client *client,
                                                              const char *format, ...)
{
    if (client->reason_known) {
        return;
    }
    client->reason_known = true;
    va_list args;
    va_start(args, format);
    vsnprintf(client->reason, sizeof(client->reason), format, args);
    va_end(args);
}

static void let_go(struct client *client)
{
    worker_ask_cancel(client->worker, client->ticket);
    client->ticket = 0;
    forwards_stop(client->forwards);
    client->forwards = NULL;
}

static void end(struct client *client)
{
    if (client->ended) {
        return;
    }
    client->ended = true;
    let_go(client);
    struct client_end how = {
        .stopped = client->stopping,
        .was_ready = client->ready,
        .err = client->err,
        .text = client->stopping ? "" : client->reason,
    };
    if (client->config.on_end != NULL) {
        client->config.on_end(client->config.ctx, &how);
    }
}

static void explain_loss(struct client *client)
{
    const char *peer = connection_peer(client->connection);
    int error = connection_os_error(client->connection);
    if (client->said_goodbye) {
        note_reason(client, "Disconnected from %s", peer);
    } else if (error == 0) {
        note_reason(client, "Connection closed by %s", peer);
    } else if (error == ECONNRESET || error == EPIPE) {
        note_reason(client, "Connection reset by %s", peer);
    } else if (error == ETIMEDOUT) {
        note_reason(client, "Connection to %s timed out", peer);
    } else {
        note_reason(client, "Connection to %s failed: %s", peer, strerror(error));
    }
}

static void explain_failure(struct client *client, const struct session_event *event)
{
    const char *peer = connection_peer(client->connection);
    client->err = event->err;
    switch (event->err) {
    case ERR_LOCAL:
        note_reason(client, "%s", "");
        break;
    case ERR_HOSTKEY:
        note_reason(client, "Host key verification failed.");
        break;
    case ERR_AUTH_NONE_LEFT:
        note_reason(client, "%s@%s: Permission denied (%s).", client->config.session.user,
                    shown(client), client->methods[0] != '\0' ? client->methods : "publickey");
        break;
    case ERR_EOF:
        explain_loss(client);
        break;
    case ERR_TIMEOUT:
        if (client->ready) {
            note_reason(client, "Timeout, server %s not responding.", shown(client));
        } else {
            note_reason(client, "Connection to %s timed out: %s", peer, event->text);
        }
        break;
    case ERR_NO_COMMON:
        note_reason(client, "Unable to negotiate with %s: %s", peer, event->text);
        break;
    default:
        note_reason(client, "Connection to %s: %s", peer, event->text);
        break;
    }
}

/* ---- host key ------------------------------------------------------------------------------- */

static void describe_key(struct slice blob, char *ret_text, size_t size)
{
    char fingerprint[KEYTEXT_FINGERPRINT_SIZE];
    keytext_fingerprint(blob, fingerprint);
    struct slice type = keytext_type(blob);
    snprintf(ret_text, size, "%s %s", keytext_short_name(type), fingerprint);
}

static void host_checked(void *ctx, const struct broker_reply *reply)
{
    struct client *client = ctx;
    client->ticket = 0;
    bool accepted = reply->error == 0 && reply->allowed;
    if (!accepted && reply->error != 0) {
        log_line(LEVEL_ERROR, "cannot check the host key: %s",
                 reply->text[0] != '\0' ? reply->text : strerror(-reply->error));
    }
    session_hostkey_verdict(connection_session(client->connection), accepted);
    connection_wake(client->connection);
}

/* Sends a question; refused or not possible counts as an answer that comes at once. */
static void ask(struct client *client, struct broker_request *request, worker_reply_fn *fn)
{
    client->ticket = worker_ask(client->worker, request, fn, client);
    if (client->ticket == 0) {
        static const struct broker_reply busy = {.error = -EAGAIN};
        fn(client, &busy);
    }
}

static struct broker_request *make_request(enum broker_kind kind, const struct session_event *event)
{
    if (event->blob_len > BROKER_BLOB_MAX) {
        return NULL;
    }
    struct broker_request *request = calloc(1, sizeof(*request));
    if (request != NULL) {
        request->kind = kind;
        request->blob_len = (uint32_t)event->blob_len;
        memcpy(request->blob, event->blob, event->blob_len);
    }
    return request;
}

static void check_host(struct client *client, const struct session_event *event)
{
    struct session *session = connection_session(client->connection);
    char key[KEYTEXT_FINGERPRINT_SIZE + 64];
    describe_key((struct slice){event->blob, event->blob_len}, key, sizeof(key));
    log_line(LEVEL_DEBUG1, "Server host key: %s", key);
    struct broker_request *request = make_request(BROKER_CHECK_HOST, event);
    if (request == NULL || strlen(client->config.host) >= sizeof(request->host)) {
        free(request);
        session_hostkey_verdict(session, false);
        return;
    }
    strcpy(request->host, client->config.host);
    request->port = client->config.port;
    request->peer = client->peer;
    ask(client, request, host_checked);
    free(request);
}

/* ---- login ---------------------------------------------------------------------------------- */

static const char *choose_algorithm(struct client *client, struct slice type, char *ret_name,
                                    size_t size)
{
    client->sign_flags = 0;
    if (!slice_is(type, "ssh-rsa")) {
        if (type.len == 0 || type.len >= size) {
            return NULL;
        }
        memcpy(ret_name, type.bytes, type.len);
        ret_name[type.len] = '\0';
        return ret_name;
    }
    const char *list = session_signature_algorithms(connection_session(client->connection));
    struct slice names = {(const uint8_t *)list, strlen(list)};
    static const char strong[] = "rsa-sha2-512";
    static const char other[] = "rsa-sha2-256";
    /* a server that tells nothing is new enough for the strong one (RFC 8332 3.3) */
    if (names.len == 0 || names_have(names, (struct slice){(const uint8_t *)strong, 12})) {
        client->sign_flags = SIGN_RSA_SHA2_512;
        return strong;
    }
    if (names_have(names, (struct slice){(const uint8_t *)other, 12})) {
        client->sign_flags = SIGN_RSA_SHA2_256;
        return other;
    }
    return NULL;
}

static bool offer(struct client *client, const struct client_identity *identity)
{
    struct slice blob = {identity->blob, identity->blob_len};
    char key[KEYTEXT_FINGERPRINT_SIZE + 64];
    char name[LIMIT_NAME + 1];
    describe_key(blob, key, sizeof(key));
    const char *shown_name = identity->name != NULL ? identity->name : "key";
    const char *algorithm = blob.len > LIMIT_KEY_BLOB
                                ? NULL
                                : choose_algorithm(client, keytext_type(blob), name, sizeof(name));
    if (algorithm == NULL) {
        log_line(LEVEL_DEBUG1, "Skipping %s %s: no signature algorithm in common", shown_name, key);
        return false;
    }
    log_line(LEVEL_DEBUG1, "Offering public key: %s %s", shown_name, key);
    session_auth_offer(connection_session(client->connection), algorithm, identity->blob,
                       identity->blob_len, identity->probe);
    return true;
}

static void auth_next(struct client *client, const struct session_event *event)
{
    const char *methods = event->text != NULL ? event->text : "";
    snprintf(client->methods, sizeof(client->methods), "%s", methods);
    if (event->partial) {
        log_line(LEVEL_DEBUG1, "Authenticated using \"publickey\" with partial success.");
    }
    log_line(LEVEL_DEBUG1, "Authentications that can continue: %s", methods);
    struct slice names = {(const uint8_t *)methods, strlen(methods)};
    static const char method[] = "publickey";
    bool possible = names_have(names, (struct slice){(const uint8_t *)method, sizeof(method) - 1});
    while (possible && client->next_identity < client->config.identities_count) {
        if (offer(client, &client->config.identities[client->next_identity++])) {
            return;
        }
    }
    log_line(LEVEL_DEBUG1, "No more authentication methods to try.");
    session_auth_give_up(connection_session(client->connection));
}

static void signed_by_user(void *ctx, const struct broker_reply *reply)
{
    struct client *client = ctx;
    client->ticket = 0;
    struct session *session = connection_session(client->connection);
    if (reply->error != 0 || reply->blob_len == 0) {
        const struct client_identity *identity =
            &client->config.identities[client->next_identity - 1];
        log_line(LEVEL_ERROR, "signing failed for %s: %s",
                 identity->name != NULL ? identity->name : "key",
                 reply->text[0] != '\0' ? reply->text : strerror(-reply->error));
        session_auth_signature(session, NULL, 0);
    } else {
        session_auth_signature(session, reply->blob, reply->blob_len);
    }
    connection_wake(client->connection);
}

static void auth_sign(struct client *client, const struct session_event *event)
{
    assert(client->next_identity > 0);
    const struct client_identity *identity = &client->config.identities[client->next_identity - 1];
    if (identity->probe) {
        log_line(LEVEL_DEBUG1, "Server accepts key: %s",
                 identity->name != NULL ? identity->name : "key");
    }
    struct broker_request *request = make_request(BROKER_SIGN_USER, event);
    if (request == NULL) {
        session_auth_signature(connection_session(client->connection), NULL, 0);
        return;
    }
    request->identity = identity->index;
    request->flags = client->sign_flags;
    ask(client, request, signed_by_user);
    free(request);
}

/* ---- forwards ------------------------------------------------------------------------------- */

static void forwards_settled(void *ctx, size_t failed)
{
    struct client *client = ctx;
    if (failed > 0) {
        log_line(LEVEL_ERROR, "Could not request local forwarding.");
    }
    if (failed > 0 && client->config.exit_on_forward_failure) {
        note_reason(client, "Error: forwarding disabled: a local forward could not listen.");
        connection_disconnect(client->connection, DISCONNECT_BY_APPLICATION,
                              "disconnected by user");
        return;
    }
    client->ready = true;
    if (client->config.on_ready != NULL) {
        client->config.on_ready(client->config.ctx);
    }
}

static void logged_in(struct client *client)
{
    log_line(LEVEL_VERBOSE, "Authenticated to %s ([%s]:%u) using \"publickey\".", shown(client),
             connection_peer_ip(client->connection),
             (unsigned)connection_peer_port(client->connection));
    client->forwards =
        forwards_start(client->connection, &client->config, forwards_settled, client);
    if (client->forwards == NULL) {
        note_reason(client, "out of memory");
        connection_disconnect(client->connection, DISCONNECT_BY_APPLICATION,
                              "disconnected by user");
    }
}

static const char *refusal_word(uint32_t code)
{
    switch (code) {
    case OPEN_PROHIBITED:
        return "administratively prohibited";
    case OPEN_CONNECT_FAILED:
        return "connect failed";
    case OPEN_UNKNOWN_TYPE:
        return "unknown channel type";
    case OPEN_RESOURCE_SHORTAGE:
        return "resource shortage";
    default:
        return "unknown reason";
    }
}

/* ---- events --------------------------------------------------------------------------------- */

static void log_kex(const struct session_kex *kex)
{
    log_line(LEVEL_DEBUG1, "kex: algorithm: %s%s", kex->kex, kex->strict ? " (strict)" : "");
    log_line(LEVEL_DEBUG1, "kex: host key algorithm: %s", kex->hostkey);
    log_line(LEVEL_DEBUG1, "kex: server->client cipher: %s MAC: <implicit> compression: none",
             kex->cipher_in);
    log_line(LEVEL_DEBUG1, "kex: client->server cipher: %s MAC: <implicit> compression: none",
             kex->cipher_out);
    if (!kex->first) {
        log_line(LEVEL_DEBUG1, "rekeyed");
    }
}

static void channel_event(struct client *client, const struct session_event *event)
{
    (void)client;
    if (event->kind == SESSION_EV_CONFIRMED) {
        log_line(LEVEL_DEBUG1, "channel %u: open confirmed as remote channel %u", event->channel,
                 event->remote);
        relay_open(event->owner, event->channel, event->remote);
    } else {
        log_line(LEVEL_INFO, "channel %u: open failed: %s: %s", event->channel,
                 refusal_word(event->code), event->text);
        relay_refused(event->owner);
    }
}

static void notice_event(struct client *client, const struct session_event *event)
{
    switch (event->kind) {
    case SESSION_EV_VERSION:
        log_line(LEVEL_DEBUG1, "Remote identification: %s", event->text);
        break;
    case SESSION_EV_KEX:
        log_kex(event->kex);
        break;
    case SESSION_EV_BANNER:
        if (client->config.on_banner != NULL) {
            client->config.on_banner(client->config.ctx, event->blob, event->blob_len);
        }
        break;
    case SESSION_EV_ALIVE:
        log_line(LEVEL_DEBUG2, "server is alive, round trip %.3f ms", (double)event->ns / 1e6);
        break;
    case SESSION_EV_DEBUG:
        log_line(LEVEL_DEBUG1, "Remote: %s", event->text);
        break;
    case SESSION_EV_DISCONNECT:
        client->said_goodbye = true;
        log_line(event->code == DISCONNECT_BY_APPLICATION ? LEVEL_INFO : LEVEL_ERROR,
                 "Received disconnect from %s:%u: %s", connection_peer(client->connection),
                 event->code, event->text);
        break;
    default:
        break;
    }
}

static void on_event(void *role, const struct session_event *event)
{
    struct client *client = role;
    switch (event->kind) {
    case SESSION_EV_HOSTKEY:
        check_host(client, event);
        break;
    case SESSION_EV_AUTH_NEXT:
        auth_next(client, event);
        break;
    case SESSION_EV_AUTH_SIGN:
        auth_sign(client, event);
        break;
    case SESSION_EV_AUTH_OK:
        logged_in(client);
        break;
    case SESSION_EV_CONFIRMED:
    case SESSION_EV_REFUSED:
        channel_event(client, event);
        break;
    case SESSION_EV_FAILED:
        explain_failure(client, event);
        let_go(client);
        break;
    default:
        notice_event(client, event);
        break;
    }
}

static void on_closed(void *role)
{
    struct client *client = role;
    struct session_stats stats = session_stats(connection_session(client->connection));
    log_line(LEVEL_DEBUG1, "Transferred: sent %llu, received %llu bytes, in %.1f seconds",
             (unsigned long long)stats.bytes_out, (unsigned long long)stats.bytes_in,
             (double)(worker_now(client->worker) - client->started) / 1e9);
    client->connection = NULL;
    end(client);
}

static const struct connection_ops client_ops = {.on_event = on_event, .on_closed = on_closed};

/* ---- reaching the server --------------------------------------------------------------------- */

static void dialed(void *ctx, const struct dialer_result *result)
{
    struct client *client = ctx;
    client->dialer = NULL;
    if (result->fd < 0) {
        if (result->lookup_failed) {
            note_reason(client, "Could not resolve hostname %s: %s", client->config.host,
                        result->text);
        } else {
            note_reason(client, "connect to host %s port %u: %s", shown(client),
                        (unsigned)client->config.port, result->text);
        }
        end(client);
        return;
    }
    log_line(LEVEL_DEBUG1, "Connection established.");
    client->peer = result->addr;
    struct connection_config config = {
        .fd = result->fd,
        .peer = result->addr,
        .session = client->config.session,
        .role = SESSION_CLIENT,
        .tcp_keepalive = client->config.tcp_keepalive,
        .ops = &client_ops,
        .owner = client,
    };
    if (client->config.connect_timeout_ns != 0) {
        /* one limit for all that comes before the login */
        int64_t left =
            client->started + client->config.connect_timeout_ns - worker_now(client->worker);
        config.session.connect_ns = left > 1 ? left : 1;
    }
    client->connection = connection_make(client->worker, &config);
    if (client->connection == NULL) {
        note_reason(client, "out of memory");
        end(client);
    }
}

/* ---- from outside ---------------------------------------------------------------------------- */

struct client *client_make(struct worker *worker, const struct client_config *config)
{
    struct client *client = calloc(1, sizeof(*client));
    if (client != NULL) {
        client->worker = worker;
        client->config = *config;
    }
    return client;
}

void client_start(struct client *client)
{
    assert(!client->begun);
    client->begun = true;
    client->started = worker_now(client->worker);
    log_line(LEVEL_DEBUG1, "Connecting to %s port %u.", client->config.host,
             (unsigned)client->config.port);
    struct dialer_config config = {
        .host = client->config.host,
        .port = client->config.port,
        .family = client->config.family,
        .bind_address = client->config.bind_address,
        .timeout_ns = client->config.connect_timeout_ns,
        .on_done = dialed,
        .ctx = client,
    };
    client->dialer = dialer_start(client->worker, &config);
    if (client->dialer == NULL) {
        note_reason(client, "out of memory");
        end(client);
    }
}

void client_stop(struct client *client)
{
    if (client->ended || client->stopping) {
        return;
    }
    if (client->reason_known) {
        /* it is ending already, for a reason of its own */
        return;
    }
    client->stopping = true;
    if (client->connection != NULL) {
        connection_disconnect(client->connection, DISCONNECT_BY_APPLICATION,
                              "disconnected by user");
        return;
    }
    if (client->dialer != NULL) {
        dialer_cancel(client->dialer);
        client->dialer = NULL;
    }
    end(client);
}

void client_free(struct client *client)
{
    if (client == NULL) {
        return;
    }
    client->ended = true;
    let_go(client);
    if (client->dialer != NULL) {
        dialer_cancel(client->dialer);
    }
    if (client->connection != NULL) {
        connection_abort(client->connection);
    }
    while (client->connection != NULL && worker_turn(client->worker) == 0) {
    }
    free(client);
}

uint16_t client_forward_port(const struct client *client, size_t index)
{
    return client->forwards == NULL ? 0 : forwards_port(client->forwards, index);
}

size_t client_channels(const struct client *client)
{
    return client->connection == NULL ? 0 : connection_relays(client->connection);
}
