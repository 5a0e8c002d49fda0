/*
 * What a session says to requests: the right answers in the right order, politely to what it does
 * not have, and within a bound when nobody reads them.
 */
#include <criterion/criterion.h>

#include "tests/support/peer.h"

struct scene {
    struct end end;
    struct peer peer;
};

/* Logged in, and what a server says by itself is read. */
static void set(struct scene *scene, enum session_role role)
{
    end_make(&scene->end, role, 40);
    end_start(&scene->end);
    peer_make(&scene->peer, &scene->end, NULL);
    cr_assert(peer_ready(&scene->peer), "%s", scene->end.fault);
    while (peer_next(&scene->peer)) {
    }
}

static void clear(struct scene *scene)
{
    peer_free(&scene->peer);
    end_free(&scene->end);
}

static const enum session_role roles[] = {SESSION_CLIENT, SESSION_SERVER};

Test(answers, unknown_messages_with_their_sequence_number)
{
    static const uint8_t unknown[] = {8, 19, 22, 29, 101, 127, 128, 191, 194, 255};
    for (int r = 0; r < 2; r++) {
        struct scene s;
        set(&s, roles[r]);
        for (size_t i = 0; i < sizeof unknown; i++) {
            uint32_t sequence = s.peer.out.sequence;
            peer_say(&s.peer, "bs", unknown[i], "what is this");
            cr_assert(peer_next(&s.peer), "%d: %s", unknown[i], s.end.fault);
            cr_assert(peer_heard(&s.peer, "bu", MSG_UNIMPLEMENTED, sequence));
        }
        cr_assert(peer_exchange(&s.peer));
        peer_say(&s.peer, "b", 199);
        cr_assert(peer_next(&s.peer));
        cr_assert(peer_heard(&s.peer, "bu", MSG_UNIMPLEMENTED, (uint32_t)0));
        clear(&s);
    }
}

Test(answers, global_requests_in_order)
{
    for (int r = 0; r < 2; r++) {
        struct scene s;
        set(&s, roles[r]);
        peer_say(&s.peer, "bsb", MSG_GLOBAL_REQUEST, "no-more-sessions@openssh.com", 0);
        peer_say(&s.peer, "bsbs", MSG_GLOBAL_REQUEST, "hostkeys-00@openssh.com", 0, "blob");
        cr_assert(!peer_next(&s.peer));
        peer_say(&s.peer, "bsb", MSG_GLOBAL_REQUEST, "keepalive@openssh.com", 1);
        peer_say(&s.peer, "bs", MSG_PING, "first");
        peer_say(&s.peer, "bsbsu", MSG_GLOBAL_REQUEST, "tcpip-forward", 1, "", (uint32_t)80);
        peer_say(&s.peer, "bs", MSG_PING, "");
        cr_assert(peer_next(&s.peer) && peer_heard(&s.peer, "b", MSG_REQUEST_FAILURE));
        cr_assert(peer_next(&s.peer) && peer_heard(&s.peer, "bs", MSG_PONG, "first"));
        cr_assert(peer_next(&s.peer) && peer_heard(&s.peer, "b", MSG_REQUEST_FAILURE));
        cr_assert(peer_next(&s.peer) && peer_heard(&s.peer, "bs", MSG_PONG, ""));
        cr_assert(!peer_next(&s.peer) && !session_failed(s.end.session));
        clear(&s);
    }
}

