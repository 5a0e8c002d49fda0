/*
 * All orders of what can happen to one channel, exhaustively up to a depth: our side writes, ends,
 * closes, confirms or refuses; the peer does the same; the two streams move when they move.
 * Whatever the order: no fault, all data before EOF arrives, nothing comes behind it, and both
 * slots are free again at the end.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"

enum action {
    CLIENT_DATA,
    CLIENT_EOF,
    CLIENT_CLOSE,
    SERVER_CONFIRM,
    SERVER_REFUSE,
    SERVER_DATA,
    SERVER_EOF,
    SERVER_CLOSE,
    MOVE_TO_SERVER,
    MOVE_TO_CLIENT,
    ACTIONS,
};

/* What a side knows and did. */
struct side {
    struct end end;
    uint32_t channel;
    bool open, eof, closed, gone;
    uint64_t written;
    /* what the other side had written when it said EOF, or closed */
    bool got_eof, got_close;
};

struct world {
    struct side client, server;
    bool asked;
    uint64_t runs;
};

static struct world world;

static struct side *side_of(struct end *end)
{
    return end == &world.client.end ? &world.client : &world.server;
}

static bool watches(struct end *end, const struct session_event *event)
{
    struct side *side = side_of(end);
    switch (event->kind) {
    case SESSION_EV_OPEN:
        side->channel = event->channel;
        world.asked = true;
        return true;
    case SESSION_EV_CONFIRMED:
        cr_assert(!side->closed);
        side->open = true;
        return true;
    case SESSION_EV_REFUSED:
        cr_assert(!side->closed && !side->open);
        side->gone = true;
        return true;
    case SESSION_EV_DATA:
        cr_assert(!side->closed && !side->got_eof && !side->got_close);
        session_channel_consumed(end->session, event->channel, event->blob_len);
        return true;
    case SESSION_EV_EOF:
        cr_assert(!side->closed && !side->got_eof && !side->got_close);
        side->got_eof = true;
        return true;
    case SESSION_EV_CLOSE:
        cr_assert(!side->closed && !side->got_close);
        side->got_close = true;
        return true;
    case SESSION_EV_WINDOW:
        cr_assert(!side->closed);
        return true;
    default:
        return false;
    }
}

static bool may_write(const struct side *side)
{
    return side->open && !side->closed && !side->eof && !side->gone &&
           session_channel_budget(side->end.session, side->channel) > 0;
}

static bool may_close(const struct side *side)
{
    return !side->closed && !side->gone && side->channel != SESSION_NO_CHANNEL;
}

static void move(struct side *from, struct side *to)
{
    struct bytes wire = {.at = NULL};
    end_output(&from->end, &wire, SIZE_MAX);
    end_feed(&to->end, wire.at, wire.len);
    bytes_free(&wire);
}

static void do_write(struct side *side)
{
    side->written += end_write(&side->end, side->channel, side->written, 5);
}

static void do_eof(struct side *side)
{
    session_channel_eof(side->end.session, side->channel);
    side->eof = true;
}

static void do_close(struct side *side)
{
    session_channel_close(side->end.session, side->channel);
    side->closed = true;
}

/* False: it makes no sense now. */
static bool act(enum action action)
{
    struct side *side = action <= CLIENT_CLOSE ? &world.client : &world.server;
    bool offered = world.asked && !world.server.open && !world.server.gone && !world.server.closed;
    switch (action) {
    case CLIENT_DATA:
    case SERVER_DATA:
        if (!may_write(side)) {
            return false;
        }
        do_write(side);
        return true;
    case CLIENT_EOF:
    case SERVER_EOF:
        if (!side->open || side->eof || side->closed) {
            return false;
        }
        do_eof(side);
        return true;
    case CLIENT_CLOSE:
    case SERVER_CLOSE:
        if (!may_close(side)) {
            return false;
        }
        do_close(side);
        return true;
    case SERVER_CONFIRM:
        if (!offered) {
            return false;
        }
        session_channel_confirm(side->end.session, side->channel, side);
        side->open = true;
        return true;
    case SERVER_REFUSE:
        if (!offered) {
            return false;
        }
        session_channel_refuse(side->end.session, side->channel, OPEN_PROHIBITED, "no");
        side->gone = true;
        return true;
    case MOVE_TO_SERVER:
        move(&world.client, &world.server);
        return true;
    default:
        move(&world.server, &world.client);
        return true;
    }
}

