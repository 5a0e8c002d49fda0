/*
 * The transport protocol: from bytes to payloads and back. The exchange itself is in
 * transport_kex.c.
 */
#include "proto/transport.h"

#include <assert.h>
#include <string.h>

#include "crypto/secret.h"
#include "proto/text.h"
#include "proto/transport_kex.h"

/* ---- life ---------------------------------------------------------------------------------- */

static void put_version(struct transport *t)
{
    struct text text = text_make(t->own_version, sizeof t->own_version - 2);
    text_add(&text, "SSH-2.0-");
    text_add(&text, t->config->software);
    uint8_t *at = outq_reserve(&t->queue, text.len + 2);
    if (at == NULL) {
        transport_fail(t, ERR_MEMORY, NULL);
        return;
    }
    memcpy(at, t->own_version, text.len);
    memcpy(at + text.len, "\r\n", 2);
    outq_commit(&t->queue, text.len + 2);
}

void transport_start(struct transport *t, const struct session_config *config,
                     struct events *events, int64_t now)
{
    t->config = config;
    t->events = events;
    t->now = now;
    t->stage = STAGE_VERSION;
    t->peer_version.lines_before_allowed = config->role == SESSION_CLIENT;
    t->queue.source = &config->cells;
    t->keys_since = now;
    put_version(t);
    transport_kex_begin(t);
}

static void drop_held(struct transport *t)
{
    while (t->held_first != NULL) {
        struct cell *cell = t->held_first;
        t->held_first = cell->next;
        t->config->cells.give(t->config->cells.ctx, cell);
    }
    t->held_last = NULL;
}

void transport_end(struct transport *t)
{
    drop_held(t);
    outq_clear(&t->queue);
    cipher_wipe(&t->in.cipher);
    cipher_wipe(&t->out.cipher);
    secret_wipe(t, sizeof *t);
}

/* ---- faults -------------------------------------------------------------------------------- */

static void put_disconnect(struct transport *t, uint32_t reason, const char *text)
{
    if (t->out.cipher.spec == NULL && t->stage == STAGE_VERSION) {
        /* the peer may be no SSH at all: nothing more is said to it */
        return;
    }
    if (packet_worn(&t->out)) {
        return;
    }
    struct wire_out out = transport_begin(t, MSG_DISCONNECT, 16 + strlen(text));
    if (out.failed) {
        return;
    }
    wire_put_u32(&out, reason);
    wire_put_text(&out, text);
    wire_put_text(&out, "");
    transport_commit(t, &out);
}

static void die(struct transport *t, enum err err, const char *words)
{
    struct text text = text_make(t->events->fault, sizeof t->events->fault);
    text_add(&text, words);
    t->stage = STAGE_DEAD;
    drop_held(t);
    struct session_event *event = events_push(t->events, SESSION_EV_FAILED);
    event->err = err;
    event->text = t->events->fault;
}

void transport_fail(struct transport *t, enum err err, const char *detail)
{
    assert(err != ERR_OK);
    if (t->stage == STAGE_DEAD) {
        return;
    }
    if (err_reason(err) != 0) {
        put_disconnect(t, err_reason(err), err_text(err));
    }
    die(t, err, detail != NULL ? detail : err_text(err));
}

void transport_goodbye(struct transport *t, enum disconnect_reason reason, const char *text)
{
    if (t->stage == STAGE_DEAD) {
        return;
    }
    put_disconnect(t, reason, text);
    die(t, ERR_LOCAL, text);
}

/* ---- out ----------------------------------------------------------------------------------- */

bool transport_may_send(const struct transport *t)
{
    return t->stage != STAGE_DEAD && t->first_done && (t->step == KEX_NONE || t->step == KEX_AWAIT);
}

/* What may be sealed even while our side of an exchange runs. */
static bool part_of_exchange(enum msg message)
{
    return message == MSG_DISCONNECT || message == MSG_EXT_INFO ||
           (message >= MSG_KEXINIT && message <= MSG_KEX_ECDH_REPLY);
}

static struct wire_out begin_held(struct transport *t, size_t size)
{
    t->building = t->config->cells.take(t->config->cells.ctx, size);
    if (t->building == NULL) {
        return (struct wire_out){.failed = true};
    }
    return wire_out_make(t->building->bytes + CELL_HEADROOM, size);
}

struct wire_out transport_begin(struct transport *t, enum msg message, size_t size)
{
    struct wire_out out = {.failed = true};
    if (t->stage == STAGE_DEAD || packet_worn(&t->out)) {
        return out;
    }
    if (part_of_exchange(message) || transport_may_send(t)) {
        uint8_t *at = outq_reserve(&t->queue, PACKET_HEAD + size + PACKET_TAIL);
        if (at == NULL) {
            return out;
        }
        out = wire_out_make(at + PACKET_HEAD, size);
    } else {
        out = begin_held(t, size);
    }
    wire_put_u8(&out, (uint8_t)message);
    return out;
}