Test(answers, host_key_is_proven_and_others_are_not)
{
    struct scene s;
    set(&s, SESSION_SERVER);
    uint8_t text[256];
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN];
    struct wire_out out = wire_out_make(text, sizeof text);
    wire_put_text(&out, "hostkeys-prove-00@openssh.com");
    wire_put_string(&out, s.peer.session_id, s.peer.session_id_len);
    wire_put_string(&out, s.end.host_blob, sizeof s.end.host_blob);
    end_sign(&s.end.host_key, text, wire_out_len(&out), signature);
    peer_say(&s.peer, "bsbx", MSG_GLOBAL_REQUEST, "hostkeys-prove-00@openssh.com", 1,
             s.end.host_blob, sizeof s.end.host_blob);
    peer_say(&s.peer, "bsbx", MSG_GLOBAL_REQUEST, "hostkeys-prove-00@openssh.com", 1,
             s.end.user_blob, sizeof s.end.user_blob);
    cr_assert(peer_next(&s.peer));
    cr_assert(peer_heard(&s.peer, "bx", MSG_REQUEST_SUCCESS, signature, sizeof signature));
    cr_assert(peer_next(&s.peer) && peer_heard(&s.peer, "b", MSG_REQUEST_FAILURE));
    clear(&s);
}

Test(answers, pings_at_their_bound)
{
    uint8_t bytes[LIMIT_PING + 1];
    memset(bytes, 7, sizeof bytes);
    struct scene s;
    set(&s, SESSION_SERVER);
    peer_say(&s.peer, "bx", MSG_PING, bytes, (size_t)LIMIT_PING);
    cr_assert(peer_next(&s.peer));
    cr_assert(peer_heard(&s.peer, "bx", MSG_PONG, bytes, (size_t)LIMIT_PING));
    peer_say(&s.peer, "bx", MSG_PING, bytes, sizeof bytes);
    cr_assert_eq(s.end.failed, ERR_FLOOD);
    clear(&s);
}

Test(answers, channel_types_that_are_refused)
{
    static const struct {
        const char *type;
        uint32_t reason;
    } cases[] = {
        {"session", OPEN_PROHIBITED},
        {"x11", OPEN_PROHIBITED},
        {"auth-agent@openssh.com", OPEN_PROHIBITED},
        {"forwarded-tcpip", OPEN_PROHIBITED},
        {"tun@openssh.com", OPEN_PROHIBITED},
        {"direct-streamlocal@openssh.com", OPEN_PROHIBITED},
        {"", OPEN_UNKNOWN_TYPE},
        {"something-else", OPEN_UNKNOWN_TYPE},
    };
    for (int r = 0; r < 2; r++) {
        struct scene s;
        set(&s, roles[r]);
        for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            peer_say(&s.peer, "bsuuus", MSG_CHANNEL_OPEN, cases[i].type, i, (uint32_t)1000,
                     (uint32_t)1000, "whatever else");
            cr_assert(peer_next(&s.peer), "%s", s.end.fault);
            struct wire_in in = wire_in_make(s.peer.payload.at, s.peer.payload.len);
            cr_assert_eq(wire_get_u8(&in), MSG_CHANNEL_OPEN_FAILURE);
            cr_assert_eq(wire_get_u32(&in), i);
            cr_assert_eq(wire_get_u32(&in), cases[i].reason, "%s", cases[i].type);
            cr_assert_gt(wire_get_string(&in, 1000).len, 0);
            wire_get_string(&in, 1000);
            cr_assert(wire_in_done(&in));
        }
        cr_assert_eq(s.end.seen[SESSION_EV_OPEN], 0);
        cr_assert_eq(session_stats(s.end.session).channels, 0);
        if (roles[r] == SESSION_SERVER) {
            cr_assert_neq(peer_channel(&s.peer, 3, 1000), SESSION_NO_CHANNEL);
        } else {
            peer_say(&s.peer, "bsuuususu", MSG_CHANNEL_OPEN, "direct-tcpip", (uint32_t)1,
                     (uint32_t)1, (uint32_t)1, "h", (uint32_t)80, "o", (uint32_t)1);
            cr_assert(peer_await(&s.peer, MSG_CHANNEL_OPEN_FAILURE));
        }
        clear(&s);
    }
}

