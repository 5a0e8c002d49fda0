/*
 * One connection of the server's: who it is, and where its channels go.
 */
#include "engine/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/connection.h"
#include "engine/dialer.h"
#include "engine/log.h"
#include "engine/relay.h"
#include "proto/keytext.h"

#define DIAL_NS (INT64_C(10000000000))

enum { WHAT_MAX = 1400, WHO_MAX = 512 };

/* A channel that waits for its target. */
struct opening {
    struct opening *next, *prev;
    struct guest *guest;
    struct dialer *dialer;
    bool dialing;
    uint32_t channel;
    uint32_t remote;
    uint16_t port;
    uint16_t origin_port;
    char *host;
    char *origin;
};

struct guest {
    struct guest *next, *prev;
    struct worker *worker;
    const struct server_config *config;
    struct guest_hooks hooks;
    struct connection *connection;
    struct sockaddr_storage peer;

    uint64_t sign_ticket;
    uint64_t auth_ticket;
    /* the AUTH_REQUEST that is judged */
    bool auth_signed;
    char key[KEYTEXT_FINGERPRINT_SIZE + 64];

    bool logged_in;
    bool said_goodbye;
    char user[BROKER_USER_MAX + 1];
    /* what the admitting line of authorized_keys allows */
    struct policy *policy;

    /* in the order they came: first those that are dialed, then those that wait */
    struct opening *openings;
    struct opening *openings_last;
    struct opening *first_waiting;
    size_t dials;
};

/* "user u 192.0.2.1 port 4711", as sshd says it. */
static const char *who(const struct guest *guest, char text[WHO_MAX])
{
    const char *peer = connection_peer(guest->connection);
    if (guest->logged_in) {
        snprintf(text, WHO_MAX, "user %s %s", guest->user, peer);
    } else if (guest->user[0] != '\0') {
        snprintf(text, WHO_MAX, "authenticating user %s %s", guest->user, peer);
    } else {
        snprintf(text, WHO_MAX, "%s", peer);
    }
    return text;
}

static struct session *session_of(const struct guest *guest)
{
    return connection_session(guest->connection);
}

/* ---- login ---------------------------------------------------------------------------------- */

static struct broker_request *make_request(const struct guest *guest, enum broker_kind kind,
                                           const struct session_event *event)
{
    if (event->blob_len > BROKER_BLOB_MAX) {
        return NULL;
    }
    struct broker_request *request = calloc(1, sizeof(*request));
    if (request != NULL) {
        request->kind = kind;
        request->peer = guest->peer;
        request->blob_len = (uint32_t)event->blob_len;
        memcpy(request->blob, event->blob, event->blob_len);
    }
    return request;
}

static void host_signed(void *ctx, const struct broker_reply *reply)
{
    struct guest *guest = ctx;
    guest->sign_ticket = 0;
    bool good = reply->error == 0 && reply->blob_len > 0;
    if (!good) {
        log_line(LEVEL_ERROR, "signing with the host key failed: %s",
                 reply->text[0] != '\0' ? reply->text : strerror(-reply->error));
    }
    session_host_signature(session_of(guest), good ? reply->blob : NULL,
                           good ? reply->blob_len : 0);
    connection_wake(guest->connection);
}

static void sign_host(struct guest *guest, const struct session_event *event)
{
    struct broker_request *request = make_request(guest, BROKER_SIGN_HOST, event);
    if (request != NULL) {
        guest->sign_ticket = worker_ask(guest->worker, request, host_signed, guest);
    }
    free(request);
    if (guest->sign_ticket == 0) {
        log_line(LEVEL_ERROR, "signing with the host key failed: too many requests wait");
        session_host_signature(session_of(guest), NULL, 0);
    }
}

/* What a line allows is needed only for the real thing, not for a question. */
static bool keep_policy(struct guest *guest, const struct broker_reply *reply)
{
    if (!guest->auth_signed) {
        return true;
    }
    policy_free(guest->policy);
    guest->policy = policy_from_options((const char *)reply->blob, reply->blob_len);
    return guest->policy != NULL;
}

static void authorized(void *ctx, const struct broker_reply *reply)
{
    struct guest *guest = ctx;
    guest->auth_ticket = 0;
    bool allowed = reply->error == 0 && reply->allowed && keep_policy(guest, reply);
    if (reply->text[0] != '\0') {
        log_line(LEVEL_VERBOSE, "%s", reply->text);
    }
    if (guest->auth_signed) {
        log_line(allowed ? LEVEL_INFO : LEVEL_VERBOSE, "%s publickey for %s from %s ssh2: %s",
                 allowed ? "Accepted" : "Failed", guest->user, connection_peer(guest->connection),
                 guest->key);
    } else {
        log_line(LEVEL_DEBUG1, "%s %s for %s from %s",
                 allowed ? "Postponed" : "Not admitted:", guest->key, guest->user,
                 connection_peer(guest->connection));
    }
    session_auth_verdict(session_of(guest), allowed);
    connection_wake(guest->connection);
}

