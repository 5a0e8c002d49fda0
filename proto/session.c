/*
 * The session: wires transport, login and mux together, keeps the clocks, and hands out events.
 */
#include "proto/session.h"

#include <assert.h>
#include <string.h>

#include "crypto/secret.h"
#include "proto/auth_client.h"
#include "proto/auth_server.h"
#include "proto/mux_global.h"
#include "proto/transport_kex.h"

struct session {
    struct session_config config;
    struct transport transport;
    struct events events;
    struct replies replies;
    struct mux mux;
    struct auth_client client;
    struct auth_server server;

    /* the feed on loan */
    uint8_t *bytes;
    size_t len;

    int64_t started;
    /* when the peer is asked for a sign of life, and how often it was without one coming */
    int64_t alive_at;
    uint32_t unanswered;
    /* messages without meaning to us before the login */
    uint32_t unknown;
    /* our own user has just answered: the peer's time begins now */
    bool restart_clocks;
};

static bool is_client(const struct session *session)
{
    return session->config.role == SESSION_CLIENT;
}

static void set_now(struct session *session, int64_t now)
{
    session->transport.now = now;
    if (session->restart_clocks) {
        session->restart_clocks = false;
        session->started = now;
        session->transport.kex_started = now;
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

size_t session_size(void)
{
    return sizeof(struct session);
}

struct session *session_make(void *memory, const struct session_config *config, int64_t now)
{
    assert(config->channels_max <= LIMIT_CHANNELS);
    assert(config->banner == NULL || strlen(config->banner) <= LIMIT_BANNER);
    struct session *session = memory;
    memset(session, 0, sizeof *session);
    session->config = *config;
    session->started = now;
    session->alive_at = now + config->alive_ns;
    session->client.transport = &session->transport;
    session->server.transport = &session->transport;
    session->replies.transport = &session->transport;
    mux_start(&session->mux, &session->transport, &session->replies);
    transport_start(&session->transport, &session->config, &session->events, now);
    return session;
}

void session_free(struct session *session)
{
    auth_client_end(&session->client);
    replies_clear(&session->replies);
    mux_end(&session->mux);
    transport_end(&session->transport);
    secret_wipe(session, sizeof *session);
}

/* ---- in ------------------------------------------------------------------------------------ */

void session_feed(struct session *session, uint8_t *bytes, size_t len)
{
    assert(session->bytes == NULL);
    session->bytes = bytes;
    session->len = len;
}

void session_rest(struct session *session, uint8_t **ret_bytes, size_t *ret_len)
{
    *ret_bytes = session->bytes;
    *ret_len = session->len;
    session->bytes = NULL;
    session->len = 0;
}

void session_feed_eof(struct session *session)
{
    transport_eof(&session->transport);
}

bool session_stalled(const struct session *session)
{
    const struct transport *t = &session->transport;
    if (t->stage == STAGE_DEAD) {
        return false;
    }
    /* while our side of an exchange runs, input is what ends it: answers must fit or fail */
    bool full = replies_full(&session->replies) && transport_may_send(t);
    return transport_waits(t) || session->server.waiting || session->mux.proving || full;
}

/* Before the login nobody has a reason to send many messages that we don't know. */
static void answer_unimplemented(struct session *session, uint32_t sequence)
{
    if (session->transport.stage != STAGE_OPEN && ++session->unknown > LIMIT_EARLY_UNKNOWN) {
        transport_fail(&session->transport, ERR_FLOOD,
                       "too many unknown messages before the login");
        return;
    }
    uint8_t payload[5];
    struct wire_out out = wire_out_make(payload, sizeof payload);
    wire_put_u8(&out, MSG_UNIMPLEMENTED);
    wire_put_u32(&out, sequence);
    replies_send(&session->replies, payload, sizeof payload);
}

/* The gate has let the message through for this role and phase; here it only finds its layer. */
static void dispatch(struct session *session, const struct packet *packet)
{
    struct slice payload = {packet->payload, packet->len};
    uint8_t message = packet->payload[0];
    bool mux = (message >= MSG_GLOBAL_REQUEST && message <= MSG_REQUEST_FAILURE) ||
               (message >= MSG_CHANNEL_OPEN && message <= MSG_CHANNEL_FAILURE) ||
               message == MSG_PING || message == MSG_PONG;
    if (mux && session->transport.stage == STAGE_OPEN) {
        mux_take(&session->mux, payload);
    } else if (message == MSG_SERVICE_REQUEST) {
        auth_server_take_service(&session->server, payload);
    } else if (message == MSG_USERAUTH_REQUEST) {
        auth_server_take_request(&session->server, payload);
    } else if (message == MSG_SERVICE_ACCEPT ||
               (message >= MSG_USERAUTH_FAILURE && message <= MSG_USERAUTH_PK_OK)) {
        auth_client_take(&session->client, payload);
    } else {
        answer_unimplemented(session, packet->sequence);
    }
}

/* Opens the next packet of the feed; false: nothing more can be done with it now. */
static bool step(struct session *session)
{
    struct transport *t = &session->transport;
    if (session->len == 0 || session_stalled(session)) {
        return false;
    }
    size_t used = 0;
    struct packet packet;
    bool upward = transport_take(t, session->bytes, session->len, &used, &packet);
    session->bytes += used;
    session->len -= used;
    if (used > 0) {
        session->unanswered = 0;
        session->alive_at = t->now + session->config.alive_ns;
    }
    if (upward) {
        dispatch(session, &packet);
    }
    if (is_client(session) && t->stage == STAGE_SERVICE &&
        session->client.step == AUTH_CLIENT_IDLE) {
        auth_client_start(&session->client);
    }
    return used > 0;
}

bool session_next(struct session *session, int64_t now, struct session_event *ret_event)
{
    set_now(session, now);
    while (!events_pop(&session->events, ret_event)) {
        if (!step(session)) {
            return events_pop(&session->events, ret_event);
        }
    }
    return true;
}

/* ---- out ----------------------------------------------------------------------------------- */

int session_output(struct session *session, int64_t now, struct iovec *iov, int max)
{
    struct transport *t = &session->transport;
    set_now(session, now);
    transport_kex_begin_if_due(t);
    if (transport_may_send(t)) {
        replies_flush(&session->replies);
    }
    /* only behind all answers: a CLOSE must not overtake the answer to a request of its channel */
    if (session->replies.len == 0) {
        mux_flush(&session->mux);
    }
    return outq_gather(&t->queue, iov, max);
}

void session_sent(struct session *session, size_t len)
{
    outq_sent(&session->transport.queue, len);
}

size_t session_queued_cells(const struct session *session)
{
    return session->transport.queue.cells;
}

size_t session_queued(const struct session *session)
{
    return session->transport.queue.bytes;
}

/* ---- time ---------------------------------------------------------------------------------- */

/* A clock that runs in the present state: when it is due, and what is wrong when it is. */
struct clock {
    int64_t at;
    const char *fault;
};

static void earlier(struct clock *clock, bool runs, int64_t at, const char *fault)
{
    if (runs && at < clock->at) {
        *clock = (struct clock){at, fault};
    }
}

static struct clock next_fault(const struct session *session)
{
    const struct transport *t = &session->transport;
    const struct session_config *config = &session->config;
    struct clock clock = {INT64_MAX, NULL};
    bool logging_in = t->stage != STAGE_OPEN;
    earlier(&clock, t->stage == STAGE_VERSION && !is_client(session),
            session->started + LIMIT_VERSION_NS, "no identification line came in time");
    earlier(&clock, logging_in && !is_client(session) && config->login_ns != 0,
            session->started + config->login_ns, "the login took too long");
    earlier(&clock,
            is_client(session) && !t->first_done && config->connect_ns != 0 &&
                t->step != KEX_VERDICT,
            session->started + config->connect_ns,
            "the server did not finish the key exchange in time");
    /* a question to our own user has no deadline of ours; the client's user is asked within the
     * server's login time, where there is one */
    bool in_login = !is_client(session) && !t->first_done && config->login_ns != 0;
    earlier(&clock,
            t->stage != STAGE_VERSION && t->step != KEX_NONE && t->step != KEX_VERDICT && !in_login,
            t->kex_started + LIMIT_KEX_NS, "the key exchange took too long");
    return clock;
}

static bool alive_runs(const struct session *session)
{
    return session->config.alive_ns != 0 && session->transport.stage == STAGE_OPEN;
}

int64_t session_deadline(const struct session *session)
{
    const struct transport *t = &session->transport;
    if (t->stage == STAGE_DEAD) {
        return INT64_MAX;
    }
    struct clock clock = next_fault(session);
    earlier(&clock, alive_runs(session), session->alive_at, NULL);
    int64_t age = session->config.rekey_ns != 0 ? session->config.rekey_ns : LIMIT_REKEY_NS;
    earlier(&clock, t->stage == STAGE_OPEN && t->step == KEX_NONE, t->keys_since + age, NULL);
    return clock.at;
}

void session_tick(struct session *session, int64_t now)
{
    struct transport *t = &session->transport;
    set_now(session, now);
    struct clock clock = next_fault(session);
    if (clock.at <= now) {
        transport_fail(t, ERR_TIMEOUT, clock.fault);
        return;
    }
    if (alive_runs(session) && session->alive_at <= now) {
        uint32_t max = session->config.alive_max;
        if (max != SESSION_ALIVE_FOREVER && session->unanswered >= max) {
            transport_fail(t, ERR_TIMEOUT, "the peer does not answer keepalive requests");
            return;
        }
        session->unanswered++;
        session->alive_at = now + session->config.alive_ns;
        mux_global_ping(&session->mux);
    }
    transport_kex_begin_if_due(t);
}

/* ---- answers ------------------------------------------------------------------------------- */

void session_hostkey_verdict(struct session *session, bool accepted)
{
    session->restart_clocks |= session->transport.step == KEX_VERDICT;
    transport_kex_verdict(&session->transport, accepted);
}

void session_host_signature(struct session *session, const uint8_t *signature, size_t len)
{
    /* only one of them can be outstanding: both stop the input */
    if (session->mux.proving) {
        mux_global_proof(&session->mux, (struct slice){signature, len});
    } else {
        transport_kex_signature(&session->transport, (struct slice){signature, len});
    }
}

const char *session_signature_algorithms(const struct session *session)
{
    return session->transport.peer_signatures;
}

void session_auth_offer(struct session *session, const char *algorithm, const uint8_t *blob,
                        size_t len, bool probe)
{
    auth_client_offer(&session->client, algorithm, (struct slice){blob, len}, probe);
}

void session_auth_signature(struct session *session, const uint8_t *signature, size_t len)
{
    auth_client_signature(&session->client, (struct slice){signature, len});
}

void session_auth_give_up(struct session *session)
{
    auth_client_give_up(&session->client);
}

void session_auth_verdict(struct session *session, bool allowed)
{
    bool before = session_authenticated(session);
    auth_server_verdict(&session->server, allowed);
    if (!before && session_authenticated(session)) {
        mux_global_announce_hostkeys(&session->mux);
    }
}

const uint8_t *session_id(const struct session *session, size_t *ret_len)
{
    *ret_len = session->transport.session_id_len;
    return session->transport.session_id;
}

bool session_authenticated(const struct session *session)
{
    return session->transport.stage == STAGE_OPEN;
}

bool session_failed(const struct session *session)
{
    return session->transport.stage == STAGE_DEAD;
}

/* ---- channels ------------------------------------------------------------------------------ */

uint32_t session_channel_open(struct session *session, const char *host, uint16_t port,
                              const char *originator, uint16_t originator_port, void *owner)
{
    return mux_open(&session->mux, host, port, originator, originator_port, owner);
}

void session_channel_confirm(struct session *session, uint32_t channel, void *owner)
{
    mux_confirm(&session->mux, channel, owner);
}

void session_channel_refuse(struct session *session, uint32_t channel, enum open_failure reason,
                            const char *text)
{
    mux_refuse(&session->mux, channel, reason, text);
}

void session_channel_set_owner(struct session *session, uint32_t channel, void *owner)
{
    struct channel *found = mux_channel(&session->mux, channel);
    if (found != NULL) {
        found->owner = owner;
    }
}

size_t session_channel_budget(const struct session *session, uint32_t channel)
{
    const struct channel *found = mux_channel(&session->mux, channel);
    if (found == NULL || !transport_may_send(&session->transport)) {
        return 0;
    }
    return channel_budget(found);
}

size_t session_channel_packet_max(const struct session *session, uint32_t channel)
{
    const struct channel *found = mux_channel(&session->mux, channel);
    if (found == NULL) {
        return 0;
    }
    return found->peer_packet_max < LIMIT_CHANNEL_DATA ? found->peer_packet_max
                                                       : LIMIT_CHANNEL_DATA;
}

void session_channel_write(struct session *session, uint32_t channel, struct cell *cell)
{
    mux_write(&session->mux, channel, cell);
}

void session_channel_consumed(struct session *session, uint32_t channel, size_t len)
{
    mux_consumed(&session->mux, channel, len);
}

void session_channel_eof(struct session *session, uint32_t channel)
{
    mux_eof(&session->mux, channel);
}

void session_channel_close(struct session *session, uint32_t channel)
{
    mux_close(&session->mux, channel);
}

/* ---- the rest ------------------------------------------------------------------------------ */

void session_ping(struct session *session)
{
    mux_global_ping(&session->mux);
}

void session_rekey(struct session *session)
{
    session->transport.rekey_wanted = true;
    transport_kex_begin_if_due(&session->transport);
}

void session_disconnect(struct session *session, enum disconnect_reason reason, const char *text)
{
    transport_goodbye(&session->transport, reason, text);
}

struct session_stats session_stats(const struct session *session)
{
    struct session_stats stats = session->transport.stats;
    stats.channels = session->mux.open;
    return stats;
}
