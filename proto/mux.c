/*
 * The connection protocol: every message of a channel, in the order of its life, then channel
 * requests. Opens are in mux_open.c, what concerns no channel in mux_global.c.
 */
#include "proto/mux.h"

#include <assert.h>
#include <string.h>

#include "proto/mux_global.h"
#include "proto/mux_open.h"
#include "proto/transport_kex.h"

/* ---- the table ----------------------------------------------------------------------------- */

static struct channel *slot(const struct mux *mux, uint32_t id)
{
    return &mux->chunks[id / LIMIT_CHANNELS_CHUNK][id % LIMIT_CHANNELS_CHUNK];
}

struct channel *mux_channel(const struct mux *mux, uint32_t id)
{
    if (id >= mux->slots || slot(mux, id)->state == CHANNEL_FREE) {
        return NULL;
    }
    return slot(mux, id);
}

void mux_start(struct mux *mux, struct transport *transport, struct replies *replies)
{
    *mux = (struct mux){
        .transport = transport,
        .replies = replies,
        .free_first = MUX_NONE,
        .dirty_first = MUX_NONE,
        .dirty_last = MUX_NONE,
        .window_budget = LIMIT_WINDOW_BUDGET,
    };
}

void mux_end(struct mux *mux)
{
    const struct session_memory *memory = &mux->transport->config->memory;
    for (uint32_t i = 0; i < mux->slots / LIMIT_CHANNELS_CHUNK; i++) {
        memory->give(memory->ctx, mux->chunks[i], LIMIT_CHANNELS_CHUNK * sizeof(struct channel));
    }
    mux->slots = 0;
}

/* Adds a chunk, its lowest number first in the free list. */
static bool grow(struct mux *mux)
{
    const struct session_memory *memory = &mux->transport->config->memory;
    if (mux->slots >= LIMIT_CHANNELS) {
        return false;
    }
    size_t size = LIMIT_CHANNELS_CHUNK * sizeof(struct channel);
    struct channel *chunk = memory->take(memory->ctx, size);
    if (chunk == NULL) {
        return false;
    }
    memset(chunk, 0, size);
    mux->chunks[mux->slots / LIMIT_CHANNELS_CHUNK] = chunk;
    for (uint32_t i = LIMIT_CHANNELS_CHUNK; i-- > 0;) {
        chunk[i].next = mux->free_first;
        mux->free_first = mux->slots + i;
    }
    mux->slots += LIMIT_CHANNELS_CHUNK;
    return true;
}

/* Windows are promises of memory: the more of them there are, the smaller a new one begins. */
static uint32_t first_window(const struct mux *mux)
{
    int64_t share = mux->window_budget / 64;
    if (share < LIMIT_WINDOW_LEAST) {
        return LIMIT_WINDOW_LEAST;
    }
    return share < LIMIT_WINDOW_START ? (uint32_t)share : LIMIT_WINDOW_START;
}

uint32_t mux_slot_take(struct mux *mux, enum channel_state state, void *owner)
{
    uint32_t max = mux->transport->config->channels_max;
    if (mux->open >= (max != 0 ? max : LIMIT_CHANNELS)) {
        return MUX_NONE;
    }
    if (mux->free_first == MUX_NONE && !grow(mux)) {
        return MUX_NONE;
    }
    uint32_t id = mux->free_first;
    uint32_t window = first_window(mux);
    struct channel *channel = slot(mux, id);
    mux->free_first = channel->next;
    mux->open++;
    mux->window_budget -= window;
    *channel = (struct channel){
        .state = (uint8_t)state,
        .owner = owner,
        .window = window,
        .target = window,
        .next = MUX_NONE,
    };
    return id;
}

void mux_slot_free(struct mux *mux, uint32_t id)
{
    struct channel *channel = slot(mux, id);
    assert(!channel->dirty && channel->state != CHANNEL_FREE);
    mux->window_budget += channel->target;
    *channel = (struct channel){.state = CHANNEL_FREE, .next = mux->free_first};
    mux->free_first = id;
    mux->open--;
}