static void count_out(struct transport *t, size_t wire_len)
{
    t->stats.packets_out++;
    t->stats.bytes_out += wire_len;
}

static void hold(struct transport *t, struct cell *cell)
{
    cell->next = NULL;
    if (t->held_last == NULL) {
        t->held_first = cell;
    } else {
        t->held_last->next = cell;
    }
    t->held_last = cell;
}

bool transport_commit(struct transport *t, struct wire_out *out)
{
    struct cell *cell = t->building;
    t->building = NULL;
    if (cell != NULL && !out->failed) {
        cell->end = cell->start + (uint32_t)wire_out_len(out);
        hold(t, cell);
    } else if (cell != NULL) {
        t->config->cells.give(t->config->cells.ctx, cell);
    } else if (!out->failed) {
        size_t wire_len = packet_seal(&t->out, out->start, wire_out_len(out));
        outq_commit(&t->queue, wire_len);
        count_out(t, wire_len);
    }
    if (out->failed) {
        transport_fail(t, ERR_MEMORY, NULL);
    }
    return !out->failed;
}

static void seal_cell(struct transport *t, struct cell *cell)
{
    size_t len = cell->end - cell->start;
    assert(cell->start >= PACKET_HEAD && cell->size - cell->end >= PACKET_TAIL);
    size_t wire_len = packet_seal(&t->out, cell->bytes + cell->start, len);
    cell->start -= PACKET_HEAD;
    cell->end = cell->start + (uint32_t)wire_len;
    outq_append(&t->queue, cell);
    count_out(t, wire_len);
}

void transport_send_cell(struct transport *t, struct cell *cell)
{
    if (t->stage == STAGE_DEAD) {
        t->config->cells.give(t->config->cells.ctx, cell);
        return;
    }
    if (transport_may_send(t) && t->held_first == NULL) {
        seal_cell(t, cell);
        transport_kex_begin_if_due(t);
        return;
    }
    hold(t, cell);
}

void transport_release_held(struct transport *t)
{
    while (t->held_first != NULL && transport_may_send(t)) {
        struct cell *cell = t->held_first;
        t->held_first = cell->next;
        if (t->held_first == NULL) {
            t->held_last = NULL;
        }
        seal_cell(t, cell);
        transport_kex_begin_if_due(t);
    }
}

/* ---- in ------------------------------------------------------------------------------------ */

static void fail_version(struct transport *t, enum err err)
{
    /* shows what came instead, so that a wrong port explains itself */
    const struct version_in *version = &t->peer_version;
    const char *said = version->stray[0] != '\0' ? version->stray : version->line;
    char words[2 * LIMIT_TEXT];
    struct text text = text_make(words, sizeof words);
    text_add(&text, err_text(err));
    if (said[0] != '\0') {
        text_add(&text, "; it said: ");
        text_add(&text, said);
    }
    transport_fail(t, err, words);
}

void transport_eof(struct transport *t)
{
    bool strayed = t->stage == STAGE_VERSION &&
                   (t->peer_version.stray[0] != '\0' || t->peer_version.line_len > 0);
    if (strayed) {
        fail_version(t, ERR_VERSION);
    } else {
        transport_fail(t, ERR_EOF, NULL);
    }
}

static size_t take_version(struct transport *t, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    enum err err = version_feed(&t->peer_version, bytes, len, &used);
    if (err != ERR_OK) {
        fail_version(t, err);
    } else if (t->peer_version.done) {
        t->stage = STAGE_KEX;
        struct session_event *event = events_push(t->events, SESSION_EV_VERSION);
        event->text = t->peer_version.line;
    }
    return used;
}

static enum gate_phase phase_now(const struct transport *t)
{
    bool first = !t->first_done;
    switch (t->step) {
    case KEX_NONE:
    case KEX_SENT:
        break;
    case KEX_SHARE:
    case KEX_SIGN:
    case KEX_VERDICT:
        return first ? GATE_KEX : GATE_REKEY;
    case KEX_AWAIT:
        return first ? GATE_NEWKEYS : GATE_RENEW;
    }
    switch (t->stage) {
    case STAGE_SERVICE:
        return GATE_SERVICE;
    case STAGE_AUTH:
        return GATE_AUTH;
    case STAGE_OPEN:
        return GATE_OPEN;
    default:
        return GATE_KEXINIT;
    }
}

static void fail_unexpected(struct transport *t, enum gate_phase phase, uint8_t message)
{
    char words[LIMIT_TEXT];
    struct text text = text_make(words, sizeof words);
    text_add(&text, "message ");
    text_add_u32(&text, message);
    text_add(&text, " is not allowed in phase ");
    text_add(&text, gate_phase_name(phase));
    transport_fail(t, ERR_UNEXPECTED, words);
}

