/*
 * Requests that concern no channel: keepalive and ping, and the proof that our host key is ours.
 */
#include "proto/mux_global.h"

#include <string.h>

void mux_global_announce_hostkeys(struct mux *mux)
{
    const struct session_config *config = mux->transport->config;
    struct wire_out out =
        transport_begin(mux->transport, MSG_GLOBAL_REQUEST, 64 + config->hostkey_len);
    wire_put_text(&out, "hostkeys-00@openssh.com");
    wire_put_bool(&out, false);
    wire_put_string(&out, config->hostkey, config->hostkey_len);
    transport_commit(mux->transport, &out);
}

/* True: it asks for exactly our host key, and the proof is being made. */
static bool begin_proof(struct mux *mux, struct wire_in *in)
{
    const struct transport *t = mux->transport;
    const struct session_config *config = t->config;
    struct slice key = wire_get_string(in, LIMIT_KEY_BLOB);
    if (!wire_in_done(in) || config->role != SESSION_SERVER || key.len != config->hostkey_len ||
        memcmp(key.bytes, config->hostkey, key.len) != 0) {
        return false;
    }
    struct wire_out out = wire_out_make(mux->proof, sizeof mux->proof);
    wire_put_text(&out, "hostkeys-prove-00@openssh.com");
    wire_put_string(&out, t->session_id, t->session_id_len);
    wire_put_string(&out, key.bytes, key.len);
    if (out.failed) {
        return false;
    }
    mux->proving = true;
    struct session_event *event = events_push(t->events, SESSION_EV_SIGN_HOST);
    event->blob = mux->proof;
    event->blob_len = wire_out_len(&out);
    return true;
}

void mux_global_proof(struct mux *mux, struct slice signature)
{
    if (!mux->proving) {
        return;
    }
    mux->proving = false;
    uint8_t payload[256];
    struct wire_out out = wire_out_make(payload, sizeof payload);
    wire_put_u8(&out, MSG_REQUEST_SUCCESS);
    wire_put_string(&out, signature.bytes, signature.len);
    if (signature.len == 0 || out.failed) {
        replies_send(mux->replies, (const uint8_t[]){MSG_REQUEST_FAILURE}, 1);
        return;
    }
    replies_send(mux->replies, payload, wire_out_len(&out));
}

/* hostkeys-00 and no-more-sessions want no answer; what we don't know is refused in its turn. */
void mux_global_take_request(struct mux *mux, struct wire_in *in)
{
    struct slice name = wire_get_string(in, LIMIT_PACKET_WIRE);
    bool want_reply = wire_get_bool(in);
    if (in->failed) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    if (slice_is(name, "hostkeys-prove-00@openssh.com") && want_reply && begin_proof(mux, in)) {
        return;
    }
    if (want_reply) {
        replies_send(mux->replies, (const uint8_t[]){MSG_REQUEST_FAILURE}, 1);
    }
}

static void report_alive(struct mux *mux)
{
    struct transport *t = mux->transport;
    events_push(t->events, SESSION_EV_ALIVE)->ns = t->now - mux->asked_at;
}

void mux_global_take_reply(struct mux *mux)
{
    if (mux->requests_sent == 0) {
        transport_fail(mux->transport, ERR_UNEXPECTED, "an answer to no request of ours");
        return;
    }
    mux->requests_sent--;
    report_alive(mux);
}

/* PING (OpenSSH PROTOCOL 1.10): the string comes back. */
void mux_global_take_ping(struct mux *mux, struct wire_in *in)
{
    struct slice data = wire_get_string(in, LIMIT_PACKET_WIRE);
    if (!wire_in_done(in)) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    if (data.len > LIMIT_PING) {
        transport_fail(mux->transport, ERR_FLOOD, "a ping longer than any honest one");
        return;
    }
    uint8_t payload[5 + LIMIT_PING];
    struct wire_out out = wire_out_make(payload, sizeof payload);
    wire_put_u8(&out, MSG_PONG);
    wire_put_string(&out, data.bytes, data.len);
    replies_send(mux->replies, payload, wire_out_len(&out));
}

void mux_global_take_pong(struct mux *mux)
{
    if (mux->ping_sent) {
        mux->ping_sent = false;
        report_alive(mux);
    }
}

void mux_global_ping(struct mux *mux)
{
    struct transport *t = mux->transport;
    if (t->stage != STAGE_OPEN || mux->ping_sent || mux->requests_sent >= LIMIT_REQUESTS_SENT) {
        return;
    }
    struct wire_out out = transport_begin(t, t->peer_pings ? MSG_PING : MSG_GLOBAL_REQUEST, 64);
    if (out.failed) {
        /* no room: the next one will do, or the peer speaks by itself */
        return;
    }
    if (t->peer_pings) {
        wire_put_text(&out, "");
        mux->ping_sent = true;
    } else {
        wire_put_text(&out, "keepalive@openssh.com");
        wire_put_bool(&out, true);
        mux->requests_sent++;
    }
    mux->asked_at = t->now;
    transport_commit(t, &out);
}
