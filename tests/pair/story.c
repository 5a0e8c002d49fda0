/*
 * The whole story of a tunnel, with both ciphers: connect, log in, open, data both ways,
 * half-close, close; and everything that was lent is home again.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"

static const char *const ciphers[] = {"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"};

/* Data must be the pattern, from its beginning. */
static bool checks_data(struct end *end, const struct session_event *event)
{
    if (event->kind == SESSION_EV_DATA) {
        uint64_t from = end->data_in - event->blob_len;
        for (size_t i = 0; i < event->blob_len; i++) {
            cr_assert_eq(event->blob[i], end_pattern(from + i));
        }
    }
    return false;
}

static void tell_story(const char *cipher, size_t step_max)
{
    struct pair pair;
    pair_make(&pair, 1);
    pair.step_max = step_max;
    pair.client.config.ciphers = cipher;
    pair.server.config.banner = "hello\n";
    pair.client.hook = checks_data;
    pair.server.hook = checks_data;
    pair_open(&pair);
    struct end *client = &pair.client;
    struct end *server = &pair.server;
    cr_assert_eq(client->seen[SESSION_EV_BANNER], 1);
    cr_assert_str_eq(client->last[SESSION_EV_KEX].kex->cipher_out, cipher);
    cr_assert(client->last[SESSION_EV_KEX].kex->strict);
    cr_assert_str_eq(session_signature_algorithms(client->session), "ssh-ed25519");

    uint64_t up = 0;
    uint64_t down = 0;
    const uint64_t all = 700001;
    while (client->data_in < all || server->data_in < all) {
        up += end_write(client, client->channel, up, (size_t)(all - up));
        down += end_write(server, server->channel, down, (size_t)(all - down));
        cr_assert(pair_turn(&pair), "stuck at %lu up, %lu down", server->data_in, client->data_in);
    }
    session_channel_eof(client->session, client->channel);
    pair_run(&pair);
    cr_assert_eq(server->seen[SESSION_EV_EOF], 1);
    cr_assert_eq(session_channel_budget(client->session, client->channel), 0);
    /* the other half goes on */
    cr_assert_eq(end_write(server, server->channel, down, 10), 10);
    session_channel_eof(server->session, server->channel);
    session_channel_close(server->session, server->channel);
    pair_run(&pair);
    cr_assert_eq(client->data_in, all + 10);
    cr_assert_eq(client->seen[SESSION_EV_EOF], 1);
    cr_assert_eq(client->seen[SESSION_EV_CLOSE], 1);
    cr_assert_eq(session_stats(client->session).channels, 0);
    cr_assert_eq(session_stats(server->session).channels, 0);
    cr_assert_eq(session_queued(client->session) + session_queued(server->session), 0);
    cr_assert_eq(client->home.cells + server->home.cells, 0);
    cr_assert_eq(session_stats(client->session).bytes_out, session_stats(server->session).bytes_in);

    session_disconnect(client->session, DISCONNECT_BY_APPLICATION, "good bye");
    pair_run(&pair);
    cr_assert_eq(client->failed, ERR_LOCAL);
    cr_assert_eq(server->seen[SESSION_EV_DISCONNECT], 1);
    cr_assert_eq(server->last[SESSION_EV_DISCONNECT].code, DISCONNECT_BY_APPLICATION);
    cr_assert_eq(server->failed, ERR_EOF);
    pair_free(&pair);
}

Test(story, both_ciphers)
{
    for (size_t i = 0; i < 2; i++) {
        tell_story(ciphers[i], 0);
        tell_story(ciphers[i], 997);
    }
}

Test(story, refused_channel_carries_its_reason)
{
    struct pair pair;
    pair_make(&pair, 2);
    pair_start(&pair);
    pair_run(&pair);
    uint32_t id = session_channel_open(pair.client.session, "h", 1, "o", 2, &pair);
    cr_assert_neq(id, SESSION_NO_CHANNEL);
    cr_assert_eq(session_channel_budget(pair.client.session, id), 0);
    struct bytes wire = {.at = NULL};
    end_output(&pair.client, &wire, SIZE_MAX);
    pair.server.hook = checks_data;
    session_feed(pair.server.session, wire.at, wire.len);
    struct session_event event;
    cr_assert(session_next(pair.server.session, 0, &event));
    cr_assert_eq(event.kind, SESSION_EV_OPEN);
    cr_assert_str_eq(event.text, "h");
    cr_assert_str_eq(event.text2, "o");
    cr_assert_eq(event.port, 1);
    cr_assert_eq(event.port2, 2);
    session_channel_refuse(pair.server.session, event.channel, OPEN_CONNECT_FAILED,
                           "Connection refused");
    uint8_t *rest;
    size_t rest_len;
    session_rest(pair.server.session, &rest, &rest_len);
    cr_assert_eq(rest_len, 0);
    bytes_free(&wire);
    pair_run(&pair);
    cr_assert_eq(pair.client.seen[SESSION_EV_REFUSED], 1);
    cr_assert_eq(pair.client.last[SESSION_EV_REFUSED].code, OPEN_CONNECT_FAILED);
    cr_assert_eq(pair.client.last[SESSION_EV_REFUSED].owner, &pair);
    cr_assert_str_eq(pair.client.last_text, "Connection refused");
    cr_assert_eq(session_stats(pair.client.session).channels, 0);
    pair_free(&pair);
}

