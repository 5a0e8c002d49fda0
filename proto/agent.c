/*
 * ssh-agent messages.
 */
#include "proto/agent.h"

#include <assert.h>

#include "proto/limits.h"

enum {
    MSG_FAILURE = 5,
    MSG_LIST = 11,
    MSG_LIST_ANSWER = 12,
    MSG_SIGN = 13,
    MSG_SIGN_ANSWER = 14,
    /* what other agents send instead of FAILURE: SSH2_AGENT_FAILURE, SSH_COM_AGENT2_FAILURE */
    MSG_FAILURE_SSH2 = 30,
    MSG_FAILURE_COM = 102,
};

bool agent_body_len(const uint8_t head[AGENT_HEAD_LEN], size_t *ret_len)
{
    struct wire_in in = wire_in_make(head, AGENT_HEAD_LEN);

    *ret_len = wire_get_u32(&in);
    return *ret_len > 0 && *ret_len <= AGENT_BODY_MAX;
}

void agent_write_list(uint8_t ret_bytes[AGENT_LIST_REQUEST_LEN])
{
    struct wire_out out = wire_out_make(ret_bytes, AGENT_LIST_REQUEST_LEN);

    wire_put_u32(&out, 1);
    wire_put_u8(&out, MSG_LIST);
    assert(!out.failed);
}

/* The answer's type, which must be wanted; anything else is the result. */
static enum agent_result check_type(struct wire_in *in, uint8_t wanted)
{
    uint8_t type = wire_get_u8(in);

    if (type == wanted) {
        return AGENT_OK;
    }
    return type == MSG_FAILURE || type == MSG_FAILURE_SSH2 || type == MSG_FAILURE_COM
               ? AGENT_REFUSED
               : AGENT_MALFORMED;
}

bool agent_next(struct agent_list *list, struct agent_key *ret_key)
{
    if (list->count == 0) {
        return false;
    }
    list->count--;
    ret_key->blob = wire_get_string(&list->rest, LIMIT_KEY_BLOB);
    ret_key->comment = wire_get_string(&list->rest, SIZE_MAX);
    if (ret_key->comment.len > AGENT_COMMENT_MAX) {
        ret_key->comment.len = AGENT_COMMENT_MAX;
    }
    return !list->rest.failed;
}

enum agent_result agent_read_list(struct slice body, struct agent_list *ret_list)
{
    struct wire_in in = wire_in_make(body.bytes, body.len);
    enum agent_result result = check_type(&in, MSG_LIST_ANSWER);
    uint32_t count = wire_get_u32(&in);
    struct agent_list walk = {in, count};
    struct agent_key key;

    *ret_list = (struct agent_list){.rest = wire_in_make(NULL, 0)};
    if (result != AGENT_OK) {
        return result;
    }
    if (in.failed || count > AGENT_KEYS_MAX) {
        return AGENT_MALFORMED;
    }
    while (agent_next(&walk, &key)) {
        /* only walks */
    }
    if (!wire_in_done(&walk.rest)) {
        return AGENT_MALFORMED;
    }
    *ret_list = (struct agent_list){in, count};
    return AGENT_OK;
}

size_t agent_write_sign(struct slice key, struct slice text, uint32_t flags, uint8_t *ret_bytes,
                        size_t size)
{
    struct wire_out out = wire_out_make(ret_bytes, size);
    /* type, two string lengths, flags */
    const size_t fixed = 1 + 4 + 4 + 4;

    if (key.len > LIMIT_KEY_BLOB || text.len > AGENT_BODY_MAX - fixed - key.len) {
        return 0;
    }
    wire_put_u32(&out, (uint32_t)(fixed + key.len + text.len));
    wire_put_u8(&out, MSG_SIGN);
    wire_put_string(&out, key.bytes, key.len);
    wire_put_string(&out, text.bytes, text.len);
    wire_put_u32(&out, flags);
    return wire_out_len(&out);
}

enum agent_result agent_read_signature(struct slice body, struct slice *ret_signature)
{
    struct wire_in in = wire_in_make(body.bytes, body.len);
    enum agent_result result = check_type(&in, MSG_SIGN_ANSWER);
    struct slice signature = wire_get_string(&in, LIMIT_SIGNATURE);
    struct wire_in inner = wire_in_make(signature.bytes, signature.len);

    *ret_signature = (struct slice){body.bytes, 0};
    if (result != AGENT_OK) {
        return result;
    }
    /* string algorithm, string bytes; security keys put a byte and a counter behind */
    wire_get_string(&inner, LIMIT_NAME);
    wire_get_string(&inner, SIZE_MAX);
    if (!wire_in_done(&in) || inner.failed) {
        return AGENT_MALFORMED;
    }
    *ret_signature = signature;
    return AGENT_OK;
}
