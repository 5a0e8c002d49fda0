/*
 * Two sessions and the two streams between them.
 */
#include "tests/support/pair.h"

void pair_make(struct pair *pair, uint64_t seed)
{
    *pair = (struct pair){.step_max = 0};
    end_make(&pair->client, SESSION_CLIENT, seed);
    end_make(&pair->server, SESSION_SERVER, seed + 1);
}

void pair_start(struct pair *pair)
{
    end_start(&pair->client);
    end_start(&pair->server);
}

void pair_free(struct pair *pair)
{
    end_free(&pair->client);
    end_free(&pair->server);
    bytes_free(&pair->to_server);
    bytes_free(&pair->to_client);
}

static size_t move(const struct pair *pair, struct end *from, struct end *to, struct bytes *record)
{
    struct bytes wire = {.at = NULL};
    size_t moved = end_output(from, &wire, pair->step_max != 0 ? pair->step_max : SIZE_MAX);
    if (pair->record) {
        bytes_add(record, wire.at, wire.len);
    }
    size_t waited = to->rest.len;
    end_feed(to, wire.at, wire.len);
    bytes_free(&wire);
    return moved + (to->rest.len < waited);
}

bool pair_turn(struct pair *pair)
{
    size_t moved = 0;
    if (!pair->client_mute) {
        moved += move(pair, &pair->client, &pair->server, &pair->to_server);
    }
    if (!pair->server_mute) {
        moved += move(pair, &pair->server, &pair->client, &pair->to_client);
    }
    return moved > 0;
}

void pair_run(struct pair *pair)
{
    while (pair_turn(pair)) {
    }
}

void pair_wait(struct pair *pair, int64_t ns)
{
    int64_t until = pair->now + ns;
    pair_run(pair);
    for (;;) {
        int64_t client = session_deadline(pair->client.session);
        int64_t server = session_deadline(pair->server.session);
        int64_t next = client < server ? client : server;
        pair->now = next < until ? (next > pair->now ? next : pair->now) : until;
        end_time(&pair->client, pair->now);
        end_time(&pair->server, pair->now);
        pair_run(pair);
        if (next >= until) {
            return;
        }
    }
}

bool pair_ready(const struct pair *pair)
{
    return session_authenticated(pair->client.session) &&
           session_authenticated(pair->server.session);
}

void pair_open(struct pair *pair)
{
    pair_start(pair);
    pair_run(pair);
    assert(pair_ready(pair));
    uint32_t id =
        session_channel_open(pair->client.session, "target", 80, "127.0.0.1", 4000, &pair->client);
    assert(id != SESSION_NO_CHANNEL);
    pair_run(pair);
    assert(pair->client.seen[SESSION_EV_CONFIRMED] == 1);
}
