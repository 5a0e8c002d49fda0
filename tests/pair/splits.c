/*
 * Every split of the stream gives the same events: a session is recorded, then each side is
 * replayed alone, with the same randomness, from its peer's stream cut in other places.
 */
#include <criterion/criterion.h>

#include "tests/support/pair.h"

enum { MESSAGE = 120 };

/* All that is done is done in answer to events, so a replay does the same. */
static bool client_acts(struct end *end, const struct session_event *event)
{
    struct session *session = end->session;
    switch (event->kind) {
    case SESSION_EV_AUTH_OK:
        session_ping(session);
        session_channel_open(session, "target", 80, "127.0.0.1", 4000, end);
        session_channel_open(session, "refused", 80, "127.0.0.1", 4000, end);
        return true;
    case SESSION_EV_CONFIRMED:
        end_write(end, event->channel, 0, MESSAGE);
        return true;
    case SESSION_EV_DATA:
        session_channel_consumed(session, event->channel, event->blob_len);
        if (end->data_in == MESSAGE && end->ctx != NULL) {
            session_rekey(session);
        } else {
            session_channel_eof(session, event->channel);
        }
        return true;
    case SESSION_EV_KEX:
        if (!event->kex->first) {
            session_channel_eof(session, end->channel);
        }
        return true;
    default:
        return false;
    }
}

static bool server_acts(struct end *end, const struct session_event *event)
{
    struct session *session = end->session;
    switch (event->kind) {
    case SESSION_EV_OPEN:
        if (strcmp(event->text, "refused") == 0) {
            session_channel_refuse(session, event->channel, OPEN_PROHIBITED, "not this one");
            return true;
        }
        return false;
    case SESSION_EV_DATA:
        session_channel_consumed(session, event->channel, event->blob_len);
        end_write(end, event->channel, 0, MESSAGE);
        return true;
    case SESSION_EV_EOF:
        session_channel_close(session, event->channel);
        return true;
    default:
        return false;
    }
}

/* Deterministic numbers for random cuts. */
static uint32_t next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*state >> 33);
}

struct recorded {
    struct pair pair;
    const char *cipher;
    bool rekey;
};

static void configure(struct end *end, const struct recorded *recorded, bool client)
{
    end->config.ciphers = recorded->cipher;
    end->hook = client ? client_acts : server_acts;
    end->ctx = recorded->rekey ? end : NULL;
    end->tell = true;
    if (!client) {
        end->config.banner = "hello\n";
    }
}

static void record(struct recorded *recorded)
{
    struct pair *pair = &recorded->pair;
    pair_make(pair, 10);
    pair->record = true;
    configure(&pair->client, recorded, true);
    configure(&pair->server, recorded, false);
    pair_start(pair);
    pair_run(pair);
    cr_assert_eq(pair->client.seen[SESSION_EV_CLOSE], 1);
    cr_assert_eq(pair->client.seen[SESSION_EV_REFUSED], 1);
    cr_assert_eq(pair->client.seen[SESSION_EV_ALIVE], 1);
    cr_assert_eq(pair->client.data_in, MESSAGE);
    cr_assert_eq(session_stats(pair->client.session).rekeys, recorded->rekey);
    session_disconnect(pair->client.session, DISCONNECT_BY_APPLICATION, "done");
    session_disconnect(pair->server.session, DISCONNECT_BY_APPLICATION, "done");
    /* the good-byes are in the streams, but each side knows only its own */
    pair->client.tell = false;
    pair->server.tell = false;
    pair_run(pair);
}

/* Does the story begin as the original one did, as far as it went until its own failure? */
static bool begins_alike(const struct end *end, const struct end *original)
{
    size_t len = end->story.len;
    if (end->seen[SESSION_EV_FAILED] > 0) {
        /* the last line tells of the failure */
        for (len--; len > 0 && end->story.at[len - 1] != '\n'; len--) {
        }
    }
    return len <= original->story.len &&
           (len == 0 || memcmp(end->story.at, original->story.at, len) == 0);
}

static bool cut_at(const struct bytes *stream, size_t at, size_t *ret_to, uint64_t *state,
                   size_t pieces)
{
    if (pieces == 0) {
        *ret_to = at + 1 + next_number(state) % 200;
    } else {
        *ret_to = at + pieces;
    }
    *ret_to = *ret_to < stream->len ? *ret_to : stream->len;
    return at < stream->len;
}