static void mark_dirty(struct mux *mux, uint32_t id)
{
    struct channel *channel = slot(mux, id);
    if (channel->dirty) {
        return;
    }
    channel->dirty = true;
    channel->next = MUX_NONE;
    if (mux->dirty_last == MUX_NONE) {
        mux->dirty_first = id;
    } else {
        slot(mux, mux->dirty_last)->next = id;
    }
    mux->dirty_last = id;
}

/* ---- what is due --------------------------------------------------------------------------- */

static bool say_adjust(struct mux *mux, struct channel *channel)
{
    struct wire_out out = transport_begin(mux->transport, MSG_CHANNEL_WINDOW_ADJUST, 16);
    if (out.failed) {
        return false;
    }
    wire_put_u32(&out, channel->remote);
    uint32_t before = mux->window_budget > 0 ? (uint32_t)mux->window_budget : 0;
    uint32_t left = before;
    wire_put_u32(&out, channel_grant(channel, &left));
    mux->window_budget -= before - left;
    return transport_commit(mux->transport, &out);
}

static bool say_plain(struct mux *mux, enum msg message, const struct channel *channel)
{
    struct wire_out out = transport_begin(mux->transport, message, 8);
    if (out.failed) {
        return false;
    }
    wire_put_u32(&out, channel->remote);
    return transport_commit(mux->transport, &out);
}

static bool say_refusal(struct mux *mux, const struct channel *channel, const char *text)
{
    struct wire_out out =
        transport_begin(mux->transport, MSG_CHANNEL_OPEN_FAILURE, 32 + strlen(text));
    if (out.failed) {
        return false;
    }
    wire_put_u32(&out, channel->remote);
    wire_put_u32(&out, channel->refusal);
    wire_put_text(&out, text);
    wire_put_text(&out, "");
    return transport_commit(mux->transport, &out);
}

/* Says all that is due for one channel; false: no room, it stays dirty. */
static bool say_due(struct mux *mux, struct channel *channel)
{
    if (channel->state == CHANNEL_REFUSED) {
        /* the words did not wait with it, only the reason */
        return say_refusal(mux, channel, "");
    }
    if (channel->due_adjust && !channel->due_close) {
        if (!say_adjust(mux, channel)) {
            return false;
        }
    }
    channel->due_adjust = false;
    if (channel->due_eof) {
        if (!say_plain(mux, MSG_CHANNEL_EOF, channel)) {
            return false;
        }
        channel->due_eof = false;
        channel->eof_out = true;
    }
    if (channel->due_close) {
        if (!say_plain(mux, MSG_CHANNEL_CLOSE, channel)) {
            return false;
        }
        channel->due_close = false;
        channel->close_out = true;
    }
    return true;
}

static bool has_room(const struct mux *mux)
{
    return transport_may_send(mux->transport) && mux->transport->queue.bytes < LIMIT_QUEUE_HIGH;
}

