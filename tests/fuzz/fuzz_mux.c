/*
 * Fuzzes the connection protocol at its seam: payloads go to mux_take as the gate would let them
 * through, our own side's commands between them. After each step the table is counted over, and
 * what was said is read and judged as a strict peer would.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/provider.h"
#include "proto/mux_global.h"
#include "tests/support/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { CHANNELS = 3 * LIMIT_CHANNELS_CHUNK, REMOTES = 600, STEPS_MAX = 600 };

/* What our own side may still do with a channel. */
struct ours {
    bool used, open, eof;
    uint32_t owed;
};

/* What a strict peer knows of a channel by its own number. */
struct theirs {
    bool known, confirmed, refused, eof, closed;
    uint64_t window;
};

struct scene {
    struct session_config config;
    struct entropy_seeded seeded;
    struct events events;
    struct transport transport;
    struct replies replies;
    struct mux mux;
    struct script script;
    uint32_t away;
    struct ours ours[CHANNELS];
    struct theirs theirs[REMOTES];
    uint32_t remotes;
    struct packet_way read;
};

/* ---- what the transport is given ----------------------------------------------------------- */

static struct cell *take_cell(void *ctx, size_t payload_len)
{
    struct scene *s = ctx;
    struct cell *cell = calloc(1, sizeof *cell);
    assert(cell != NULL);
    cell->size = (uint32_t)payload_len + CELL_HEADROOM + CELL_TAILROOM;
    cell->bytes = malloc(cell->size);
    assert(cell->bytes != NULL);
    cell->start = cell->end = CELL_HEADROOM;
    s->away++;
    return cell;
}

static void give_cell(void *ctx, struct cell *cell)
{
    struct scene *s = ctx;
    s->away--;
    free(cell->bytes);
    free(cell);
}

static void *take_block(void *ctx, size_t size)
{
    struct scene *s = ctx;
    s->away++;
    return malloc(size);
}

static void give_block(void *ctx, void *block, size_t size)
{
    struct scene *s = ctx;
    (void)size;
    s->away--;
    free(block);
}

static void set(struct scene *s, uint8_t options)
{
    s->config = (struct session_config){
        .role = options & 1 ? SESSION_SERVER : SESSION_CLIENT,
        .entropy = entropy_seeded(&s->seeded, 1),
        .memory = {take_block, give_block, s},
        .cells = {take_cell, give_cell, s},
        .software = "x",
        .hostkey = (const uint8_t *)"key",
        .hostkey_len = 3,
        .channels_max = CHANNELS,
    };
    transport_start(&s->transport, &s->config, &s->events, 0);
    outq_clear(&s->transport.queue);
    s->transport.stage = STAGE_OPEN;
    s->transport.step = KEX_NONE;
    s->transport.first_done = true;
    s->transport.peer_pings = options & 2;
    s->transport.keys_since = INT64_MAX / 2;
    s->config.rekey_bytes = UINT64_MAX;
    s->read = s->transport.out;
    s->replies.transport = &s->transport;
    mux_start(&s->mux, &s->transport, &s->replies);
}

/* ---- what was said ------------------------------------------------------------------------- */

static struct theirs *by_number(struct scene *s, uint32_t remote)
{
    /* our peer numbers its channels from 1000; ids of its lies are told apart by that */
    assert(remote >= 1000 && remote < 1000 + s->remotes);
    return &s->theirs[remote - 1000];
}

static void judge(struct scene *s, const uint8_t *payload, size_t len)
{
    struct wire_in in = wire_in_make(payload, len);
    uint8_t message = wire_get_u8(&in);
    bool of_channel = message >= MSG_CHANNEL_OPEN_CONFIRMATION && message <= MSG_CHANNEL_FAILURE;
    if (!of_channel) {
        assert(message == MSG_CHANNEL_OPEN || message == MSG_PONG || message == MSG_PING ||
               (message >= MSG_GLOBAL_REQUEST && message <= MSG_REQUEST_FAILURE) ||
               message == MSG_DISCONNECT);
        return;
    }
    struct theirs *theirs = by_number(s, wire_get_u32(&in));
    assert(theirs->known && !theirs->refused && !theirs->closed);
    if (message == MSG_CHANNEL_OPEN_CONFIRMATION) {
        assert(!theirs->confirmed);
        theirs->confirmed = true;
        return;
    }
    if (message == MSG_CHANNEL_OPEN_FAILURE) {
        assert(!theirs->confirmed);
        theirs->refused = true;
        return;
    }
    assert(theirs->confirmed);
    switch (message) {
    case MSG_CHANNEL_DATA: {
        struct slice data = wire_get_string(&in, LIMIT_CHANNEL_DATA);
        assert(wire_in_done(&in) && data.len > 0);
        assert(!theirs->eof && data.len <= theirs->window);
        theirs->window -= data.len;
        break;
    }
    case MSG_CHANNEL_EOF:
        assert(!theirs->eof);
        theirs->eof = true;
        break;
    case MSG_CHANNEL_CLOSE:
        theirs->closed = true;
        break;
    case MSG_CHANNEL_WINDOW_ADJUST:
        assert(wire_get_u32(&in) > 0 && wire_in_done(&in));
        break;
    default:
        assert(message == MSG_CHANNEL_FAILURE);
        break;
    }
}

