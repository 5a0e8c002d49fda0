/*
 * Logging in, client side. The request is built once, in a cell, with the session id in front of
 * it: together they are what is signed, and behind the session id lies what is sent.
 */
#include "proto/auth_client.h"

#include <string.h>

#include "proto/text.h"

void auth_client_start(struct auth_client *auth)
{
    struct transport *t = auth->transport;
    struct wire_out out = transport_begin(t, MSG_SERVICE_REQUEST, 32);
    wire_put_text(&out, "ssh-userauth");
    if (!transport_commit(t, &out)) {
        return;
    }
    auth->step = AUTH_CLIENT_SERVICE;
}

static void put_request_head(struct wire_out *out, const char *user, const char *method)
{
    wire_put_text(out, user);
    wire_put_text(out, "ssh-connection");
    wire_put_text(out, method);
}

static void take_service(struct auth_client *auth, struct slice payload)
{
    struct transport *t = auth->transport;
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    struct slice service = wire_get_string(&in, LIMIT_NAME);
    /* some old servers leave the name out (OpenSSH's ssh accepts that too) */
    if (in.failed ? payload.len != 1 : !slice_is(service, "ssh-userauth")) {
        transport_fail(t, ERR_MALFORMED, NULL);
        return;
    }
    struct wire_out out = transport_begin(t, MSG_USERAUTH_REQUEST, 64 + strlen(t->config->user));
    put_request_head(&out, t->config->user, "none");
    if (!transport_commit(t, &out)) {
        return;
    }
    t->stage = STAGE_AUTH;
    auth->step = AUTH_CLIENT_NONE;
}

void auth_client_end(struct auth_client *auth)
{
    if (auth->request != NULL) {
        const struct cell_source *cells = &auth->transport->config->cells;
        cells->give(cells->ctx, auth->request);
        auth->request = NULL;
    }
}

static void next(struct auth_client *auth, bool partial)
{
    auth_client_end(auth);
    auth->step = AUTH_CLIENT_CHOOSE;
    struct session_event *event = events_push(auth->transport->events, SESSION_EV_AUTH_NEXT);
    event->text = auth->methods;
    event->partial = partial;
}

static void take_failure(struct auth_client *auth, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    struct slice methods = wire_get_names(&in);
    bool partial = wire_get_bool(&in);
    bool asked = auth->step == AUTH_CLIENT_NONE || auth->step == AUTH_CLIENT_PROBE ||
                 auth->step == AUTH_CLIENT_SIGNED;
    if (!wire_in_done(&in) || !asked) {
        transport_fail(auth->transport, in.failed ? ERR_MALFORMED : ERR_UNEXPECTED, NULL);
        return;
    }
    struct text text = text_make(auth->methods, sizeof auth->methods);
    text_add_bytes(&text, methods.bytes, methods.len);
    next(auth, partial);
}

static void take_success(struct auth_client *auth, struct slice payload)
{
    struct transport *t = auth->transport;
    if (payload.len != 1) {
        transport_fail(t, ERR_MALFORMED, NULL);
        return;
    }
    if (auth->step != AUTH_CLIENT_SIGNED &&
        !(auth->step == AUTH_CLIENT_NONE && t->config->allow_trivial_auth)) {
        transport_fail(t, ERR_AUTH_TRIVIAL, NULL);
        return;
    }
    auth_client_end(auth);
    t->stage = STAGE_OPEN;
    events_push(t->events, SESSION_EV_AUTH_OK)->text = t->config->user;
}

static void take_banner(struct auth_client *auth, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    struct slice said = wire_get_string(&in, LIMIT_PACKET_WIRE);
    if (in.failed) {
        transport_fail(auth->transport, ERR_MALFORMED, NULL);
        return;
    }
    struct session_event *event = events_push(auth->transport->events, SESSION_EV_BANNER);
    event->blob = said.bytes;
    event->blob_len = said.len < LIMIT_BANNER ? said.len : LIMIT_BANNER;
}

static void ask_signature(struct auth_client *auth)
{
    auth->step = AUTH_CLIENT_SIGN;
    struct session_event *event = events_push(auth->transport->events, SESSION_EV_AUTH_SIGN);
    event->blob = auth->request->bytes + auth->request->start;
    event->blob_len = auth->request->end - auth->request->start;
}