Test(story, without_a_probe)
{
    struct pair pair;
    pair_make(&pair, 3);
    pair.client.no_probe = true;
    pair_open(&pair);
    cr_assert_eq(pair.server.seen[SESSION_EV_AUTH_REQUEST], 1);
    cr_assert(pair.server.last[SESSION_EV_AUTH_REQUEST].is_signed);
    pair_free(&pair);
}

Test(story, wrong_user_key_ends_with_permission_denied)
{
    struct pair pair;
    pair_make(&pair, 4);
    pair.server.user_blob[30] ^= 1;
    pair_start(&pair);
    pair_run(&pair);
    cr_assert_eq(pair.client.failed, ERR_AUTH_NONE_LEFT);
    cr_assert_str_eq(pair.client.fault, "Permission denied (publickey).");
    cr_assert_eq(pair.server.seen[SESSION_EV_AUTH_OK] + pair.client.seen[SESSION_EV_AUTH_OK], 0);
    pair_free(&pair);
}

static bool refuses_host(struct end *end, const struct session_event *event)
{
    if (event->kind == SESSION_EV_HOSTKEY) {
        session_hostkey_verdict(end->session, false);
        return true;
    }
    return false;
}

Test(story, refused_host_key_ends_before_any_login)
{
    struct pair pair;
    pair_make(&pair, 5);
    pair.client.hook = refuses_host;
    pair_start(&pair);
    pair_run(&pair);
    cr_assert_eq(pair.client.failed, ERR_HOSTKEY);
    cr_assert_eq(pair.server.seen[SESSION_EV_DISCONNECT], 1);
    cr_assert_eq(pair.server.last[SESSION_EV_DISCONNECT].code, DISCONNECT_HOST_KEY_NOT_VERIFIABLE);
    cr_assert_eq(pair.server.seen[SESSION_EV_AUTH_REQUEST], 0);
    pair_free(&pair);
}

static bool has_no_signature(struct end *end, const struct session_event *event)
{
    if (event->kind == SESSION_EV_SIGN_HOST) {
        session_host_signature(end->session, NULL, 0);
        return true;
    }
    if (event->kind == SESSION_EV_AUTH_SIGN) {
        session_auth_signature(end->session, NULL, 0);
        return true;
    }
    return false;
}

Test(story, signatures_that_cannot_be_made)
{
    struct pair pair;
    pair_make(&pair, 6);
    pair.server.hook = has_no_signature;
    pair_start(&pair);
    pair_run(&pair);
    cr_assert_eq(pair.server.failed, ERR_LOCAL);
    pair_free(&pair);

    pair_make(&pair, 7);
    pair.client.hook = has_no_signature;
    pair_start(&pair);
    pair_run(&pair);
    cr_assert_eq(pair.client.failed, ERR_AUTH_NONE_LEFT);
    pair_free(&pair);
}

/* Late and needless commands are harmless, on a dead session too. */
Test(story, commands_at_odd_times)
{
    struct pair pair;
    pair_make(&pair, 8);
    pair_start(&pair);
    struct end *ends[] = {&pair.client, &pair.server};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            struct session *session = ends[i]->session;
            session_hostkey_verdict(session, true);
            session_host_signature(session, (const uint8_t[]){0}, 1);
            session_auth_verdict(session, true);
            session_auth_signature(session, (const uint8_t[]){0}, 1);
            session_auth_offer(session, "ssh-ed25519", ends[i]->user_blob, 51, true);
            session_channel_confirm(session, 0, NULL);
            session_channel_refuse(session, 5, OPEN_PROHIBITED, "no");
            session_channel_eof(session, 0xffffffff);
            session_channel_close(session, 64);
            session_channel_consumed(session, 3, 10);
            session_channel_set_owner(session, 9, NULL);
            session_channel_write(session, 1, end_cell(ends[i], 0, 5));
            cr_assert_eq(session_channel_budget(session, 1), 0);
            cr_assert_eq(session_channel_packet_max(session, 1), 0);
            session_ping(session);
            session_rekey(session);
        }
        if (round == 0) {
            pair_run(&pair);
            cr_assert(pair_ready(&pair));
        } else if (round == 1) {
            pair_run(&pair);
            cr_assert(!session_failed(pair.client.session), "%s", pair.client.fault);
            session_feed_eof(pair.client.session);
            end_events(&pair.client);
            session_feed_eof(pair.client.session);
            session_disconnect(pair.client.session, DISCONNECT_BY_APPLICATION, "x");
            cr_assert_eq(pair.client.failed, ERR_EOF);
            cr_assert_eq(session_deadline(pair.client.session), INT64_MAX);
            cr_assert(!session_stalled(pair.client.session));
            session_tick(pair.client.session, INT64_MAX);
        }
    }
    end_events(&pair.client);
    pair_free(&pair);
}