static void read_output(struct scene *s)
{
    if (transport_may_send(&s->transport)) {
        replies_flush(&s->replies);
        mux_flush(&s->mux);
    }
    struct iovec iov[1];
    while (outq_gather(&s->transport.queue, iov, 1) > 0) {
        uint8_t *at = iov[0].iov_base;
        size_t left = iov[0].iov_len;
        while (left > 0) {
            struct packet packet;
            enum err err = packet_open(&s->read, at, left, &packet);
            assert(err == ERR_OK && packet.payload != NULL);
            judge(s, packet.payload, packet.len);
            at += packet.wire_len;
            left -= packet.wire_len;
        }
        outq_sent(&s->transport.queue, iov[0].iov_len);
    }
}

/* ---- events -------------------------------------------------------------------------------- */

static void take_events(struct scene *s)
{
    struct session_event event;
    while (events_pop(&s->events, &event)) {
        struct ours *ours = &s->ours[event.channel < CHANNELS ? event.channel : 0];
        switch (event.kind) {
        case SESSION_EV_OPEN:
            assert(event.channel < CHANNELS && !ours->used);
            *ours = (struct ours){.used = true};
            break;
        case SESSION_EV_CONFIRMED:
            assert(ours->used && !ours->open);
            ours->open = true;
            break;
        case SESSION_EV_REFUSED:
            assert(ours->used && !ours->open);
            ours->used = false;
            break;
        case SESSION_EV_DATA:
            assert(ours->open);
            ours->owed += (uint32_t)event.blob_len;
            break;
        case SESSION_EV_EOF:
        case SESSION_EV_CLOSE:
        case SESSION_EV_WINDOW:
            assert(ours->open);
            break;
        case SESSION_EV_SIGN_HOST:
            mux_global_proof(&s->mux, (struct slice){(const uint8_t *)"sig", 3});
            break;
        default:
            break;
        }
    }
}

/* ---- the table, counted over --------------------------------------------------------------- */

static void count_over(const struct scene *s)
{
    const struct mux *mux = &s->mux;
    uint32_t used = 0;
    uint32_t dirty = 0;
    uint64_t grown = 0;
    for (uint32_t id = 0; id < mux->slots; id++) {
        const struct channel *channel = mux_channel(mux, id);
        if (channel == NULL) {
            assert(!s->ours[id].used);
            continue;
        }
        used++;
        dirty += channel->dirty;
        grown += channel->target;
        assert(channel->target <= LIMIT_WINDOW_MAX);
        assert(channel->disowned || channel->state == CHANNEL_REFUSED || s->ours[id].used);
        if (!channel->disowned) {
            assert(channel->window + channel->credit + s->ours[id].owed == channel->target);
        }
    }
    assert(used == mux->open && used <= CHANNELS);
    assert((int64_t)grown + mux->window_budget == LIMIT_WINDOW_BUDGET);
    for (uint32_t id = mux->dirty_first; id != MUX_NONE; id = mux_channel(mux, id)->next) {
        assert(dirty > 0 && mux_channel(mux, id)->dirty);
        dirty--;
        assert(mux_channel(mux, id)->next != MUX_NONE || id == mux->dirty_last);
    }
    assert(dirty == 0);
}

/* ---- steps --------------------------------------------------------------------------------- */

static uint32_t next_remote(struct scene *s, uint32_t window)
{
    if (s->remotes == REMOTES) {
        return 0;
    }
    s->theirs[s->remotes] = (struct theirs){.known = true, .window = window};
    return 1000 + s->remotes++;
}

