/*
 * Deadlines in virtual time: identification, login, key exchange, keepalive.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"
#include "tests/support/peer.h"

static const int64_t SECOND = 1000000000;

/* A session alone, whose peer says what is given and then nothing. */
static void alone(struct end *end, enum session_role role)
{
    end_make(end, role, 60);
    end->now = 5 * SECOND;
}

/* The session must fail at exactly that time. */
static void fails_at(struct end *end, int64_t at)
{
    cr_assert_eq(session_deadline(end->session), at);
    end_time(end, at - 1);
    cr_assert(!session_failed(end->session));
    end_time(end, at);
    cr_assert_eq(end->failed, ERR_TIMEOUT, "%s", end->fault);
    cr_assert_eq(session_deadline(end->session), INT64_MAX);
    end_free(end);
}

Test(clocks, identification_however_slowly_it_drips)
{
    struct end end;
    alone(&end, SESSION_SERVER);
    end_start(&end);
    int64_t start = end.now;
    for (int i = 0; i < 9; i++) {
        end_time(&end, end.now + SECOND);
        end_feed(&end, "S", 1);
        cr_assert(!session_failed(end.session));
    }
    fails_at(&end, start + LIMIT_VERSION_NS);
}

Test(clocks, login_of_a_server)
{
    struct end end;
    struct peer peer;
    for (int step = 0; step < 4; step++) {
        alone(&end, SESSION_SERVER);
        end.config.login_ns = 8 * SECOND;
        end_start(&end);
        int64_t start = end.now;
        peer_make(&peer, &end, NULL);
        if (step >= 1) {
            peer_hello(&peer);
        }
        if (step == 2) {
            peer_init(&peer);
        }
        if (step == 3) {
            cr_assert(peer_exchange(&peer));
            peer_say(&peer, "bs", MSG_SERVICE_REQUEST, "ssh-userauth");
        }
        fails_at(&end, start + 8 * SECOND);
        peer_free(&peer);
    }
}

Test(clocks, login_in_time_stops_its_clock)
{
    struct pair pair;
    pair_make(&pair, 61);
    pair.server.config.login_ns = 8 * SECOND;
    pair.client.config.connect_ns = 3 * SECOND;
    pair_open(&pair);
    pair_wait(&pair, 100 * SECOND);
    cr_assert(pair_ready(&pair));
    pair_free(&pair);
}

Test(clocks, client_waits_so_long_for_the_first_exchange)
{
    struct end end;
    alone(&end, SESSION_CLIENT);
    end.config.connect_ns = 3 * SECOND;
    end_start(&end);
    int64_t start = end.now;
    end_feed(&end, "SSH-2.0-slow\r\n", 14);
    fails_at(&end, start + 3 * SECOND);
}

static bool never_answers(struct end *end, const struct session_event *event)
{
    (void)end;
    return event->kind == SESSION_EV_HOSTKEY || event->kind == SESSION_EV_SIGN_HOST;
}

/* The user may think about a host key as long as it takes, and then the server has its time. */
Test(clocks, question_about_the_host_key_has_no_deadline)
{
    struct end end;
    struct peer peer;
    alone(&end, SESSION_CLIENT);
    end.config.connect_ns = 3 * SECOND;
    end.hook = never_answers;
    end_start(&end);
    peer_make(&peer, &end, NULL);
    peer_hello(&peer);
    peer_init(&peer);
    cr_assert(peer_take_share(&peer));
    peer_share(&peer);
    cr_assert_eq(end.seen[SESSION_EV_HOSTKEY], 1);
    cr_assert_eq(session_deadline(end.session), INT64_MAX);
    end_time(&end, end.now + 1000 * SECOND);
    cr_assert(!session_failed(end.session));
    session_hostkey_verdict(end.session, true);
    if (session_deadline(end.session) <= end.now) {
        session_tick(end.session, end.now);
    }
    end_events(&end);
    cr_assert(!session_failed(end.session), "%s", end.fault);
    while (peer_next(&peer)) {
    }
    /* the server goes silent now */
    fails_at(&end, end.now + 3 * SECOND);
    peer_free(&peer);
}

