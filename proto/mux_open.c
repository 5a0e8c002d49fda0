/*
 * Channel opens. A type is a row of a table; a type without a row, or asked for by the wrong side,
 * is refused with a reason and nothing else happens.
 */
#include "proto/mux_open.h"

#include <string.h>

#include "proto/text.h"

/* CHANNEL_OPEN (RFC 4254 5.1), the common part lent. */
struct open {
    struct slice type;
    uint32_t remote;
    uint32_t window;
    uint32_t packet_max;
    struct wire_in rest;
};

struct open_type {
    const char *name;
    /* who may ask; 0: nobody */
    uint8_t server_takes, client_takes;
    enum open_failure reason;
    const char *refusal;
};

static const struct open_type types[] = {
    {"direct-tcpip", 1, 0, OPEN_PROHIBITED, "a server may not open direct-tcpip channels"},
    {"session", 0, 0, OPEN_PROHIBITED,
     "this server only forwards ports: there is no shell; use ssh -N"},
    {"forwarded-tcpip", 0, 0, OPEN_PROHIBITED, "this forwarding was not requested"},
    {"x11", 0, 0, OPEN_PROHIBITED, "X11 forwarding is not supported"},
    {"auth-agent@openssh.com", 0, 0, OPEN_PROHIBITED, "agent forwarding is not supported"},
    {"tun@openssh.com", 0, 0, OPEN_PROHIBITED, "tunnel devices are not supported"},
    {"direct-streamlocal@openssh.com", 0, 0, OPEN_PROHIBITED,
     "unix socket forwarding is not supported"},
    {"forwarded-streamlocal@openssh.com", 0, 0, OPEN_PROHIBITED,
     "this forwarding was not requested"},
};

static const struct open_type *find_type(struct slice name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_is(name, types[i].name)) {
            return &types[i];
        }
    }
    return NULL;
}

/* A refusal of an open that never got a slot. */
static void refuse(struct mux *mux, uint32_t remote, enum open_failure reason, const char *text)
{
    uint8_t payload[LIMIT_TEXT + 32];
    struct wire_out out = wire_out_make(payload, sizeof payload);
    wire_put_u8(&out, MSG_CHANNEL_OPEN_FAILURE);
    wire_put_u32(&out, remote);
    wire_put_u32(&out, reason);
    wire_put_text(&out, text);
    wire_put_text(&out, "");
    replies_send(mux->replies, payload, wire_out_len(&out));
}

/* The fields of direct-tcpip (RFC 4254 7.2) become an OPEN event. */
static void offer_direct(struct mux *mux, struct open *open)
{
    struct events *events = mux->transport->events;
    wire_get_text(&open->rest, events->text, sizeof events->text);
    uint32_t port = wire_get_u32(&open->rest);
    wire_get_text(&open->rest, events->text2, sizeof events->text2);
    uint32_t originator_port = wire_get_u32(&open->rest);
    if (!wire_in_done(&open->rest)) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    if (port == 0 || port > UINT16_MAX || events->text[0] == '\0') {
        refuse(mux, open->remote, OPEN_CONNECT_FAILED, "no such target");
        return;
    }
    uint32_t id = mux_slot_take(mux, CHANNEL_OFFERED, NULL);
    if (id == MUX_NONE) {
        refuse(mux, open->remote, OPEN_RESOURCE_SHORTAGE, "too many channels");
        return;
    }
    struct channel *channel = mux_channel(mux, id);
    channel->remote = open->remote;
    channel->peer_window = open->window;
    channel->peer_packet_max = open->packet_max;
    struct session_event *event = events_push(events, SESSION_EV_OPEN);
    event->channel = id;
    event->remote = open->remote;
    event->text = events->text;
    event->text2 = events->text2;
    event->port = (uint16_t)port;
    /* some clients send nonsense for connections without a port */
    event->port2 = originator_port > UINT16_MAX ? 0 : (uint16_t)originator_port;
}

void mux_open_take(struct mux *mux, struct slice payload)
{
    struct open open;
    open.rest = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&open.rest);
    open.type = wire_get_string(&open.rest, LIMIT_PACKET_WIRE);
    open.remote = wire_get_u32(&open.rest);
    open.window = wire_get_u32(&open.rest);
    open.packet_max = wire_get_u32(&open.rest);
    if (open.rest.failed) {
        transport_fail(mux->transport, ERR_MALFORMED, NULL);
        return;
    }
    const struct open_type *type = find_type(open.type);
    if (type == NULL) {
        refuse(mux, open.remote, OPEN_UNKNOWN_TYPE, "unknown channel type");
        return;
    }
    bool server = mux->transport->config->role == SESSION_SERVER;
    if (!(server ? type->server_takes : type->client_takes)) {
        refuse(mux, open.remote, type->reason, type->refusal);
        return;
    }
    if (open.packet_max == 0) {
        refuse(mux, open.remote, OPEN_CONNECT_FAILED, "a maximum packet size of 0 carries no data");
        return;
    }
    offer_direct(mux, &open);
}