static void say(struct scene *s, const struct wire_out *out)
{
    assert(!out->failed);
    /* what the gate refuses does not come this far */
    bool fits = s->transport.stage == STAGE_OPEN && !s->mux.proving && !replies_full(&s->replies);
    if (fits) {
        size_t len = wire_out_len(out);
        uint8_t *copy = malloc(len);
        assert(copy != NULL);
        memcpy(copy, out->start, len);
        mux_take(&s->mux, (struct slice){copy, len});
        take_events(s);
        free(copy);
    }
}

static void say_open(struct scene *s)
{
    uint8_t bytes[256];
    uint32_t window = script_number(&s->script);
    uint8_t choice = script_u8(&s->script);
    uint32_t remote = next_remote(s, window);
    struct wire_out out = wire_out_make(bytes, sizeof bytes);
    if (remote == 0) {
        return;
    }
    wire_put_u8(&out, MSG_CHANNEL_OPEN);
    wire_put_text(&out, choice % 16 == 15 ? "session" : choice % 16 == 14 ? "?" : "direct-tcpip");
    wire_put_u32(&out, remote);
    wire_put_u32(&out, window);
    wire_put_u32(&out, choice % 16 == 13 ? 0 : 1U + choice * 300U);
    wire_put_text(&out, choice % 16 == 12 ? "" : "host");
    wire_put_u32(&out, choice % 16 == 11 ? 0 : 80);
    wire_put_text(&out, "from");
    wire_put_u32(&out, 1);
    say(s, &out);
}

static void say_confirmation(struct scene *s, uint32_t id)
{
    uint8_t bytes[64];
    uint32_t window = script_number(&s->script);
    uint32_t remote = next_remote(s, window);
    struct wire_out out = wire_out_make(bytes, sizeof bytes);
    if (remote == 0) {
        return;
    }
    by_number(s, remote)->confirmed = true;
    wire_put_u8(&out, MSG_CHANNEL_OPEN_CONFIRMATION);
    wire_put_u32(&out, id);
    wire_put_u32(&out, remote);
    wire_put_u32(&out, window);
    wire_put_u32(&out, 1U + script_u8(&s->script) * 200U);
    say(s, &out);
}

static void say_adjust(struct scene *s, uint32_t id)
{
    uint8_t bytes[64];
    uint32_t more = script_number(&s->script);
    struct wire_out out = wire_out_make(bytes, sizeof bytes);
    const struct channel *channel = mux_channel(&s->mux, id);
    wire_put_u8(&out, MSG_CHANNEL_WINDOW_ADJUST);
    wire_put_u32(&out, id);
    wire_put_u32(&out, more);
    if (channel != NULL && channel->state == CHANNEL_OPEN) {
        by_number(s, channel->remote)->window += more;
    }
    say(s, &out);
}

static void say_of_channel(struct scene *s)
{
    static uint8_t bytes[LIMIT_CHANNEL_DATA + 64];
    static const uint8_t zeros[LIMIT_CHANNEL_DATA + 1];
    uint8_t message = (uint8_t)(90 + script_u8(&s->script) % 11);
    uint32_t id = script_number(&s->script);
    struct wire_out out = wire_out_make(bytes, sizeof bytes);
    if (message == MSG_CHANNEL_OPEN) {
        say_open(s);
        return;
    }
    if (message == MSG_CHANNEL_OPEN_CONFIRMATION) {
        say_confirmation(s, id);
        return;
    }
    if (message == MSG_CHANNEL_WINDOW_ADJUST) {
        say_adjust(s, id);
        return;
    }
    wire_put_u8(&out, message);
    wire_put_u32(&out, id);
    switch (message) {
    case MSG_CHANNEL_OPEN_FAILURE:
        wire_put_u32(&out, 2);
        wire_put_text(&out, "why");
        wire_put_text(&out, "");
        break;
    case MSG_CHANNEL_EXTENDED_DATA:
        wire_put_u32(&out, 1);
        wire_put_string(&out, zeros, script_number(&s->script) % sizeof zeros);
        break;
    case MSG_CHANNEL_DATA:
        wire_put_string(&out, zeros, script_number(&s->script) % sizeof zeros);
        break;
    case MSG_CHANNEL_REQUEST:
        wire_put_text(&out, "exec");
        wire_put_u8(&out, script_u8(&s->script) & 1);
        break;
    default:
        break;
    }
    say(s, &out);
}