void mux_flush(struct mux *mux)
{
    while (mux->dirty_first != MUX_NONE && has_room(mux)) {
        uint32_t id = mux->dirty_first;
        struct channel *channel = slot(mux, id);
        if (!say_due(mux, channel)) {
            return;
        }
        mux->dirty_first = channel->next;
        if (mux->dirty_first == MUX_NONE) {
            mux->dirty_last = MUX_NONE;
        }
        channel->dirty = false;
        channel->next = MUX_NONE;
        bool closed = channel->close_in && channel->close_out;
        if (closed || channel->state == CHANNEL_REFUSED) {
            mux_slot_free(mux, id);
        }
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

uint32_t mux_open(struct mux *mux, const char *host, uint16_t port, const char *originator,
                  uint16_t originator_port, void *owner)
{
    bool client = mux->transport->config->role == SESSION_CLIENT;
    if (!client || mux->transport->stage != STAGE_OPEN || strlen(host) > LIMIT_HOST) {
        return MUX_NONE;
    }
    uint32_t id = mux_slot_take(mux, CHANNEL_ASKED, owner);
    if (id == MUX_NONE) {
        return MUX_NONE;
    }
    struct channel *channel = slot(mux, id);
    struct wire_out out =
        transport_begin(mux->transport, MSG_CHANNEL_OPEN, 128 + strlen(host) + strlen(originator));
    if (out.failed) {
        mux_slot_free(mux, id);
        return MUX_NONE;
    }
    wire_put_text(&out, "direct-tcpip");
    wire_put_u32(&out, id);
    wire_put_u32(&out, channel->window);
    wire_put_u32(&out, LIMIT_CHANNEL_DATA);
    wire_put_text(&out, host);
    wire_put_u32(&out, port);
    wire_put_text(&out, originator);
    wire_put_u32(&out, originator_port);
    transport_commit(mux->transport, &out);
    return id;
}

static struct channel *expect(struct mux *mux, uint32_t id, enum channel_state state)
{
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL || channel->state != state) {
        transport_fail(mux->transport, ERR_CHANNEL, NULL);
        return NULL;
    }
    return channel;
}

static struct session_event *report(struct mux *mux, enum session_event_kind kind, uint32_t id)
{
    const struct channel *channel = slot(mux, id);
    struct session_event *event = events_push(mux->transport->events, kind);
    event->channel = id;
    event->remote = channel->remote;
    event->owner = channel->owner;
    return event;
}

static void take_confirmation(struct mux *mux, struct wire_in *in)
{
    uint32_t id = wire_get_u32(in);
    uint32_t remote = wire_get_u32(in);
    uint32_t window = wire_get_u32(in);
    uint32_t packet_max = wire_get_u32(in);
    if (!wire_in_done(in) || packet_max == 0) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    struct channel *channel = expect(mux, id, CHANNEL_ASKED);
    if (channel == NULL) {
        return;
    }
    channel->state = CHANNEL_OPEN;
    channel->remote = remote;
    channel->peer_window = window;
    channel->peer_packet_max = packet_max;
    if (channel->disowned) {
        channel->due_close = true;
        mark_dirty(mux, id);
        return;
    }
    report(mux, SESSION_EV_CONFIRMED, id);
}

static void take_failure(struct mux *mux, struct wire_in *in)
{
    uint32_t id = wire_get_u32(in);
    uint32_t reason = wire_get_u32(in);
    struct slice said = wire_get_string(in, LIMIT_PACKET_WIRE);
    wire_get_string(in, LIMIT_PACKET_WIRE);
    if (!wire_in_done(in)) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    struct channel *channel = expect(mux, id, CHANNEL_ASKED);
    if (channel == NULL) {
        return;
    }
    if (!channel->disowned) {
        struct events *events = mux->transport->events;
        size_t len = said.len < LIMIT_TEXT ? said.len : LIMIT_TEXT;
        memcpy(events->text2, said.bytes, len);
        events->text2[len] = '\0';
        struct session_event *event = report(mux, SESSION_EV_REFUSED, id);
        event->code = reason;
        event->text = events->text2;
    }
    mux_slot_free(mux, id);
}

void mux_confirm(struct mux *mux, uint32_t id, void *owner)
{
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL || channel->state != CHANNEL_OFFERED) {
        return;
    }
    channel->owner = owner;
    channel->state = CHANNEL_OPEN;
    /* at once, not as a due flag: data may be written right behind it */
    struct wire_out out = transport_begin(mux->transport, MSG_CHANNEL_OPEN_CONFIRMATION, 32);
    wire_put_u32(&out, channel->remote);
    wire_put_u32(&out, id);
    wire_put_u32(&out, channel->window);
    wire_put_u32(&out, LIMIT_CHANNEL_DATA);
    transport_commit(mux->transport, &out);
}

void mux_refuse(struct mux *mux, uint32_t id, enum open_failure reason, const char *text)
{
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL || channel->state != CHANNEL_OFFERED) {
        return;
    }
    channel->refusal = (uint8_t)reason;
    if (has_room(mux) && say_refusal(mux, channel, text)) {
        mux_slot_free(mux, id);
        return;
    }
    /* the slot waits with it: opens that are refused can't pile up without a bound */
    channel->state = CHANNEL_REFUSED;
    channel->owner = NULL;
    mark_dirty(mux, id);
}

/* ---- data ---------------------------------------------------------------------------------- */

/* Small data is packed behind what waits already: a cell of its own for a few bytes would make a
 * queue that is short in bytes hold all cells. False: no room, the cell itself goes. */