/* first: bytes of the first piece; then pieces of `pieces` bytes, 0: random ones. */
static void replay(const struct recorded *recorded, bool client, size_t first, size_t pieces)
{
    const struct end *original = client ? &recorded->pair.client : &recorded->pair.server;
    const struct bytes *stream = client ? &recorded->pair.to_client : &recorded->pair.to_server;
    struct end end;
    struct bytes sent = {.at = NULL};
    uint64_t state = first + 1;
    end_make(&end, original->config.role, client ? 10 : 11);
    configure(&end, recorded, client);
    end_start(&end);
    size_t at = 0;
    size_t to = first;
    do {
        end_feed(&end, stream->at + at, to - at);
        end_output(&end, &sent, SIZE_MAX);
        at = to;
    } while (cut_at(stream, at, &to, &state, pieces));
    cr_assert_eq(end.seen[SESSION_EV_DISCONNECT], 1);
    cr_assert_geq(end.story.len, original->story.len);
    cr_assert_arr_eq(end.story.at, original->story.at, original->story.len,
                     "split at %zu, pieces of %zu", first, pieces);
    cr_assert_eq(end.rest.len, 0);
    bytes_free(&sent);
    end_free(&end);
}

static void replay_all(const char *cipher, bool rekey)
{
    struct recorded recorded = {.cipher = cipher, .rekey = rekey};
    record(&recorded);
    for (int client = 0; client < 2; client++) {
        size_t len = client ? recorded.pair.to_client.len : recorded.pair.to_server.len;
        replay(&recorded, client, len, len);
        replay(&recorded, client, 1, 1);
        replay(&recorded, client, 7, 7);
        for (size_t seed = 0; seed < 40; seed++) {
            replay(&recorded, client, seed, 0);
        }
        for (size_t at = 1; at < len; at++) {
            replay(&recorded, client, at, len);
        }
    }
    pair_free(&recorded.pair);
}

Test(splits, chacha)
{
    replay_all("chacha20-poly1305@openssh.com", false);
}

Test(splits, aesgcm)
{
    replay_all("aes256-gcm@openssh.com", false);
}

Test(splits, with_a_rekey)
{
    replay_all("chacha20-poly1305@openssh.com", true);
}

/* The stream ends at every offset: no event of what was not whole, one failure, no leak. */
Test(splits, truncated_everywhere)
{
    struct recorded recorded = {.cipher = "aes256-gcm@openssh.com"};
    record(&recorded);
    for (int client = 0; client < 2; client++) {
        const struct bytes *stream = client ? &recorded.pair.to_client : &recorded.pair.to_server;
        const struct end *original = client ? &recorded.pair.client : &recorded.pair.server;
        for (size_t len = 0; len < stream->len; len += len < 300 ? 1 : 3) {
            struct end end;
            end_make(&end, original->config.role, client ? 10 : 11);
            configure(&end, &recorded, client);
            end_start(&end);
            end_feed(&end, stream->at, len);
            cr_assert(begins_alike(&end, original), "cut at %zu", len);
            session_feed_eof(end.session);
            end_events(&end);
            cr_assert_eq(end.seen[SESSION_EV_FAILED], 1);
            end_free(&end);
        }
    }
    pair_free(&recorded.pair);
}

/* One bit wrong at every byte: no session that got it says what the original one did not. */
Test(splits, one_bit_wrong_everywhere)
{
    struct recorded recorded = {.cipher = "chacha20-poly1305@openssh.com"};
    record(&recorded);
    const struct bytes *stream = &recorded.pair.to_server;
    for (size_t at = 0; at < stream->len; at++) {
        struct end end;
        struct bytes copy = {.at = NULL};
        bytes_add(&copy, stream->at, stream->len);
        copy.at[at] ^= (uint8_t)(1U << (at % 8));
        end_make(&end, SESSION_SERVER, 11);
        configure(&end, &recorded, false);
        end_start(&end);
        end_feed(&end, copy.at, copy.len);
        /* before the first keys only the exchange hash protects (and not the padding): a change
         * shows when the first sealed packet comes */
        const struct bytes *story = &recorded.pair.server.story;
        bool whole = end.story.len > story->len && memcmp(end.story.at, story->at, story->len) == 0;
        if (!whole || at > 1200) {
            cr_assert(begins_alike(&end, &recorded.pair.server) ||
                          end.seen[SESSION_EV_AUTH_OK] == 0,
                      "byte %zu", at);
            cr_assert_eq(end.seen[SESSION_EV_DISCONNECT], 0, "byte %zu", at);
        }
        bytes_free(&copy);
        end_free(&end);
    }
    pair_free(&recorded.pair);
}
