/*
 * Flow control: windows are kept in both directions, overruns end the session, windows grow within
 * their budget, and so many channels are there but not one more.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"
#include "tests/support/peer.h"

struct scene {
    struct end end;
    struct peer peer;
    uint32_t id;
};

/* A server with one channel of ours, number 7 to us, which may send us window bytes. */
static void set(struct scene *scene, uint32_t window)
{
    end_make(&scene->end, SESSION_SERVER, 50);
    end_start(&scene->end);
    peer_make(&scene->peer, &scene->end, NULL);
    cr_assert(peer_ready(&scene->peer));
    while (peer_next(&scene->peer)) {
    }
    scene->id = peer_channel(&scene->peer, 7, window);
    cr_assert_neq(scene->id, SESSION_NO_CHANNEL);
}

static void clear(struct scene *scene)
{
    peer_free(&scene->peer);
    end_free(&scene->end);
}

static bool keeps_data(struct end *end, const struct session_event *event)
{
    (void)end;
    return event->kind == SESSION_EV_DATA;
}

static void send_data(struct scene *s, size_t len)
{
    static const uint8_t zeros[LIMIT_CHANNEL_DATA + 1];
    peer_say(&s->peer, "bux", MSG_CHANNEL_DATA, s->id, zeros, len);
}

Test(flow, one_byte_over_our_window_ends_the_session)
{
    struct scene s;
    set(&s, 1000);
    s.end.hook = keeps_data;
    for (size_t sent = 0; sent < LIMIT_WINDOW_START; sent += LIMIT_CHANNEL_DATA) {
        send_data(&s, LIMIT_CHANNEL_DATA);
    }
    cr_assert_eq(s.end.data_in, LIMIT_WINDOW_START);
    cr_assert(!peer_next(&s.peer), "window granted for what was not consumed");
    send_data(&s, 0);
    cr_assert(!session_failed(s.end.session));
    send_data(&s, 1);
    cr_assert_eq(s.end.failed, ERR_WINDOW);
    cr_assert_eq(s.end.data_in, LIMIT_WINDOW_START);
    clear(&s);
}

Test(flow, one_byte_over_the_largest_packet)
{
    struct scene s;
    set(&s, 1000);
    send_data(&s, LIMIT_CHANNEL_DATA + 1);
    cr_assert_eq(s.end.failed, ERR_WINDOW);
    clear(&s);
}

Test(flow, adjust_to_the_last_byte_and_one_more)
{
    struct scene s;
    set(&s, 10);
    peer_say(&s.peer, "buu", MSG_CHANNEL_WINDOW_ADJUST, s.id, UINT32_MAX - 10);
    cr_assert_eq(session_channel_budget(s.end.session, s.id), UINT32_MAX);
    peer_say(&s.peer, "buu", MSG_CHANNEL_WINDOW_ADJUST, s.id, (uint32_t)0);
    cr_assert(!session_failed(s.end.session));
    cr_assert_eq(s.end.seen[SESSION_EV_WINDOW], 0);
    peer_say(&s.peer, "buu", MSG_CHANNEL_WINDOW_ADJUST, s.id, (uint32_t)1);
    cr_assert_eq(s.end.failed, ERR_WINDOW);
    clear(&s);
}

Test(flow, budget_is_the_peers_window_and_its_return_is_told)
{
    struct scene s;
    set(&s, 5);
    cr_assert_eq(session_channel_packet_max(s.end.session, s.id), LIMIT_CHANNEL_DATA);
    cr_assert_eq(end_write(&s.end, s.id, 0, 100), 5);
    cr_assert_eq(session_channel_budget(s.end.session, s.id), 0);
    peer_say(&s.peer, "buu", MSG_CHANNEL_WINDOW_ADJUST, s.id, (uint32_t)3);
    cr_assert_eq(s.end.seen[SESSION_EV_WINDOW], 1);
    peer_say(&s.peer, "buu", MSG_CHANNEL_WINDOW_ADJUST, s.id, (uint32_t)3);
    cr_assert_eq(s.end.seen[SESSION_EV_WINDOW], 1);
    cr_assert_eq(end_write(&s.end, s.id, 5, 100), 6);
    uint8_t first[5];
    for (uint64_t i = 0; i < 5; i++) {
        first[i] = end_pattern(i);
    }
    cr_assert(peer_next(&s.peer));
    cr_assert(peer_heard(&s.peer, "bux", MSG_CHANNEL_DATA, (uint32_t)7, first, (size_t)5));
    clear(&s);
}