static bool write_copy(struct mux *mux, const struct channel *channel, struct cell *cell)
{
    size_t len = cell->end - cell->start;
    struct wire_out out = transport_begin(mux->transport, MSG_CHANNEL_DATA, 16 + len);
    if (out.failed) {
        return false;
    }
    wire_put_u32(&out, channel->remote);
    wire_put_string(&out, cell->bytes + cell->start, len);
    transport_commit(mux->transport, &out);
    mux->transport->config->cells.give(mux->transport->config->cells.ctx, cell);
    transport_kex_begin_if_due(mux->transport);
    return true;
}

void mux_write(struct mux *mux, uint32_t id, struct cell *cell)
{
    struct channel *channel = mux_channel(mux, id);
    size_t len = cell->end - cell->start;
    if (channel == NULL || channel->state != CHANNEL_OPEN) {
        mux->transport->config->cells.give(mux->transport->config->cells.ctx, cell);
        return;
    }
    assert(len > 0 && len <= channel->peer_window && len <= channel->peer_packet_max);
    assert(!channel->due_eof && !channel->eof_out);
    channel->peer_window -= (uint32_t)len;
    if (len <= LIMIT_COPY_DATA && write_copy(mux, channel, cell)) {
        return;
    }
    enum { HEAD = 1 + 4 + 4 };
    cell->start -= HEAD;
    struct wire_out out = wire_out_make(cell->bytes + cell->start, HEAD);
    wire_put_u8(&out, MSG_CHANNEL_DATA);
    wire_put_u32(&out, channel->remote);
    wire_put_u32(&out, (uint32_t)len);
    transport_send_cell(mux->transport, cell);
}

static void take_data(struct mux *mux, struct wire_in *in, bool extended)
{
    uint32_t id = wire_get_u32(in);
    if (extended) {
        wire_get_u32(in);
    }
    struct slice data = wire_get_string(in, LIMIT_PACKET_WIRE);
    if (!wire_in_done(in)) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    struct channel *channel = mux_channel(mux, id);
    enum err err = channel == NULL ? ERR_CHANNEL : channel_take_data(channel, data.len);
    if (err != ERR_OK) {
        transport_fail(mux->transport, err, NULL);
        return;
    }
    if (channel->disowned || data.len == 0) {
        return;
    }
    if (extended) {
        /* forwarded channels have no stderr: the bytes are dropped, their window is not lost */
        mux_consumed(mux, id, data.len);
        return;
    }
    struct session_event *event = report(mux, SESSION_EV_DATA, id);
    event->blob = data.bytes;
    event->blob_len = data.len;
}

void mux_consumed(struct mux *mux, uint32_t id, size_t len)
{
    struct channel *channel = mux_channel(mux, id);
    if (channel != NULL && channel->state == CHANNEL_OPEN && channel_consume(channel, len)) {
        channel->due_adjust = true;
        mark_dirty(mux, id);
    }
}

static void take_adjust(struct mux *mux, struct wire_in *in)
{
    uint32_t id = wire_get_u32(in);
    uint32_t bytes = wire_get_u32(in);
    if (!wire_in_done(in)) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL && id < mux->slots) {
        /* its CLOSE and ours may have crossed with it */
        return;
    }
    bool reopened = false;
    enum err err = channel == NULL ? ERR_CHANNEL : channel_take_adjust(channel, bytes, &reopened);
    if (err != ERR_OK) {
        transport_fail(mux->transport, err, NULL);
    } else if (reopened && !channel->disowned) {
        report(mux, SESSION_EV_WINDOW, id);
    }
}

/* ---- the end of a channel ------------------------------------------------------------------ */

void mux_eof(struct mux *mux, uint32_t id)
{
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL || channel->state != CHANNEL_OPEN || channel->eof_out ||
        channel->close_out) {
        return;
    }
    channel->due_eof = true;
    mark_dirty(mux, id);
}

void mux_close(struct mux *mux, uint32_t id)
{
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL) {
        return;
    }
    if (channel->state == CHANNEL_OFFERED) {
        mux_refuse(mux, id, OPEN_CONNECT_FAILED, "");
        return;
    }
    channel->disowned = true;
    channel->owner = NULL;
    if (channel->state == CHANNEL_OPEN && !channel->close_out) {
        channel->due_close = true;
        mark_dirty(mux, id);
    }
}

