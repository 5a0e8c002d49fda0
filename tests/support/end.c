/*
 * One session under test. Feeds are copied into blocks of exactly their length, so that a sanitizer
 * sees the first byte read past the end.
 */
#include "tests/support/end.h"

#include <stdio.h>

#include "crypto/provider.h"

enum { OUTPUT_PIECES = 16 };

/* ---- memory that counts -------------------------------------------------------------------- */

static bool refuses(struct end_home *home)
{
    home->takes++;
    bool refuse = home->fail_at != 0 &&
                  (home->fail_on ? home->takes >= home->fail_at : home->takes == home->fail_at);
    home->failures += refuse;
    return refuse;
}

static struct cell *take_cell(struct end *end, size_t payload_len)
{
    struct cell *cell = calloc(1, sizeof *cell);
    assert(cell != NULL);
    cell->size = (uint32_t)(payload_len + CELL_HEADROOM + CELL_TAILROOM);
    cell->bytes = malloc(cell->size);
    assert(cell->bytes != NULL);
    cell->start = CELL_HEADROOM;
    cell->end = CELL_HEADROOM;
    end->home.cells++;
    return cell;
}

static struct cell *source_take(void *ctx, size_t payload_len)
{
    struct end *end = ctx;
    return refuses(&end->home) ? NULL : take_cell(end, payload_len);
}

static void source_give(void *ctx, struct cell *cell)
{
    struct end *end = ctx;
    assert(end->home.cells > 0);
    end->home.cells--;
    free(cell->bytes);
    free(cell);
}

static void *memory_take(void *ctx, size_t size)
{
    struct end *end = ctx;
    if (refuses(&end->home)) {
        return NULL;
    }
    end->home.blocks++;
    return malloc(size);
}

static void memory_give(void *ctx, void *block, size_t size)
{
    struct end *end = ctx;
    assert(end->home.blocks > 0);
    end->home.blocks--;
    /* a size that is not the one taken shows under a sanitizer */
    memset(block, 0xdd, size);
    free(block);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void key_of(uint8_t fill, struct sign_key *ret_key, uint8_t *ret_blob)
{
    uint8_t seed[SIGN_SEED_LEN];
    memset(seed, fill, sizeof seed);
    sign_key_from_seed(seed, ret_key);
    keytext_from_ed25519(ret_key->public, ret_blob);
}

void end_make(struct end *end, enum session_role role, uint64_t seed)
{
    bool ready = provider_start();
    assert(ready);
    *end = (struct end){.no_probe = false};
    key_of(1, &end->host_key, end->host_blob);
    key_of(2, &end->user_key, end->user_blob);
    end->config = (struct session_config){
        .role = role,
        .entropy = entropy_seeded(&end->seeded, seed),
        .memory = {memory_take, memory_give, end},
        .cells = {source_take, source_give, end},
        .software = "culvert_test",
    };
    if (role == SESSION_SERVER) {
        end->config.hostkey = end->host_blob;
        end->config.hostkey_len = sizeof end->host_blob;
    } else {
        end->config.user = "user";
    }
}

void end_start(struct end *end)
{
    void *memory = malloc(session_size());
    assert(memory != NULL);
    memset(memory, 0xa5, session_size());
    end->session = session_make(memory, &end->config, end->now);
}

void end_free(struct end *end)
{
    session_free(end->session);
    free(end->session);
    assert(end->home.cells == 0);
    assert(end->home.blocks == 0);
    bytes_free(&end->rest);
    bytes_free(&end->story);
    end->session = NULL;
}

/* ---- events -------------------------------------------------------------------------------- */

static uint32_t digest(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 2166136261U;
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ bytes[i]) * 16777619U;
    }
    return sum;
}

static void tell(struct end *end, const struct session_event *event)
{
    char line[LIMIT_HOST + 3 * LIMIT_TEXT];
    int len =
        snprintf(line, sizeof line, "%d err=%d ch=%u/%u code=%u %d%d %u %u '%s' '%s' %zu:%x\n",
                 (int)event->kind, (int)event->err, event->channel, event->remote, event->code,
                 event->partial, event->is_signed, event->port, event->port2,
                 event->text != NULL ? event->text : "", event->text2 != NULL ? event->text2 : "",
                 event->blob_len, digest(event->blob, event->blob_len));
    assert(len > 0 && (size_t)len < sizeof line);
    bytes_add(&end->story, line, (size_t)len);
}

static void note(struct end *end, const struct session_event *event)
{
    end->seen[event->kind]++;
    end->last[event->kind] = *event;
    if (event->text != NULL) {
        snprintf(end->last_text, sizeof end->last_text, "%s", event->text);
    }
    if (event->kind == SESSION_EV_DATA) {
        end->data_in += event->blob_len;
    }
    if (event->kind == SESSION_EV_FAILED) {
        assert(end->seen[SESSION_EV_FAILED] == 1);
        end->failed = event->err;
        snprintf(end->fault, sizeof end->fault, "%s", event->text);
    }
    if (event->kind == SESSION_EV_OPEN || event->kind == SESSION_EV_CONFIRMED) {
        end->channel = event->channel;
    }
}