Test(flow, extended_data_is_dropped_and_its_window_is_not_lost)
{
    static const uint8_t zeros[LIMIT_CHANNEL_DATA];
    struct scene s;
    set(&s, 1000);
    for (int i = 0; i < 100; i++) {
        peer_say(&s.peer, "buux", MSG_CHANNEL_EXTENDED_DATA, s.id, (uint32_t)1, zeros,
                 sizeof zeros);
        while (peer_next(&s.peer)) {
        }
        cr_assert(!session_failed(s.end.session), "%d: %s", i, s.end.fault);
    }
    cr_assert_eq(s.end.seen[SESSION_EV_DATA], 0);
    clear(&s);
}

/* The peer sends as much as it was granted; the window doubles up to its maximum. */
Test(flow, window_grows_to_its_maximum_and_no_further)
{
    struct scene s;
    set(&s, 1000);
    uint64_t granted = LIMIT_WINDOW_START;
    uint64_t sent = 0;
    uint64_t outstanding_max = 0;
    while (sent < (uint64_t)6 * LIMIT_WINDOW_MAX) {
        cr_assert_gt(granted - sent, 0);
        size_t len = granted - sent < LIMIT_CHANNEL_DATA ? (size_t)(granted - sent)
                                                         : (size_t)LIMIT_CHANNEL_DATA;
        send_data(&s, len);
        cr_assert(!session_failed(s.end.session), "%s", s.end.fault);
        sent += len;
        while (peer_next(&s.peer)) {
            struct wire_in in = wire_in_make(s.peer.payload.at, s.peer.payload.len);
            cr_assert_eq(wire_get_u8(&in), MSG_CHANNEL_WINDOW_ADJUST);
            cr_assert_eq(wire_get_u32(&in), 7);
            granted += wire_get_u32(&in);
            cr_assert(wire_in_done(&in));
        }
        outstanding_max = granted - sent > outstanding_max ? granted - sent : outstanding_max;
        cr_assert_leq(granted - sent, LIMIT_WINDOW_MAX);
    }
    cr_assert_gt(outstanding_max, LIMIT_WINDOW_MAX / 2);
    clear(&s);
}

/* Full duplex, reluctant readers: what is lent is never more than the windows. */
static bool consumes_later(struct end *end, const struct session_event *event)
{
    uint64_t *owed = end->ctx;
    if (event->kind == SESSION_EV_DATA) {
        *owed += event->blob_len;
        cr_assert_leq(*owed, LIMIT_WINDOW_MAX);
        return true;
    }
    return false;
}

Test(flow, reluctant_readers_on_both_sides)
{
    struct pair pair;
    uint64_t owed[2] = {0, 0};
    uint64_t sent[2] = {0, 0};
    uint64_t state = 99;
    pair_make(&pair, 51);
    pair_open(&pair);
    struct end *ends[] = {&pair.client, &pair.server};
    for (int i = 0; i < 2; i++) {
        ends[i]->hook = consumes_later;
        ends[i]->ctx = &owed[i];
    }
    for (int turn = 0; turn < 3000; turn++) {
        for (int i = 0; i < 2; i++) {
            sent[i] += end_write(ends[i], ends[i]->channel, sent[i], 20000);
            state = state * 6364136223846793005ULL + 1;
            uint64_t now = owed[i] < (state >> 48) ? owed[i] : state >> 48;
            session_channel_consumed(ends[i]->session, ends[i]->channel, (size_t)now);
            owed[i] -= now;
        }
        pair_turn(&pair);
        cr_assert(!session_failed(ends[0]->session) && !session_failed(ends[1]->session));
    }
    for (int i = 0; i < 2; i++) {
        session_channel_consumed(ends[i]->session, ends[i]->channel, (size_t)owed[i]);
        owed[i] = 0;
    }
    pair_run(&pair);
    cr_assert_eq(ends[0]->data_in, sent[1]);
    cr_assert_eq(ends[1]->data_in, sent[0]);
    cr_assert_gt(sent[0], 10000000);
    pair_free(&pair);
}

