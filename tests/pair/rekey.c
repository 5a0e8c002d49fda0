/*
 * Rekeying while data flows in both directions: from either side, from both at once, with limits so
 * small that nearly every packet has keys of its own. Not a byte is lost, doubled or moved.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"

static bool checks_data(struct end *end, const struct session_event *event)
{
    if (event->kind == SESSION_EV_DATA) {
        uint64_t from = end->data_in - event->blob_len;
        for (size_t i = 0; i < event->blob_len; i++) {
            cr_assert_eq(event->blob[i], end_pattern(from + i), "at %lu", from + i);
        }
    }
    return false;
}

struct plan {
    const char *cipher;
    uint64_t client_bytes, server_bytes;
    uint64_t all;
    size_t write_max;
    size_t step_max;
    /* each so many turns both sides ask for a rekey at once */
    int both_every;
};

static uint64_t run(const struct plan *plan)
{
    struct pair pair;
    pair_make(&pair, 70);
    pair.client.config.ciphers = plan->cipher;
    pair.client.config.rekey_bytes = plan->client_bytes;
    pair.server.config.rekey_bytes = plan->server_bytes;
    pair.client.hook = checks_data;
    pair.server.hook = checks_data;
    pair_open(&pair);
    pair.step_max = plan->step_max;
    struct end *client = &pair.client;
    struct end *server = &pair.server;
    uint64_t up = 0;
    uint64_t down = 0;
    for (int turn = 0; client->data_in < plan->all || server->data_in < plan->all; turn++) {
        if (plan->both_every != 0 && turn % plan->both_every == 0) {
            session_rekey(client->session);
            session_rekey(server->session);
        }
        uint64_t more = plan->all - up;
        up +=
            end_write(client, client->channel, up, more < plan->write_max ? more : plan->write_max);
        more = plan->all - down;
        down += end_write(server, server->channel, down,
                          more < plan->write_max ? more : plan->write_max);
        cr_assert(pair_turn(&pair), "stuck at %lu and %lu: %s %s", up, down, client->fault,
                  server->fault);
    }
    session_channel_eof(client->session, client->channel);
    session_channel_close(client->session, client->channel);
    pair_run(&pair);
    cr_assert_eq(server->seen[SESSION_EV_EOF], 1);
    cr_assert_eq(session_stats(client->session).channels, 0);
    cr_assert_eq(session_stats(server->session).channels, 0);
    cr_assert_eq(client->home.cells + server->home.cells, 0);
    uint64_t rekeys = session_stats(client->session).rekeys;
    cr_assert_eq(rekeys, session_stats(server->session).rekeys);
    cr_assert_eq(client->seen[SESSION_EV_WRITABLE], rekeys);
    cr_assert_eq(client->seen[SESSION_EV_HOSTKEY], 1);
    pair_free(&pair);
    return rekeys;
}

Test(rekey, every_packet)
{
    const char *const ciphers[] = {"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"};
    for (size_t c = 0; c < 2; c++) {
        for (int sides = 1; sides <= 3; sides++) {
            struct plan plan = {
                .cipher = ciphers[c],
                .client_bytes = sides & 1 ? 1 : 0,
                .server_bytes = sides & 2 ? 1 : 0,
                .all = 30000,
                .write_max = 999,
            };
            cr_assert_gt(run(&plan), 8);
            plan.step_max = 513;
            cr_assert_gt(run(&plan), 8);
        }
    }
}

Test(rekey, in_full_flow)
{
    for (int sides = 1; sides <= 3; sides++) {
        struct plan plan = {
            .client_bytes = sides & 1 ? 100000 : 0,
            .server_bytes = sides & 2 ? 70000 : 0,
            .all = 5000000,
            .write_max = 100000,
            .step_max = 50000,
        };
        cr_assert_gt(run(&plan), 40);
    }
}

Test(rekey, from_both_sides_at_once)
{
    struct plan plan = {.all = 2000000, .write_max = 30000, .step_max = 20000, .both_every = 5};
    cr_assert_gt(run(&plan), 20);
    plan.step_max = 777;
    plan.write_max = 50;
    plan.all = 20000;
    cr_assert_gt(run(&plan), 3);
}