static void authorize(struct guest *guest, const struct session_event *event)
{
    struct slice blob = {event->blob, event->blob_len};
    char fingerprint[KEYTEXT_FINGERPRINT_SIZE];
    keytext_fingerprint(blob, fingerprint);
    snprintf(guest->key, sizeof(guest->key), "%s %s", keytext_short_name(keytext_type(blob)),
             fingerprint);
    guest->auth_signed = event->is_signed;
    struct broker_request *request = make_request(guest, BROKER_AUTHORIZE, event);
    if (request != NULL && strlen(event->text) < sizeof(request->user)) {
        snprintf(request->user, sizeof(request->user), "%s", event->text);
        snprintf(guest->user, sizeof(guest->user), "%s", event->text);
        guest->auth_ticket = worker_ask(guest->worker, request, authorized, guest);
    }
    free(request);
    if (guest->auth_ticket == 0) {
        log_line(LEVEL_ERROR, "login of %s refused: too many requests wait",
                 connection_peer(guest->connection));
        session_auth_verdict(session_of(guest), false);
    }
}

/* ---- channels ------------------------------------------------------------------------------- */

static void opening_free(struct opening *opening)
{
    struct guest *guest = opening->guest;
    if (guest->first_waiting == opening) {
        guest->first_waiting = opening->next;
    }
    if (opening->prev != NULL) {
        opening->prev->next = opening->next;
    } else {
        guest->openings = opening->next;
    }
    if (opening->next != NULL) {
        opening->next->prev = opening->prev;
    } else {
        guest->openings_last = opening->prev;
    }
    guest->dials -= opening->dialing;
    free(opening->host);
    free(opening->origin);
    free(opening);
}

static void cancel_openings(struct guest *guest)
{
    while (guest->openings != NULL) {
        struct opening *opening = guest->openings;
        log_line(LEVEL_DEBUG1, "channel %u: connecting to %s port %u given up", opening->channel,
                 opening->host, (unsigned)opening->port);
        if (opening->dialer != NULL) {
            dialer_cancel(opening->dialer);
        }
        opening_free(opening);
    }
}

static void refuse(struct guest *guest, uint32_t channel, enum open_failure reason,
                   const char *text)
{
    session_channel_refuse(session_of(guest), channel, reason, text);
    connection_wake(guest->connection);
}

static void connect_channel(struct opening *opening, int fd)
{
    struct guest *guest = opening->guest;
    char what[WHAT_MAX];
    snprintf(what, sizeof(what), "direct-tcpip: %s port %u, originator %s port %u", opening->host,
             (unsigned)opening->port, opening->origin, (unsigned)opening->origin_port);
    struct relay *relay = relay_make(guest->connection, fd, what);
    if (relay == NULL) {
        io_close(worker_io(guest->worker), fd);
        refuse(guest, opening->channel, OPEN_RESOURCE_SHORTAGE, "out of memory");
        return;
    }
    session_channel_confirm(session_of(guest), opening->channel, relay);
    log_line(LEVEL_DEBUG1, "channel %u: confirmed to remote channel %u", opening->channel,
             opening->remote);
    relay_open(relay, opening->channel, opening->remote);
    connection_wake(guest->connection);
}

static void start_dials(struct guest *guest);

static void dialed(void *ctx, const struct dialer_result *result)
{
    struct opening *opening = ctx;
    struct guest *guest = opening->guest;
    opening->dialer = NULL;
    if (result->fd >= 0) {
        connect_channel(opening, result->fd);
    } else {
        log_line(LEVEL_INFO, "connect to %s port %u failed: %s", opening->host,
                 (unsigned)opening->port, result->text);
        refuse(guest, opening->channel, OPEN_CONNECT_FAILED, result->text);
    }
    opening_free(opening);
    start_dials(guest);
}

static bool dial(struct opening *opening)
{
    struct guest *guest = opening->guest;
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "channel %u: ", opening->channel);
    struct dialer_config config = {
        .asker = (uintptr_t)guest,
        .host = opening->host,
        .port = opening->port,
        .timeout_ns =
            guest->config->dial_timeout_ns != 0 ? guest->config->dial_timeout_ns : DIAL_NS,
        .prefix = prefix,
        .on_done = dialed,
        .ctx = opening,
    };
    opening->dialer = dialer_start(guest->worker, &config);
    return opening->dialer != NULL;
}