Test(clocks, key_exchange_that_stands_still)
{
    struct end end;
    struct peer peer;
    for (int r = 0; r < 2; r++) {
        alone(&end, r ? SESSION_SERVER : SESSION_CLIENT);
        end_start(&end);
        peer_make(&peer, &end, NULL);
        cr_assert(peer_ready(&peer));
        end_time(&end, end.now + 100 * SECOND);
        session_rekey(end.session);
        fails_at(&end, end.now + LIMIT_KEX_NS);
        peer_free(&peer);
    }
}

Test(clocks, keepalive_that_is_answered)
{
    struct pair pair;
    pair_make(&pair, 62);
    pair.client.config.alive_ns = 10 * SECOND;
    pair.client.config.alive_max = 3;
    pair.server.config.alive_ns = 7 * SECOND;
    pair.server.config.alive_max = 1;
    pair_open(&pair);
    pair_wait(&pair, 200 * SECOND);
    cr_assert(pair_ready(&pair));
    cr_assert_gt(pair.server.seen[SESSION_EV_ALIVE], 20);
    pair_free(&pair);
}

Test(clocks, keepalive_that_is_not)
{
    for (int r = 0; r < 2; r++) {
        struct end end;
        struct peer peer;
        alone(&end, r ? SESSION_SERVER : SESSION_CLIENT);
        end.config.alive_ns = 10 * SECOND;
        end.config.alive_max = 3;
        end_start(&end);
        peer_make(&peer, &end, NULL);
        cr_assert(peer_ready(&peer));
        while (peer_next(&peer)) {
        }
        int64_t start = end.now;
        end_time(&end, start + 9 * SECOND);
        /* any message puts it off */
        peer_say(&peer, "bs", MSG_IGNORE, "");
        start = end.now;
        for (int i = 1; i <= 3; i++) {
            end_time(&end, start + i * 10 * SECOND);
            cr_assert(peer_next(&peer), "%d: %s", i, end.fault);
            cr_assert(peer_heard(&peer, "bsb", MSG_GLOBAL_REQUEST, "keepalive@openssh.com", 1));
        }
        fails_at(&end, start + 40 * SECOND);
        peer_free(&peer);
    }
}

/* The answer's time; and an answer that comes late is still one. */
Test(clocks, round_trip)
{
    struct pair pair;
    pair_make(&pair, 63);
    pair_open(&pair);
    session_ping(pair.client.session);
    struct bytes wire = {.at = NULL};
    end_output(&pair.client, &wire, SIZE_MAX);
    end_feed(&pair.server, wire.at, wire.len);
    end_time(&pair.client, 1234);
    pair_run(&pair);
    cr_assert_eq(pair.client.seen[SESSION_EV_ALIVE], 1);
    cr_assert_eq(pair.client.last[SESSION_EV_ALIVE].ns, 1234);
    bytes_free(&wire);
    pair_free(&pair);
}

Test(clocks, rekey_by_time)
{
    struct pair pair;
    pair_make(&pair, 64);
    pair.client.config.rekey_ns = 50 * SECOND;
    pair_open(&pair);
    pair_wait(&pair, 501 * SECOND);
    cr_assert(pair_ready(&pair));
    cr_assert_eq(session_stats(pair.client.session).rekeys, 10);
    pair_free(&pair);
    /* without a word of the user: each hour */
    pair_make(&pair, 65);
    pair_open(&pair);
    pair_wait(&pair, 3600 * SECOND - 1);
    cr_assert_eq(session_stats(pair.client.session).rekeys, 0);
    pair_wait(&pair, 2);
    cr_assert_eq(session_stats(pair.client.session).rekeys, 1);
    pair_free(&pair);
}
