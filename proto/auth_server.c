/*
 * Logging in, server side. Every answer but success counts, in requests and (unless it was the
 * first "none") in failures, so that no mixture of questions can go on for long.
 */
#include "proto/auth_server.h"

#include <string.h>

#include "crypto/sign.h"
#include "proto/keytext.h"

void auth_server_take_service(struct auth_server *auth, struct slice payload)
{
    struct transport *t = auth->transport;
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    struct slice service = wire_get_string(&in, LIMIT_PACKET_WIRE);
    if (!wire_in_done(&in)) {
        transport_fail(t, ERR_MALFORMED, NULL);
        return;
    }
    if (!slice_is(service, "ssh-userauth")) {
        transport_fail(t, ERR_SERVICE, NULL);
        return;
    }
    struct wire_out out = transport_begin(t, MSG_SERVICE_ACCEPT, 64);
    wire_put_text(&out, "ssh-userauth");
    if (!transport_commit(t, &out)) {
        return;
    }
    t->stage = STAGE_AUTH;
}

static void send_banner(struct auth_server *auth)
{
    const char *banner = auth->transport->config->banner;
    if (auth->banner_sent || banner == NULL) {
        return;
    }
    auth->banner_sent = true;
    size_t len = strlen(banner);
    struct wire_out out = transport_begin(auth->transport, MSG_USERAUTH_BANNER, len + 16);
    wire_put_string(&out, banner, len);
    wire_put_text(&out, "");
    transport_commit(auth->transport, &out);
}

static void send_failure(struct auth_server *auth)
{
    struct wire_out out = transport_begin(auth->transport, MSG_USERAUTH_FAILURE, 32);
    wire_put_text(&out, "publickey");
    wire_put_bool(&out, false);
    transport_commit(auth->transport, &out);
}

static uint32_t failures_max(const struct auth_server *auth)
{
    uint32_t max = auth->transport->config->auth_tries_max;
    return max != 0 ? max : LIMIT_AUTH_FAILURES;
}

static void fail_try(struct auth_server *auth)
{
    auth->failures++;
    struct session_event *event = events_push(auth->transport->events, SESSION_EV_AUTH_FAILED);
    event->text = auth->user;
    event->blob = auth->key;
    event->blob_len = auth->key_len;
    if (auth->failures >= failures_max(auth)) {
        transport_fail(auth->transport, ERR_AUTH_TRIES, NULL);
        return;
    }
    send_failure(auth);
}

/* Fields of a publickey request (RFC 4252 7), lent. */
struct request {
    struct slice user, service, method;
    bool is_signed;
    struct slice algorithm, key, signature;
};

static bool parse(struct slice payload, struct request *ret)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    *ret = (struct request){.is_signed = false};
    wire_get_u8(&in);
    ret->user = wire_get_string(&in, LIMIT_USER);
    ret->service = wire_get_string(&in, LIMIT_USER);
    ret->method = wire_get_string(&in, LIMIT_USER);
    if (!slice_is(ret->method, "publickey")) {
        /* what else a method carries is not ours to judge: it is refused by its name */
        return !in.failed;
    }
    ret->is_signed = wire_get_bool(&in);
    ret->algorithm = wire_get_string(&in, LIMIT_NAME);
    ret->key = wire_get_string(&in, LIMIT_KEY_BLOB);
    if (ret->is_signed) {
        ret->signature = wire_get_string(&in, LIMIT_SIGNATURE);
    }
    return wire_in_done(&in);
}