Test(answers, targets_that_are_none)
{
    static const struct {
        const char *host;
        uint32_t port;
        uint32_t packet_max;
    } cases[] = {{"h", 0, 1},          {"h", 65536, 1}, {"h", 0x10050, 1},
                 {"h", 0xffffffff, 1}, {"", 80, 1},     {"h", 80, 0}};
    struct scene s;
    set(&s, SESSION_SERVER);
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_say(&s.peer, "bsuuususu", MSG_CHANNEL_OPEN, "direct-tcpip", i, (uint32_t)1000,
                 cases[i].packet_max, cases[i].host, cases[i].port, "o", (uint32_t)1);
        cr_assert(peer_await(&s.peer, MSG_CHANNEL_OPEN_FAILURE), "%u: %s", i, s.end.fault);
    }
    cr_assert_eq(s.end.seen[SESSION_EV_OPEN], 0);
    /* the originator's port is only for the log */
    peer_say(&s.peer, "bsuuususu", MSG_CHANNEL_OPEN, "direct-tcpip", (uint32_t)1, (uint32_t)1000,
             (uint32_t)1, "h", (uint32_t)65535, "o", (uint32_t)70000);
    cr_assert_eq(s.end.last[SESSION_EV_OPEN].port, 65535);
    cr_assert_eq(s.end.last[SESSION_EV_OPEN].port2, 0);
    clear(&s);
}

Test(answers, channel_requests_are_refused_when_they_want_to_know)
{
    struct scene s;
    set(&s, SESSION_SERVER);
    uint32_t id = peer_channel(&s.peer, 9, 1000);
    peer_say(&s.peer, "busbs", MSG_CHANNEL_REQUEST, id, "exec", 1, "/bin/sh");
    cr_assert(peer_next(&s.peer));
    cr_assert(peer_heard(&s.peer, "bu", MSG_CHANNEL_FAILURE, (uint32_t)9));
    peer_say(&s.peer, "busbs", MSG_CHANNEL_REQUEST, id, "env", 0, "A");
    cr_assert(!peer_next(&s.peer) && !session_failed(s.end.session));
    peer_say(&s.peer, "bu", MSG_CHANNEL_SUCCESS, id);
    cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
    clear(&s);
}

Test(answers, to_no_request)
{
    for (int r = 0; r < 2; r++) {
        struct scene s;
        set(&s, roles[r]);
        /* a pong nobody waits for is harmless */
        peer_say(&s.peer, "bs", MSG_PONG, "");
        cr_assert(!session_failed(s.end.session));
        cr_assert_eq(s.end.seen[SESSION_EV_ALIVE], 0);
        peer_say(&s.peer, "b", MSG_REQUEST_FAILURE);
        cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
        clear(&s);
    }
}

Test(answers, debug_is_told_and_bounded)
{
    char text[40000];
    memset(text, 'd', sizeof text);
    struct scene s;
    set(&s, SESSION_CLIENT);
    peer_say(&s.peer, "bbxs", MSG_DEBUG, 1, text, (size_t)30000, "");
    cr_assert_eq(s.end.seen[SESSION_EV_DEBUG], 1);
    cr_assert_eq(strlen(s.end.last_text), LIMIT_TEXT);
    peer_say(&s.peer, "buxs", MSG_DISCONNECT, (uint32_t)11, text, (size_t)30000, "");
    cr_assert_eq(s.end.failed, ERR_EOF);
    cr_assert_eq(s.end.seen[SESSION_EV_DISCONNECT], 1);
    clear(&s);
}

/* ---- the bound ----------------------------------------------------------------------------- */

/* Requests until the session takes no more, without its output being taken. */
static uint32_t flood(struct scene *s, uint32_t max)
{
    struct bytes wire = {.at = NULL};
    uint32_t sent = 0;
    uint8_t payload[5 + 256];
    struct wire_out out = wire_out_make(payload, sizeof payload);
    wire_put_u8(&out, MSG_PING);
    wire_put_u32(&out, 256);
    memset(payload + 5, 0, 256);
    while (sent < max && !session_stalled(s->end.session) && !session_failed(s->end.session)) {
        payload[5] = (uint8_t)(sent >> 8);
        payload[6] = (uint8_t)sent;
        wire.len = 0;
        peer_seal(&s->peer, payload, sizeof payload, &wire);
        peer_raw(&s->peer, wire.at, wire.len);
        sent++;
    }
    bytes_free(&wire);
    return sent;
}