Test(flow, all_channels_and_one_more)
{
    struct pair pair;
    pair_make(&pair, 52);
    pair_start(&pair);
    pair_run(&pair);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < LIMIT_CHANNELS; i++) {
            cr_assert_neq(session_channel_open(pair.client.session, "h", 1, "o", 1, NULL),
                          SESSION_NO_CHANNEL);
            if (i % 500 == 0) {
                pair_run(&pair);
            }
        }
        cr_assert_eq(session_channel_open(pair.client.session, "h", 1, "o", 1, NULL),
                     SESSION_NO_CHANNEL);
        pair_run(&pair);
        cr_assert_eq(session_stats(pair.server.session).channels, LIMIT_CHANNELS);
        for (uint32_t i = 0; i < LIMIT_CHANNELS; i++) {
            session_channel_close(pair.client.session, i);
        }
        pair_run(&pair);
        cr_assert_eq(session_stats(pair.client.session).channels, 0);
        cr_assert_eq(session_stats(pair.server.session).channels, 0);
        cr_assert_eq(pair.client.home.cells + pair.server.home.cells, 0);
    }
    cr_assert_eq(pair.client.home.blocks, LIMIT_CHANNELS / LIMIT_CHANNELS_CHUNK);
    pair_free(&pair);
}

Test(flow, peer_opens_one_more_than_there_are)
{
    struct scene s;
    set(&s, 10);
    for (uint32_t i = 1; i < LIMIT_CHANNELS; i++) {
        cr_assert_eq(peer_channel(&s.peer, i, 10), i);
    }
    peer_say(&s.peer, "bsuuususu", MSG_CHANNEL_OPEN, "direct-tcpip", (uint32_t)99999, (uint32_t)1,
             (uint32_t)1, "h", (uint32_t)80, "o", (uint32_t)1);
    cr_assert(peer_next(&s.peer));
    struct wire_in in = wire_in_make(s.peer.payload.at, s.peer.payload.len);
    cr_assert_eq(wire_get_u8(&in), MSG_CHANNEL_OPEN_FAILURE);
    cr_assert_eq(wire_get_u32(&in), 99999);
    cr_assert_eq(wire_get_u32(&in), OPEN_RESOURCE_SHORTAGE);
    cr_assert(!session_failed(s.end.session));
    clear(&s);
}

Test(flow, fewer_channels_as_configured)
{
    struct pair pair;
    pair_make(&pair, 53);
    pair.server.config.channels_max = 2;
    pair_open(&pair);
    for (int i = 0; i < 3; i++) {
        session_channel_open(pair.client.session, "h", 1, "o", 1, NULL);
    }
    pair_run(&pair);
    cr_assert_eq(pair.client.seen[SESSION_EV_CONFIRMED], 2);
    cr_assert_eq(pair.client.seen[SESSION_EV_REFUSED], 2);
    cr_assert_eq(pair.client.last[SESSION_EV_REFUSED].code, OPEN_RESOURCE_SHORTAGE);
    pair_free(&pair);
}

/* Messages for channels that are not there. */
Test(flow, channels_that_are_not_there)
{
    static const uint8_t messages[] = {MSG_CHANNEL_OPEN_CONFIRMATION,
                                       MSG_CHANNEL_OPEN_FAILURE,
                                       MSG_CHANNEL_DATA,
                                       MSG_CHANNEL_EOF,
                                       MSG_CHANNEL_CLOSE,
                                       MSG_CHANNEL_WINDOW_ADJUST,
                                       MSG_CHANNEL_EXTENDED_DATA,
                                       MSG_CHANNEL_REQUEST};
    static const uint32_t ids[] = {1, 63, 64, 0x80000000, 0xffffffff};
    for (size_t m = 0; m < sizeof messages; m++) {
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            struct scene s;
            set(&s, 10);
            uint32_t id = ids[i];
            switch (messages[m]) {
            case MSG_CHANNEL_OPEN_CONFIRMATION:
                peer_say(&s.peer, "buuuu", 91, id, (uint32_t)1, (uint32_t)1, (uint32_t)1);
                break;
            case MSG_CHANNEL_OPEN_FAILURE:
                peer_say(&s.peer, "buuss", 92, id, (uint32_t)1, "", "");
                break;
            case MSG_CHANNEL_DATA:
                peer_say(&s.peer, "bus", 94, id, "x");
                break;
            case MSG_CHANNEL_EXTENDED_DATA:
                peer_say(&s.peer, "buus", 95, id, (uint32_t)1, "x");
                break;
            case MSG_CHANNEL_WINDOW_ADJUST:
                peer_say(&s.peer, "buu", 93, id, (uint32_t)1);
                break;
            case MSG_CHANNEL_REQUEST:
                peer_say(&s.peer, "busb", 98, id, "x", 1);
                break;
            default:
                peer_say(&s.peer, "bu", messages[m], id);
                break;
            }
            /* an adjust may have crossed with the close of a channel there was */
            bool harmless = messages[m] == MSG_CHANNEL_WINDOW_ADJUST && id < 64;
            cr_assert_eq(s.end.failed, harmless ? ERR_OK : ERR_CHANNEL, "%d %u", messages[m], id);
            clear(&s);
        }
    }
}