static void settle(void)
{
    for (int i = 0; i < 6; i++) {
        move(&world.client, &world.server);
        move(&world.server, &world.client);
    }
}

static void check_alive(void)
{
    cr_assert(!session_failed(world.client.end.session), "%s", world.client.end.fault);
    cr_assert(!session_failed(world.server.end.session), "%s", world.server.end.fault);
}

static void check_delivery(const struct side *from, const struct side *to, uint64_t before)
{
    uint64_t got = to->end.data_in - before;
    cr_assert_leq(got, from->written);
    /* who reads to the end gets all */
    if (to->got_eof || to->got_close) {
        cr_assert_eq(got, from->written);
    }
}

static void forget(struct side *side)
{
    side->channel = SESSION_NO_CHANNEL;
    side->open = side->eof = side->closed = side->gone = false;
    side->got_eof = side->got_close = false;
    side->written = 0;
}

/* One order from the open to the end, on sessions that go on living. */
static bool run(const enum action *actions, int depth, bool rekey)
{
    forget(&world.client);
    forget(&world.server);
    world.asked = false;
    uint64_t to_client = world.client.end.data_in;
    uint64_t to_server = world.server.end.data_in;
    world.client.channel =
        session_channel_open(world.client.end.session, "h", 80, "o", 1, &world.client);
    cr_assert_neq(world.client.channel, SESSION_NO_CHANNEL);
    move(&world.client, &world.server);
    if (rekey) {
        session_rekey(world.server.end.session);
    }
    bool sensible = true;
    for (int i = 0; i < depth && sensible; i++) {
        sensible = act(actions[i]);
        check_alive();
    }
    settle();
    check_alive();
    if (world.asked && !world.server.open && !world.server.gone && !world.server.closed) {
        act(SERVER_REFUSE);
    }
    if (may_close(&world.server)) {
        do_close(&world.server);
    }
    settle();
    if (may_close(&world.client)) {
        do_close(&world.client);
    }
    settle();
    check_alive();
    check_delivery(&world.client, &world.server, to_server);
    check_delivery(&world.server, &world.client, to_client);
    cr_assert_eq(session_stats(world.client.end.session).channels, 0);
    cr_assert_eq(session_stats(world.server.end.session).channels, 0);
    cr_assert_eq(world.client.end.home.cells + world.server.end.home.cells, 0);
    world.runs++;
    return sensible;
}

/* All orders of that depth, without those that begin senselessly. */
static void explore(enum action *actions, int depth, int max, bool rekey)
{
    for (int action = 0; action < ACTIONS; action++) {
        actions[depth] = (enum action)action;
        bool last = depth + 1 == max;
        if (!last && depth < 3) {
            explore(actions, depth + 1, max, rekey);
        } else if (run(actions, depth + 1, rekey) && !last) {
            explore(actions, depth + 1, max, rekey);
        }
    }
}

static void start(void)
{
    struct side *sides[] = {&world.client, &world.server};
    end_make(&world.client.end, SESSION_CLIENT, 80);
    end_make(&world.server.end, SESSION_SERVER, 81);
    for (int i = 0; i < 2; i++) {
        sides[i]->end.hook = watches;
        end_start(&sides[i]->end);
    }
    settle();
    cr_assert(session_authenticated(world.client.end.session));
}

static void stop(uint64_t at_least)
{
    cr_assert_gt(world.runs, at_least, "%lu", world.runs);
    end_free(&world.client.end);
    end_free(&world.server.end);
}

Test(orders, all_of_depth_six)
{
    enum action actions[8];
    start();
    explore(actions, 0, 6, false);
    stop(10000);
}

/* The same inside a key exchange that the server began: nothing of it is said before it ends. */
Test(orders, all_of_depth_five_within_a_rekey)
{
    enum action actions[8];
    start();
    explore(actions, 0, 5, true);
    stop(1500);
}
