/*
 * The Nth take of a cell or of memory fails, for every N that a session has: alone, and with all
 * behind it. Nothing crashes, nothing is lost, nobody gets in who may not.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"

static bool client_acts(struct end *end, const struct session_event *event)
{
    switch (event->kind) {
    case SESSION_EV_AUTH_OK:
        session_ping(end->session);
        session_channel_open(end->session, "h", 80, "o", 1, NULL);
        return true;
    case SESSION_EV_CONFIRMED:
        end_write(end, event->channel, 0, 100000);
        session_rekey(end->session);
        return true;
    case SESSION_EV_KEX:
        if (!event->kex->first) {
            session_channel_eof(end->session, end->channel);
        }
        return true;
    default:
        return false;
    }
}

static bool server_acts(struct end *end, const struct session_event *event)
{
    switch (event->kind) {
    case SESSION_EV_DATA:
        session_channel_consumed(end->session, event->channel, event->blob_len);
        end_write(end, event->channel, 0, 10);
        return true;
    case SESSION_EV_EOF:
        session_channel_close(end->session, event->channel);
        return true;
    default:
        return false;
    }
}

/* The number of takes of that side; both sides' ends must be orderly. */
static uint64_t run(bool client, uint64_t fail_at, bool fail_on, bool wrong_key)
{
    struct pair pair;
    pair_make(&pair, 90);
    struct end *end = client ? &pair.client : &pair.server;
    end->home.fail_at = fail_at;
    end->home.fail_on = fail_on;
    pair.client.hook = client_acts;
    pair.server.hook = server_acts;
    pair.server.user_blob[30] ^= wrong_key;
    pair_start(&pair);
    pair_run(&pair);
    cr_assert(!wrong_key || (pair.client.seen[SESSION_EV_AUTH_OK] == 0 &&
                             pair.server.seen[SESSION_EV_AUTH_OK] == 0));
    bool done = pair.client.seen[SESSION_EV_CLOSE] == 1 && pair.server.data_in == 100000 &&
                pair.client.data_in >= 10;
    if (fail_at == 0) {
        cr_assert(done || wrong_key);
    } else if (end->home.failures > 0 && !done && !wrong_key) {
        /* the channel was refused or the session says that memory ran out; or the failure is one
         * that lasts, and what is due waits for room */
        cr_assert(session_failed(end->session) || pair.client.seen[SESSION_EV_REFUSED] > 0 ||
                      pair.client.seen[SESSION_EV_CONFIRMED] == 0 || fail_on,
                  "take %lu of %s", fail_at, client ? "client" : "server");
        cr_assert(!session_failed(end->session) || end->failed == ERR_MEMORY ||
                      end->failed == ERR_AUTH_NONE_LEFT,
                  "%s", end->fault);
    }
    uint64_t takes = end->home.takes;
    pair_free(&pair);
    return takes;
}

Test(failures, every_take_once_and_for_good)
{
    for (int client = 0; client < 2; client++) {
        for (int wrong_key = 0; wrong_key < 2; wrong_key++) {
            uint64_t takes = run(client, 0, false, wrong_key);
            cr_assert_gt(takes, wrong_key ? 2 : 5);
            for (uint64_t n = 1; n <= takes; n++) {
                run(client, n, false, wrong_key);
                run(client, n, true, wrong_key);
            }
        }
    }
}

/* A pool that is empty for a while: what was due is said when there is room again. */
Test(failures, due_messages_wait_for_room)
{
    struct pair pair;
    pair_make(&pair, 91);
    pair_open(&pair);
    struct end *server = &pair.server;
    server->home.fail_at = server->home.takes + 1;
    server->home.fail_on = true;
    end_write(&pair.client, pair.client.channel, 0, 200000);
    pair_run(&pair);
    cr_assert_eq(server->data_in, 200000);
    session_channel_eof(server->session, server->channel);
    pair_run(&pair);
    cr_assert(!session_failed(server->session), "%s", server->fault);
    cr_assert_eq(pair.client.seen[SESSION_EV_EOF], 0);
    server->home.fail_at = 0;
    pair_run(&pair);
    cr_assert_eq(pair.client.seen[SESSION_EV_EOF], 1);
    cr_assert_gt(session_channel_budget(pair.client.session, pair.client.channel), 200000);
    pair_free(&pair);
}

/* Answers and a sign of life, too. */
Test(failures, questions_wait_for_room)
{
    struct pair pair;
    pair_make(&pair, 92);
    pair_open(&pair);
    struct end *client = &pair.client;
    client->home.fail_at = client->home.takes + 1;
    session_ping(client->session);
    end_events(client);
    cr_assert(!session_failed(client->session), "%s", client->fault);
    session_ping(client->session);
    pair_run(&pair);
    cr_assert_eq(client->seen[SESSION_EV_ALIVE], 1);
    pair_free(&pair);
}