/* A payload of the fuzzer's own making, with a number that the gate would let through. An open or
 * a confirmation would bring numbers that the judge does not know. */
static void say_raw(struct scene *s)
{
    uint8_t bytes[300];
    size_t len = 0;
    uint8_t choice = script_u8(&s->script);
    uint8_t message = choice % 24 == 23 ? MSG_PING : (uint8_t)(80 + choice % 24);
    const uint8_t *from = script_bytes(&s->script, script_u8(&s->script), &len);
    if ((message > MSG_REQUEST_FAILURE && message < MSG_CHANNEL_WINDOW_ADJUST) ||
        message == MSG_CHANNEL_WINDOW_ADJUST || message > MSG_CHANNEL_FAILURE) {
        message = MSG_GLOBAL_REQUEST;
    }
    bytes[0] = choice % 24 == 23 ? MSG_PING : message;
    if (len > 0) {
        memcpy(bytes + 1, from, len);
    }
    struct wire_out out = wire_out_make(bytes, sizeof bytes);
    out.at += 1 + len;
    say(s, &out);
}

static void write_data(struct scene *s, uint32_t id)
{
    const struct channel *channel = mux_channel(&s->mux, id);
    size_t len = 1 + script_u8(&s->script) * 100U;
    size_t budget = transport_may_send(&s->transport) ? channel_budget(channel) : 0;
    len = len < budget ? len : budget;
    len = len < channel->peer_packet_max ? len : channel->peer_packet_max;
    if (len > 0) {
        struct cell *cell = take_cell(s, len);
        memset(cell->bytes + cell->start, 'd', len);
        cell->end += (uint32_t)len;
        mux_write(&s->mux, id, cell);
    }
}

static void command(struct scene *s)
{
    uint8_t choice = script_u8(&s->script) % 8;
    uint32_t id = script_u8(&s->script) % CHANNELS;
    struct ours *ours = &s->ours[id];
    bool offered = ours->used && !ours->open && s->config.role == SESSION_SERVER;
    if (choice == 0 && s->config.role == SESSION_CLIENT) {
        id = mux_open(&s->mux, "host", 80, "from", 1, s);
        if (id != MUX_NONE) {
            assert(!s->ours[id].used);
            s->ours[id] = (struct ours){.used = true};
        }
    } else if (choice == 1 && offered) {
        mux_confirm(&s->mux, id, s);
        ours->open = true;
    } else if (choice == 2 && offered) {
        mux_refuse(&s->mux, id, OPEN_PROHIBITED, "no");
        *ours = (struct ours){.used = false};
    } else if (choice == 3 && ours->open && !ours->eof) {
        write_data(s, id);
    } else if (choice == 4 && ours->open) {
        mux_consumed(&s->mux, id, ours->owed);
        ours->owed = 0;
    } else if (choice == 5 && ours->open) {
        mux_eof(&s->mux, id);
        ours->eof = true;
    } else if (choice == 6 && ours->used) {
        mux_close(&s->mux, id);
        *ours = (struct ours){.used = false};
    } else if (choice == 7) {
        mux_global_ping(&s->mux);
    }
    take_events(s);
}

/* A key exchange begins or ends on our side. */
static void turn_exchange(struct scene *s)
{
    struct transport *t = &s->transport;
    if (t->stage == STAGE_OPEN) {
        t->step = t->step == KEX_NONE ? KEX_SENT : KEX_NONE;
        transport_release_held(t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (!provider_start()) {
        return 0;
    }
    struct scene *s = calloc(1, sizeof *s);
    assert(s != NULL);
    s->script = (struct script){bytes, len};
    set(s, script_u8(&s->script));
    for (int i = 0; i < STEPS_MAX && s->script.left > 0 && s->transport.stage == STAGE_OPEN; i++) {
        uint8_t choice = script_u8(&s->script) % 16;
        if (choice < 6) {
            say_of_channel(s);
        } else if (choice < 12) {
            command(s);
        } else if (choice == 12) {
            turn_exchange(s);
        } else if (choice == 13) {
            say_raw(s);
        } else {
            read_output(s);
        }
        if (s->transport.stage == STAGE_OPEN) {
            count_over(s);
        }
    }
    read_output(s);
    replies_clear(&s->replies);
    mux_end(&s->mux);
    transport_end(&s->transport);
    assert(s->away == 0);
    free(s);
    return 0;
}