static bool signature_valid(const struct transport *t, const struct request *request)
{
    const uint8_t *public = keytext_to_ed25519(request->key);
    const uint8_t *raw = keytext_signature_to_ed25519(request->signature);
    if (public == NULL || raw == NULL) {
        return false;
    }
    uint8_t text[4 + HASH_LEN_MAX + 1 + 4 + LIMIT_USER + 64 + 5 + 64 + 4 + 64];
    struct wire_out out = wire_out_make(text, sizeof text);
    wire_put_string(&out, t->session_id, t->session_id_len);
    wire_put_u8(&out, MSG_USERAUTH_REQUEST);
    wire_put_string(&out, request->user.bytes, request->user.len);
    wire_put_text(&out, "ssh-connection");
    wire_put_text(&out, "publickey");
    wire_put_bool(&out, true);
    wire_put_text(&out, KEYTEXT_ED25519);
    wire_put_string(&out, request->key.bytes, request->key.len);
    return !out.failed && sign_verify(public, text, wire_out_len(&out), raw);
}

static void ask(struct auth_server *auth, const struct request *request)
{
    memcpy(auth->key, request->key.bytes, request->key.len);
    auth->key_len = (uint32_t)request->key.len;
    auth->waiting = true;
    auth->waiting_signed = request->is_signed;
    struct session_event *event = events_push(auth->transport->events, SESSION_EV_AUTH_REQUEST);
    event->is_signed = request->is_signed;
    event->text = auth->user;
    event->text2 = KEYTEXT_ED25519;
    event->blob = auth->key;
    event->blob_len = auth->key_len;
}

/* One user and one service per login; false: the session has ended. */
static bool same_login(struct auth_server *auth, const struct request *request)
{
    struct transport *t = auth->transport;
    if (!slice_is(request->service, "ssh-connection")) {
        transport_fail(t, ERR_SERVICE, NULL);
        return false;
    }
    if (memchr(request->user.bytes, '\0', request->user.len) != NULL) {
        transport_fail(t, ERR_MALFORMED, "the user name holds a NUL byte");
        return false;
    }
    if (!auth->user_known) {
        memcpy(auth->user, request->user.bytes, request->user.len);
        auth->user[request->user.len] = '\0';
        auth->user_known = true;
        return true;
    }
    if (!slice_is(request->user, auth->user)) {
        transport_fail(t, ERR_AUTH_CHANGED, NULL);
        return false;
    }
    return true;
}

void auth_server_take_request(struct auth_server *auth, struct slice payload)
{
    struct transport *t = auth->transport;
    struct request request;
    if (!parse(payload, &request)) {
        transport_fail(t, ERR_MALFORMED, NULL);
        return;
    }
    if (!same_login(auth, &request)) {
        return;
    }
    if (++auth->requests > LIMIT_AUTH_REQUESTS) {
        transport_fail(t, ERR_AUTH_TRIES, NULL);
        return;
    }
    send_banner(auth);
    auth->key_len = 0;
    if (slice_is(request.method, "none") && auth->requests == 1) {
        /* how a client asks for the methods; it costs nothing once */
        send_failure(auth);
        return;
    }
    bool usable = slice_is(request.method, "publickey") &&
                  slice_is(request.algorithm, KEYTEXT_ED25519) &&
                  keytext_to_ed25519(request.key) != NULL;
    if (!usable || (request.is_signed && !signature_valid(t, &request))) {
        fail_try(auth);
        return;
    }
    ask(auth, &request);
}

void auth_server_verdict(struct auth_server *auth, bool allowed)
{
    struct transport *t = auth->transport;
    if (!auth->waiting || t->stage != STAGE_AUTH) {
        return;
    }
    auth->waiting = false;
    if (!allowed) {
        fail_try(auth);
        return;
    }
    if (!auth->waiting_signed) {
        struct wire_out out = transport_begin(t, MSG_USERAUTH_PK_OK, 128);
        wire_put_text(&out, KEYTEXT_ED25519);
        wire_put_string(&out, auth->key, auth->key_len);
        transport_commit(t, &out);
        return;
    }
    struct wire_out out = transport_begin(t, MSG_USERAUTH_SUCCESS, 1);
    if (!transport_commit(t, &out)) {
        return;
    }
    t->stage = STAGE_OPEN;
    events_push(t->events, SESSION_EV_AUTH_OK)->text = auth->user;
}