static void start_dials(struct guest *guest)
{
    while (guest->first_waiting != NULL && guest->dials < GUEST_DIALS_MAX) {
        struct opening *opening = guest->first_waiting;
        guest->first_waiting = opening->next;
        opening->dialing = true;
        guest->dials++;
        if (!dial(opening)) {
            refuse(guest, opening->channel, OPEN_RESOURCE_SHORTAGE, "out of memory");
            opening_free(opening);
        }
    }
}

static struct opening *opening_make(struct guest *guest, const struct session_event *event)
{
    struct opening *opening = calloc(1, sizeof(*opening));
    if (opening == NULL) {
        return NULL;
    }
    opening->guest = guest;
    opening->channel = event->channel;
    opening->remote = event->remote;
    opening->port = event->port;
    opening->origin_port = event->port2;
    opening->host = strdup(event->text);
    opening->origin = strdup(event->text2);
    opening->prev = guest->openings_last;
    if (opening->prev != NULL) {
        opening->prev->next = opening;
    } else {
        guest->openings = opening;
    }
    guest->openings_last = opening;
    if (guest->first_waiting == NULL) {
        guest->first_waiting = opening;
    }
    if (opening->host == NULL || opening->origin == NULL) {
        opening_free(opening);
        return NULL;
    }
    return opening;
}

static bool may_open(const struct guest *guest, const struct session_event *event)
{
    const char *why = NULL;
    const struct policy *policy = guest->config->policy;
    if ((policy == NULL || policy_may_open(policy, event->text, event->port, &why)) &&
        guest->policy != NULL && policy_may_open(guest->policy, event->text, event->port, &why)) {
        return true;
    }
    log_line(LEVEL_INFO, "refused local port forward: originator %s port %u, target %s port %u: %s",
             event->text2, (unsigned)event->port2, event->text, (unsigned)event->port,
             why != NULL ? why : "not allowed");
    return false;
}