static void expect_pongs(struct scene *s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!peer_next(&s->peer)) {
            end_feed(&s->end, NULL, 0);
            cr_assert(peer_next(&s->peer), "%u of %u", i, count);
        }
        cr_assert_eq(s->peer.payload.at[0], MSG_PONG);
        cr_assert_eq(s->peer.payload.at[5] << 8 | s->peer.payload.at[6], i & 0xffff);
    }
}

Test(answers, flood_outside_an_exchange_stalls_and_resumes)
{
    struct scene s;
    set(&s, SESSION_SERVER);
    uint32_t sent = flood(&s, 100000);
    cr_assert(session_stalled(s.end.session));
    cr_assert_lt(session_queued(s.end.session), (size_t)LIMIT_QUEUE_HIGH + 4096);
    cr_assert_lt(sent, 2 * (LIMIT_QUEUE_HIGH + LIMIT_REPLIES) / 256);
    /* what comes meanwhile stays where it is */
    for (uint32_t i = 0; i < 100; i++) {
        uint8_t payload[5 + 256] = {MSG_PING, 0, 0, 1, 0};
        payload[5] = (uint8_t)((sent + i) >> 8);
        payload[6] = (uint8_t)(sent + i);
        peer_send(&s.peer, payload, sizeof payload);
    }
    cr_assert(!session_failed(s.end.session));
    cr_assert_gt(s.end.rest.len, 0);
    expect_pongs(&s, sent + 100);
    cr_assert(!session_stalled(s.end.session));
    cr_assert_eq(s.end.rest.len, 0);
    cr_assert(!peer_next(&s.peer));
    cr_assert_eq(s.end.home.cells, 0);
    clear(&s);
}

Test(answers, flood_inside_an_exchange_ends_it)
{
    struct scene s;
    set(&s, SESSION_SERVER);
    session_rekey(s.end.session);
    uint32_t sent = flood(&s, 100000);
    cr_assert_eq(s.end.failed, ERR_FLOOD);
    cr_assert_leq(sent, LIMIT_REPLIES / 256 + 1);
    clear(&s);
}

/* A few inside the exchange are answered behind it, in order. */
Test(answers, requests_that_cross_our_kexinit)
{
    for (int r = 0; r < 2; r++) {
        struct scene s;
        set(&s, roles[r]);
        session_rekey(s.end.session);
        cr_assert_eq(flood(&s, 40), 40);
        cr_assert(!session_failed(s.end.session));
        cr_assert(peer_exchange(&s.peer), "%s", s.end.fault);
        expect_pongs(&s, 40);
        clear(&s);
    }
}

/* Opens that are refused while nobody reads: no growth without a bound. */
static bool refuses_opens(struct end *end, const struct session_event *event)
{
    if (event->kind == SESSION_EV_OPEN) {
        session_channel_refuse(end->session, event->channel, OPEN_PROHIBITED, "no");
        return true;
    }
    return false;
}

Test(answers, refused_opens_while_nobody_reads)
{
    for (int rekey = 0; rekey < 2; rekey++) {
        struct scene s;
        set(&s, SESSION_SERVER);
        s.end.hook = refuses_opens;
        if (rekey) {
            session_rekey(s.end.session);
        }
        for (uint32_t i = 0;
             i < 60000 && !session_failed(s.end.session) && !session_stalled(s.end.session); i++) {
            peer_say(&s.peer, "bsuuususu", MSG_CHANNEL_OPEN, "direct-tcpip", i, (uint32_t)1,
                     (uint32_t)1, "h", (uint32_t)80, "o", (uint32_t)1);
        }
        cr_expect_lt(session_queued(s.end.session), (size_t)2 * LIMIT_QUEUE_HIGH);
        cr_expect_lt(s.end.home.cells, 20000, "%u cells", s.end.home.cells);
        clear(&s);
    }
}
