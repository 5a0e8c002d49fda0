/*
 * Small answers: a block of records {u16 length, payload}, on loan only while something waits.
 */
#include "proto/replies.h"

#include <assert.h>
#include <string.h>

enum { RECORD_HEAD = 2, RECORD_MAX = RECORD_HEAD + LIMIT_PING + 5 };

static_assert(RECORD_MAX * 2 <= LIMIT_REPLIES, "the block holds more than one answer");

static bool may_send(const struct replies *replies)
{
    return transport_may_send(replies->transport) &&
           replies->transport->queue.bytes < LIMIT_QUEUE_HIGH;
}

static bool send_now(struct replies *replies, const uint8_t *payload, size_t len)
{
    if (!may_send(replies)) {
        return false;
    }
    struct wire_out out = transport_begin(replies->transport, (enum msg)payload[0], len);
    wire_put_raw(&out, payload + 1, len - 1);
    if (out.failed) {
        return false;
    }
    transport_commit(replies->transport, &out);
    return true;
}

static void keep(struct replies *replies, const uint8_t *payload, size_t len)
{
    struct transport *t = replies->transport;
    const struct session_memory *memory = &t->config->memory;
    if (replies->block == NULL) {
        replies->block = memory->take(memory->ctx, LIMIT_REPLIES);
        replies->len = 0;
    }
    if (replies->block == NULL) {
        transport_fail(t, ERR_MEMORY, NULL);
        return;
    }
    if (replies->len + RECORD_HEAD + len > LIMIT_REPLIES) {
        transport_fail(t, ERR_FLOOD, "too many requests during a key exchange");
        return;
    }
    uint8_t *at = replies->block + replies->len;
    at[0] = (uint8_t)(len >> 8);
    at[1] = (uint8_t)len;
    memcpy(at + RECORD_HEAD, payload, len);
    replies->len += RECORD_HEAD + (uint32_t)len;
}

void replies_send(struct replies *replies, const uint8_t *payload, size_t len)
{
    assert(len > 0 && len + RECORD_HEAD <= RECORD_MAX);
    if (replies->block == NULL && send_now(replies, payload, len)) {
        return;
    }
    keep(replies, payload, len);
}

void replies_flush(struct replies *replies)
{
    uint32_t at = 0;
    while (at < replies->len) {
        size_t len = (size_t)replies->block[at] << 8 | replies->block[at + 1];
        if (!send_now(replies, replies->block + at + RECORD_HEAD, len)) {
            break;
        }
        at += RECORD_HEAD + (uint32_t)len;
    }
    if (at == replies->len) {
        replies_clear(replies);
        return;
    }
    memmove(replies->block, replies->block + at, replies->len - at);
    replies->len -= at;
}

bool replies_full(const struct replies *replies)
{
    return replies->len + RECORD_MAX > LIMIT_REPLIES;
}

void replies_clear(struct replies *replies)
{
    const struct session_memory *memory = &replies->transport->config->memory;
    if (replies->block != NULL) {
        memory->give(memory->ctx, replies->block, LIMIT_REPLIES);
    }
    replies->block = NULL;
    replies->len = 0;
}