static void open_channel(struct guest *guest, const struct session_event *event)
{
    log_line(LEVEL_DEBUG1,
             "channel %u (remote %u): open direct-tcpip to %s port %u, originator %s port %u",
             event->channel, event->remote, event->text, (unsigned)event->port, event->text2,
             (unsigned)event->port2);
    if (!may_open(guest, event)) {
        refuse(guest, event->channel, OPEN_PROHIBITED,
               "forwarding to this target is not permitted");
        return;
    }
    if (opening_make(guest, event) == NULL) {
        refuse(guest, event->channel, OPEN_RESOURCE_SHORTAGE, "out of memory");
        return;
    }
    start_dials(guest);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void let_go(struct guest *guest)
{
    worker_ask_cancel(guest->worker, guest->sign_ticket);
    worker_ask_cancel(guest->worker, guest->auth_ticket);
    guest->sign_ticket = 0;
    guest->auth_ticket = 0;
    cancel_openings(guest);
}

static void explain_loss(const struct guest *guest)
{
    char text[WHO_MAX];
    const char *phase = guest->logged_in ? "" : " [preauth]";
    int error = connection_os_error(guest->connection);
    if (guest->said_goodbye) {
        log_line(LEVEL_INFO, "Disconnected from %s%s", who(guest, text), phase);
    } else if (error == 0) {
        log_line(LEVEL_INFO, "Connection closed by %s%s", who(guest, text), phase);
    } else if (error == ECONNRESET || error == EPIPE) {
        log_line(LEVEL_INFO, "Connection reset by %s%s", who(guest, text), phase);
    } else {
        log_line(LEVEL_INFO, "Connection to %s lost: %s%s", who(guest, text), strerror(error),
                 phase);
    }
}

static void explain_failure(const struct guest *guest, const struct session_event *event)
{
    char text[WHO_MAX];
    const char *phase = guest->logged_in ? "" : " [preauth]";
    switch (event->err) {
    case ERR_EOF:
        explain_loss(guest);
        break;
    case ERR_LOCAL:
        log_line(LEVEL_INFO, "Disconnecting %s%s", who(guest, text), phase);
        break;
    case ERR_TIMEOUT:
        if (guest->logged_in) {
            log_line(LEVEL_INFO, "Timeout, client not responding from %s: %s", who(guest, text),
                     event->text);
        } else {
            log_line(LEVEL_INFO, "Timeout before authentication for %s: %s", who(guest, text),
                     event->text);
        }
        break;
    case ERR_AUTH_TRIES:
        log_line(LEVEL_ERROR, "maximum authentication attempts exceeded for %s%s", who(guest, text),
                 phase);
        break;
    case ERR_NO_COMMON:
        log_line(LEVEL_INFO, "Unable to negotiate with %s: %s%s", who(guest, text), event->text,
                 phase);
        break;
    case ERR_VERSION:
    case ERR_VERSION_LONG:
        log_line(LEVEL_INFO, "banner exchange: Connection from %s: %s", who(guest, text),
                 event->text);
        break;
    default:
        log_line(LEVEL_INFO, "Disconnecting %s: %s%s", who(guest, text), event->text, phase);
        break;
    }
}

/* ---- events --------------------------------------------------------------------------------- */

static void notice_event(struct guest *guest, const struct session_event *event)
{
    char text[WHO_MAX];
    switch (event->kind) {
    case SESSION_EV_VERSION:
        log_line(LEVEL_DEBUG1, "Remote identification of %s: %s",
                 connection_peer(guest->connection), event->text);
        break;
    case SESSION_EV_KEX:
        log_line(LEVEL_DEBUG1, "%s: %s%s, host key %s, ciphers %s (in) %s (out), %s",
                 event->kex->first ? "kex" : "rekeyed", event->kex->kex,
                 event->kex->strict ? " (strict)" : "", event->kex->hostkey, event->kex->cipher_in,
                 event->kex->cipher_out, who(guest, text));
        break;
    case SESSION_EV_AUTH_FAILED:
        log_line(LEVEL_DEBUG1, "Failed login try for %s from %s",
                 event->text != NULL ? event->text : "", connection_peer(guest->connection));
        break;
    case SESSION_EV_ALIVE:
        log_line(LEVEL_DEBUG2, "%s is alive, round trip %.3f ms", who(guest, text),
                 (double)event->ns / 1e6);
        break;
    case SESSION_EV_DEBUG:
        log_line(LEVEL_DEBUG1, "Remote: %s", event->text);
        break;
    case SESSION_EV_DISCONNECT:
        guest->said_goodbye = true;
        log_line(LEVEL_INFO, "Received disconnect from %s:%u: %s%s",
                 connection_peer(guest->connection), event->code, event->text,
                 guest->logged_in ? "" : " [preauth]");
        break;
    default:
        break;
    }
}

static void on_event(void *role, const struct session_event *event)
{
    struct guest *guest = role;
    switch (event->kind) {
    case SESSION_EV_SIGN_HOST:
        sign_host(guest, event);
        break;
    case SESSION_EV_AUTH_REQUEST:
        authorize(guest, event);
        break;
    case SESSION_EV_AUTH_OK:
        guest->logged_in = true;
        guest->hooks.on_login(guest->hooks.ctx, guest);
        break;
    case SESSION_EV_OPEN:
        open_channel(guest, event);
        break;
    case SESSION_EV_FAILED:
        explain_failure(guest, event);
        let_go(guest);
        break;
    default:
        notice_event(guest, event);
        break;
    }
}

static void on_closed(void *role)
{
    struct guest *guest = role;
    let_go(guest);
    struct session_stats stats = session_stats(session_of(guest));
    char text[WHO_MAX];
    log_line(LEVEL_DEBUG1, "%s: sent %llu, received %llu bytes", who(guest, text),
             (unsigned long long)stats.bytes_out, (unsigned long long)stats.bytes_in);
    guest->hooks.on_gone(guest->hooks.ctx, guest, !guest->logged_in);
    policy_free(guest->policy);
    free(guest);
}

static const struct connection_ops guest_ops = {.on_event = on_event, .on_closed = on_closed};

/* ---- from outside --------------------------------------------------------------------------- */

struct guest *guest_make(struct worker *worker, const struct server_config *config, int fd,
                         const struct sockaddr_storage *peer, const struct guest_hooks *hooks)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    if (guest == NULL) {
        io_close(worker_io(worker), fd);
        return NULL;
    }
    guest->worker = worker;
    guest->config = config;
    guest->hooks = *hooks;
    guest->peer = *peer;
    struct connection_config connection = {
        .fd = fd,
        .peer = *peer,
        .session = config->session,
        .role = SESSION_SERVER,
        .tcp_keepalive = config->tcp_keepalive,
        .ops = &guest_ops,
        .owner = guest,
    };
    guest->connection = connection_make(worker, &connection);
    if (guest->connection == NULL) {
        free(guest);
        return NULL;
    }
    return guest;
}

void guest_dismiss(struct guest *guest)
{
    connection_disconnect(guest->connection, DISCONNECT_BY_APPLICATION,
                          "the server is shutting down");
}

void guest_abort(struct guest *guest)
{
    connection_abort(guest->connection);
}

struct guest *guest_next(const struct guest *guest)
{
    return guest->next;
}

void guest_link(struct guest *guest, struct guest **list)
{
    guest->prev = NULL;
    guest->next = *list;
    if (*list != NULL) {
        (*list)->prev = guest;
    }
    *list = guest;
}

void guest_unlink(struct guest *guest, struct guest **list)
{
    if (guest->prev != NULL) {
        guest->prev->next = guest->next;
    } else {
        *list = guest->next;
    }
    if (guest->next != NULL) {
        guest->next->prev = guest->prev;
    }
}