static void take_disconnect(struct transport *t, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    uint32_t code = wire_get_u32(&in);
    struct slice said = wire_get_string(&in, LIMIT_PACKET_WIRE);
    struct text text = text_make(t->events->text2, sizeof t->events->text2);
    text_add_bytes(&text, said.bytes, said.len);
    struct session_event *event = events_push(t->events, SESSION_EV_DISCONNECT);
    event->code = code;
    event->text = t->events->text2;
    /* no answer is due: the peer is gone (RFC 4253 11.1) */
    die(t, ERR_EOF, "disconnected by the peer");
}

static void take_debug(struct transport *t, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    wire_get_bool(&in);
    struct slice said = wire_get_string(&in, LIMIT_PACKET_WIRE);
    struct text text = text_make(t->events->text2, sizeof t->events->text2);
    text_add_bytes(&text, said.bytes, said.len);
    events_push(t->events, SESSION_EV_DEBUG)->text = t->events->text2;
}

static void take_ext_info(struct transport *t, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    uint32_t count = wire_get_u32(&in);
    if (count > LIMIT_EXTENSIONS) {
        transport_fail(t, ERR_MALFORMED, NULL);
        return;
    }
    for (uint32_t i = 0; i < count && !in.failed; i++) {
        struct slice name = wire_get_string(&in, LIMIT_PACKET_WIRE);
        struct slice value = wire_get_string(&in, LIMIT_PACKET_WIRE);
        if (slice_is(name, "server-sig-algs") && t->config->role == SESSION_CLIENT) {
            struct text text = text_make(t->peer_signatures, sizeof t->peer_signatures);
            text_add_bytes(&text, value.bytes, value.len);
        } else if (slice_is(name, "ping@openssh.com")) {
            t->peer_pings = true;
        }
    }
    if (!wire_in_done(&in)) {
        transport_fail(t, ERR_MALFORMED, NULL);
    }
}

/* The transport's own messages; false: the packet is for the layers above. */
static bool take_own(struct transport *t, const struct packet *packet)
{
    struct slice payload = {packet->payload, packet->len};
    switch (packet->payload[0]) {
    case MSG_DISCONNECT:
        take_disconnect(t, payload);
        return true;
    case MSG_DEBUG:
        take_debug(t, payload);
        return true;
    case MSG_EXT_INFO:
        take_ext_info(t, payload);
        return true;
    case MSG_KEXINIT:
        transport_kex_take_init(t, payload, packet->sequence);
        return true;
    case MSG_KEX_ECDH_INIT:
        transport_kex_take_share(t, payload);
        return true;
    case MSG_KEX_ECDH_REPLY:
        transport_kex_take_reply(t, payload);
        return true;
    case MSG_NEWKEYS:
        transport_kex_take_newkeys(t, payload);
        return true;
    default:
        return false;
    }
}

/* True: the packet is for the layers above. */
static bool dispatch(struct transport *t, const struct packet *packet)
{
    uint8_t message = packet->payload[0];
    if (t->drop_guess && t->step == KEX_SHARE && message >= 30 && message <= 49) {
        /* the one packet of a wrong guess (RFC 4253 7) */
        t->drop_guess = false;
        return false;
    }
    enum gate_phase phase = phase_now(t);
    switch (gate_judge(t->config->role, phase, message)) {
    case GATE_TAKE:
        return !take_own(t, packet);
    case GATE_DROP:
        return false;
    case GATE_LENIENT:
        if (t->strict) {
            fail_unexpected(t, phase, message);
        }
        return false;
    case GATE_UNKNOWN:
        return true;
    case GATE_REFUSE:
        break;
    }
    fail_unexpected(t, phase, message);
    return false;
}

bool transport_waits(const struct transport *t)
{
    return t->step == KEX_SIGN || t->step == KEX_VERDICT;
}

bool transport_take(struct transport *t, uint8_t *bytes, size_t len, size_t *ret_used,
                    struct packet *ret_packet)
{
    *ret_used = 0;
    if (t->stage == STAGE_DEAD || transport_waits(t)) {
        return false;
    }
    if (t->stage == STAGE_VERSION) {
        *ret_used = take_version(t, bytes, len);
        return false;
    }
    enum err err = packet_open(&t->in, bytes, len, ret_packet);
    if (err != ERR_OK) {
        transport_fail(t, err, NULL);
        return false;
    }
    if (ret_packet->payload == NULL) {
        return false;
    }
    *ret_used = ret_packet->wire_len;
    t->stats.packets_in++;
    t->stats.bytes_in += ret_packet->wire_len;
    return dispatch(t, ret_packet);
}