void end_sign(const struct sign_key *key, const void *bytes, size_t len,
              uint8_t ret_signature[KEYTEXT_ED25519_SIGNATURE_LEN])
{
    uint8_t raw[SIGN_LEN];
    sign_make(key, bytes, len, raw);
    keytext_signature_from_ed25519(raw, ret_signature);
}

void end_answer(struct end *end, const struct session_event *event)
{
    struct session *session = end->session;
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN];
    switch (event->kind) {
    case SESSION_EV_HOSTKEY:
        session_hostkey_verdict(session, true);
        break;
    case SESSION_EV_SIGN_HOST:
        end_sign(&end->host_key, event->blob, event->blob_len, signature);
        session_host_signature(session, signature, sizeof signature);
        break;
    case SESSION_EV_AUTH_NEXT:
        if (end->offers++ == 0) {
            session_auth_offer(session, KEYTEXT_ED25519, end->user_blob, sizeof end->user_blob,
                               !end->no_probe);
        } else {
            session_auth_give_up(session);
        }
        break;
    case SESSION_EV_AUTH_SIGN:
        end_sign(&end->user_key, event->blob, event->blob_len, signature);
        session_auth_signature(session, signature, sizeof signature);
        break;
    case SESSION_EV_AUTH_REQUEST:
        session_auth_verdict(
            session, strcmp(event->text, "user") == 0 && event->blob_len == sizeof end->user_blob &&
                         memcmp(event->blob, end->user_blob, event->blob_len) == 0);
        break;
    case SESSION_EV_OPEN:
        session_channel_confirm(session, event->channel, end);
        break;
    case SESSION_EV_DATA:
        session_channel_consumed(session, event->channel, event->blob_len);
        break;
    case SESSION_EV_CLOSE:
        session_channel_close(session, event->channel);
        break;
    default:
        break;
    }
}

void end_events(struct end *end)
{
    struct session_event event;
    while (session_next(end->session, end->now, &event)) {
        note(end, &event);
        if (end->tell) {
            tell(end, &event);
        }
        if (end->hook == NULL || !end->hook(end, &event)) {
            end_answer(end, &event);
        }
    }
}

/* ---- bytes and time ------------------------------------------------------------------------ */

void end_feed(struct end *end, const void *bytes, size_t len)
{
    size_t total = end->rest.len + len;
    uint8_t *block = malloc(total > 0 ? total : 1);
    assert(block != NULL);
    if (end->rest.len > 0) {
        memcpy(block, end->rest.at, end->rest.len);
    }
    if (len > 0) {
        memcpy(block + end->rest.len, bytes, len);
    }
    end->rest.len = 0;
    session_feed(end->session, block, total);
    end_events(end);
    uint8_t *left = NULL;
    size_t left_len = 0;
    session_rest(end->session, &left, &left_len);
    bytes_add(&end->rest, left, left_len);
    free(block);
}

size_t end_output(struct end *end, struct bytes *to, size_t max)
{
    size_t moved = 0;
    while (moved < max) {
        struct iovec iov[OUTPUT_PIECES];
        int pieces = session_output(end->session, end->now, iov, OUTPUT_PIECES);
        size_t here = 0;
        for (int i = 0; i < pieces && moved + here < max; i++) {
            size_t room = max - moved - here;
            size_t len = iov[i].iov_len < room ? iov[i].iov_len : room;
            assert(len > 0);
            bytes_add(to, iov[i].iov_base, len);
            here += len;
        }
        if (here == 0) {
            break;
        }
        session_sent(end->session, here);
        moved += here;
    }
    return moved;
}

void end_time(struct end *end, int64_t now)
{
    end->now = now;
    if (session_deadline(end->session) <= now) {
        session_tick(end->session, now);
    }
    end_events(end);
}

/* ---- data ---------------------------------------------------------------------------------- */

uint8_t end_pattern(uint64_t offset)
{
    uint64_t x = offset * 0x9e3779b97f4a7c15ULL;
    return (uint8_t)(x >> 56 ^ x >> 24 ^ offset);
}

struct cell *end_cell(struct end *end, uint64_t offset, size_t len)
{
    struct cell *cell = take_cell(end, len);
    for (size_t i = 0; i < len; i++) {
        cell->bytes[cell->start + i] = end_pattern(offset + i);
    }
    cell->end = cell->start + (uint32_t)len;
    return cell;
}

size_t end_write(struct end *end, uint32_t channel, uint64_t offset, size_t len)
{
    size_t written = 0;
    while (written < len) {
        size_t here = session_channel_budget(end->session, channel);
        size_t max = session_channel_packet_max(end->session, channel);
        here = here < max ? here : max;
        here = here < len - written ? here : len - written;
        if (here == 0) {
            break;
        }
        session_channel_write(end->session, channel, end_cell(end, offset + written, here));
        written += here;
    }
    return written;
}