/* Opens and answers while keys are exchanged: all come through, in order. */
Test(rekey, thousand_opens_within_one)
{
    for (int side = 0; side < 2; side++) {
        struct pair pair;
        pair_make(&pair, 71);
        pair_start(&pair);
        pair_run(&pair);
        session_rekey(side ? pair.server.session : pair.client.session);
        pair.step_max = 300;
        for (uint32_t i = 0; i < 1000; i++) {
            cr_assert_eq(session_channel_open(pair.client.session, "h", 1, "o", 1, NULL), i);
            if (i % 10 == 0) {
                pair_turn(&pair);
            }
            if (i == 500) {
                session_rekey(pair.client.session);
            }
        }
        pair.step_max = 0;
        pair_run(&pair);
        cr_assert_eq(pair.server.seen[SESSION_EV_OPEN], 1000);
        cr_assert_eq(pair.client.seen[SESSION_EV_CONFIRMED], 1000);
        cr_assert_geq(session_stats(pair.client.session).rekeys, 1);
        pair_free(&pair);
    }
}

static bool refuses_opens(struct end *end, const struct session_event *event)
{
    if (event->kind == SESSION_EV_OPEN) {
        session_channel_refuse(end->session, event->channel, OPEN_CONNECT_FAILED, "no route");
        return true;
    }
    return false;
}

/* Refusals that can't be said yet wait, each with its reason, and none is lost. */
Test(rekey, thousand_refusals_within_one)
{
    struct pair pair;
    pair_make(&pair, 74);
    pair.server.hook = refuses_opens;
    pair_start(&pair);
    pair_run(&pair);
    for (int i = 0; i < 1000; i++) {
        session_channel_open(pair.client.session, "h", 1, "o", 1, NULL);
    }
    session_rekey(pair.server.session);
    pair.step_max = 5000;
    pair_run(&pair);
    cr_assert_eq(pair.server.seen[SESSION_EV_OPEN], 1000);
    cr_assert_eq(pair.client.seen[SESSION_EV_REFUSED], 1000);
    cr_assert_eq(pair.client.last[SESSION_EV_REFUSED].code, OPEN_CONNECT_FAILED);
    cr_assert_eq(session_stats(pair.server.session).channels, 0);
    cr_assert_eq(session_stats(pair.server.session).rekeys, 1);
    pair_free(&pair);
}

/* What was allowed when a key exchange began may still be written, and comes in order. */
Test(rekey, writes_that_cross_its_beginning)
{
    struct pair pair;
    pair_make(&pair, 72);
    pair.server.hook = checks_data;
    pair_open(&pair);
    struct end *client = &pair.client;
    cr_assert_gt(session_channel_budget(client->session, client->channel), 3000);
    session_rekey(client->session);
    cr_assert_eq(session_channel_budget(client->session, client->channel), 0);
    for (uint64_t i = 0; i < 3; i++) {
        session_channel_write(client->session, client->channel, end_cell(client, i * 1000, 1000));
    }
    session_channel_eof(client->session, client->channel);
    session_channel_close(client->session, client->channel);
    pair_run(&pair);
    cr_assert_eq(pair.server.data_in, 3000);
    cr_assert_eq(pair.server.seen[SESSION_EV_EOF], 1);
    cr_assert_eq(session_stats(client->session).channels, 0);
    pair_free(&pair);
}

/* Each answer of the server's side given while its own key exchange runs. */
Test(rekey, answers_within_one)
{
    struct pair pair;
    pair_make(&pair, 73);
    pair_open(&pair);
    struct end *client = &pair.client;
    session_channel_open(client->session, "second", 1, "o", 1, NULL);
    session_ping(client->session);
    session_rekey(pair.server.session);
    pair_run(&pair);
    cr_assert_eq(client->seen[SESSION_EV_CONFIRMED], 2);
    cr_assert_eq(client->seen[SESSION_EV_ALIVE], 1);
    cr_assert_eq(session_stats(client->session).rekeys, 1);
    pair_free(&pair);
}