static bool equal(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

static void take_pk_ok(struct auth_client *auth, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    struct slice algorithm = wire_get_string(&in, LIMIT_NAME);
    struct slice key = wire_get_string(&in, LIMIT_KEY_BLOB);
    bool ours = auth->step == AUTH_CLIENT_PROBE && wire_in_done(&in) &&
                equal(algorithm, auth->algorithm) && equal(key, auth->key);
    if (!ours) {
        transport_fail(auth->transport, ERR_UNEXPECTED,
                       "the server accepted a key that was not offered");
        return;
    }
    ask_signature(auth);
}

void auth_client_take(struct auth_client *auth, struct slice payload)
{
    switch (payload.bytes[0]) {
    case MSG_SERVICE_ACCEPT:
        take_service(auth, payload);
        break;
    case MSG_USERAUTH_FAILURE:
        take_failure(auth, payload);
        break;
    case MSG_USERAUTH_SUCCESS:
        take_success(auth, payload);
        break;
    case MSG_USERAUTH_BANNER:
        take_banner(auth, payload);
        break;
    default:
        take_pk_ok(auth, payload);
        break;
    }
}

/* Builds the request in a cell; false: it doesn't fit or there is none. */
static bool build(struct auth_client *auth, const char *algorithm, struct slice key)
{
    struct transport *t = auth->transport;
    const struct cell_source *cells = &t->config->cells;
    struct cell *cell = cells->take(cells->ctx, CELL_PAYLOAD);
    if (cell == NULL) {
        return false;
    }
    auth->request = cell;
    struct wire_out out =
        wire_out_make(cell->bytes + CELL_HEADROOM, cell->size - CELL_HEADROOM - CELL_TAILROOM);
    wire_put_string(&out, t->session_id, t->session_id_len);
    auth->prefix_len = (uint32_t)wire_out_len(&out);
    wire_put_u8(&out, MSG_USERAUTH_REQUEST);
    put_request_head(&out, t->config->user, "publickey");
    wire_put_bool(&out, true);
    wire_put_text(&out, algorithm);
    auth->algorithm = (struct slice){out.at - strlen(algorithm), strlen(algorithm)};
    wire_put_string(&out, key.bytes, key.len);
    auth->key = (struct slice){out.at - key.len, key.len};
    cell->start = CELL_HEADROOM;
    cell->end = CELL_HEADROOM + (uint32_t)wire_out_len(&out);
    return !out.failed;
}

static void send_probe(struct auth_client *auth)
{
    struct transport *t = auth->transport;
    size_t size = 128 + strlen(t->config->user) + auth->algorithm.len + auth->key.len;
    struct wire_out out = transport_begin(t, MSG_USERAUTH_REQUEST, size);
    put_request_head(&out, t->config->user, "publickey");
    wire_put_bool(&out, false);
    wire_put_string(&out, auth->algorithm.bytes, auth->algorithm.len);
    wire_put_string(&out, auth->key.bytes, auth->key.len);
    if (!transport_commit(t, &out)) {
        return;
    }
    auth->step = AUTH_CLIENT_PROBE;
}

void auth_client_offer(struct auth_client *auth, const char *algorithm, struct slice key,
                       bool probe)
{
    if (auth->step != AUTH_CLIENT_CHOOSE || auth->transport->stage != STAGE_AUTH) {
        return;
    }
    if (key.len > LIMIT_KEY_BLOB || !build(auth, algorithm, key)) {
        next(auth, false);
        return;
    }
    if (probe) {
        send_probe(auth);
    } else {
        ask_signature(auth);
    }
}

void auth_client_signature(struct auth_client *auth, struct slice signature)
{
    if (auth->step != AUTH_CLIENT_SIGN || auth->transport->stage != STAGE_AUTH) {
        return;
    }
    if (signature.len == 0 || signature.len > LIMIT_SIGNATURE) {
        next(auth, false);
        return;
    }
    struct cell *cell = auth->request;
    struct wire_out out =
        wire_out_make(cell->bytes + cell->end, cell->size - CELL_TAILROOM - cell->end);
    wire_put_string(&out, signature.bytes, signature.len);
    cell->start += auth->prefix_len;
    cell->end += (uint32_t)wire_out_len(&out);
    auth->request = NULL;
    auth->step = AUTH_CLIENT_SIGNED;
    transport_send_cell(auth->transport, cell);
}

void auth_client_give_up(struct auth_client *auth)
{
    char words[LIMIT_TEXT + LIMIT_METHODS];
    struct text text = text_make(words, sizeof words);
    text_add(&text, "Permission denied (");
    text_add(&text, auth->methods);
    text_add(&text, ").");
    transport_fail(auth->transport, ERR_AUTH_NONE_LEFT, words);
}