static struct channel *take_id(struct mux *mux, struct wire_in *in, uint32_t *ret_id)
{
    *ret_id = wire_get_u32(in);
    if (!wire_in_done(in)) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return NULL;
    }
    struct channel *channel = mux_channel(mux, *ret_id);
    if (channel == NULL) {
        transport_fail(mux->transport, ERR_CHANNEL, NULL);
    }
    return channel;
}

static void take_eof(struct mux *mux, struct wire_in *in)
{
    uint32_t id = 0;
    struct channel *channel = take_id(mux, in, &id);
    if (channel == NULL) {
        return;
    }
    bool again = channel->eof_in;
    enum err err = channel_take_eof(channel);
    if (err != ERR_OK) {
        transport_fail(mux->transport, err, NULL);
    } else if (!again && !channel->disowned) {
        report(mux, SESSION_EV_EOF, id);
    }
}

static void take_close(struct mux *mux, struct wire_in *in)
{
    uint32_t id = 0;
    struct channel *channel = take_id(mux, in, &id);
    if (channel == NULL) {
        return;
    }
    enum err err = channel_take_close(channel);
    if (err != ERR_OK) {
        transport_fail(mux->transport, err, NULL);
    } else if (channel->close_out) {
        mux_slot_free(mux, id);
    } else if (!channel->disowned) {
        report(mux, SESSION_EV_CLOSE, id);
    }
}

/* ---- requests ------------------------------------------------------------------------------ */

/* A channel request: none means anything to a forwarded connection (RFC 4254 5.4). */
static void take_channel_request(struct mux *mux, struct wire_in *in)
{
    uint32_t id = wire_get_u32(in);
    wire_get_string(in, LIMIT_PACKET_WIRE);
    bool want_reply = wire_get_bool(in);
    if (in->failed) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    struct channel *channel = mux_channel(mux, id);
    if (channel == NULL || channel->state != CHANNEL_OPEN || channel->close_in) {
        transport_fail(mux->transport, ERR_CHANNEL, NULL);
        return;
    }
    /* behind our CLOSE nothing may be said of the channel any more */
    if (want_reply && !channel->due_close && !channel->close_out) {
        uint8_t payload[5];
        struct wire_out out = wire_out_make(payload, sizeof payload);
        wire_put_u8(&out, MSG_CHANNEL_FAILURE);
        wire_put_u32(&out, channel->remote);
        replies_send(mux->replies, payload, sizeof payload);
    }
}

void mux_take(struct mux *mux, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    switch (wire_get_u8(&in)) {
    case MSG_GLOBAL_REQUEST:
        mux_global_take_request(mux, &in);
        break;
    case MSG_REQUEST_SUCCESS:
    case MSG_REQUEST_FAILURE:
        mux_global_take_reply(mux);
        break;
    case MSG_CHANNEL_OPEN:
        mux_open_take(mux, payload);
        break;
    case MSG_CHANNEL_OPEN_CONFIRMATION:
        take_confirmation(mux, &in);
        break;
    case MSG_CHANNEL_OPEN_FAILURE:
        take_failure(mux, &in);
        break;
    case MSG_CHANNEL_WINDOW_ADJUST:
        take_adjust(mux, &in);
        break;
    case MSG_CHANNEL_DATA:
        take_data(mux, &in, false);
        break;
    case MSG_CHANNEL_EXTENDED_DATA:
        take_data(mux, &in, true);
        break;
    case MSG_CHANNEL_EOF:
        take_eof(mux, &in);
        break;
    case MSG_CHANNEL_CLOSE:
        take_close(mux, &in);
        break;
    case MSG_CHANNEL_REQUEST:
        take_channel_request(mux, &in);
        break;
    case MSG_PING:
        mux_global_take_ping(mux, &in);
        break;
    case MSG_PONG:
        mux_global_take_pong(mux);
        break;
    default:
        /* CHANNEL_SUCCESS and CHANNEL_FAILURE: we send no channel requests */
        transport_fail(mux->transport, ERR_UNEXPECTED, "an answer to no request of ours");
        break;
    }
}
