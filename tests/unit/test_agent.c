/*
 * proto/agent: requests byte for byte, answers good, refused, oversized, and cut at every byte.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "proto/agent.h"
#include "proto/limits.h"

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

Test(agent, body_len)
{
    size_t len;

    cr_assert(agent_body_len((const uint8_t *)"\0\0\0\1", &len));
    cr_assert_eq(len, 1);
    cr_assert(agent_body_len((const uint8_t *)"\0\4\0\0", &len));
    cr_assert_eq(len, AGENT_BODY_MAX);
    cr_assert_not(agent_body_len((const uint8_t *)"\0\4\0\1", &len));
    cr_assert_not(agent_body_len((const uint8_t *)"\0\0\0\0", &len));
    cr_assert_not(agent_body_len((const uint8_t *)"\xff\xff\xff\xff", &len));
}

Test(agent, list_request)
{
    uint8_t bytes[AGENT_LIST_REQUEST_LEN];

    agent_write_list(bytes);
    cr_assert_arr_eq(bytes, "\0\0\0\1\x0b", sizeof(bytes));
}

static size_t make_list(uint8_t *bytes, size_t size, uint32_t count)
{
    struct wire_out out = wire_out_make(bytes, size);

    wire_put_u8(&out, 12);
    wire_put_u32(&out, count);
    wire_put_text(&out, "blob one");
    wire_put_text(&out, "comment one");
    wire_put_text(&out, "blob two");
    wire_put_text(&out, "");
    return wire_out_len(&out);
}

Test(agent, list_answer)
{
    uint8_t bytes[128];
    struct slice body = {bytes, make_list(bytes, sizeof(bytes), 2)};
    struct agent_list list;
    struct agent_key key;

    cr_assert_eq(agent_read_list(body, &list), AGENT_OK);
    cr_assert_eq(list.count, 2);
    cr_assert(agent_next(&list, &key));
    cr_assert(slice_is(key.blob, "blob one"));
    cr_assert(slice_is(key.comment, "comment one"));
    cr_assert(agent_next(&list, &key));
    cr_assert(slice_is(key.blob, "blob two"));
    cr_assert_eq(key.comment.len, 0);
    cr_assert_not(agent_next(&list, &key));
    cr_assert_not(agent_next(&list, &key));
}

Test(agent, list_answer_bad)
{
    uint8_t bytes[128];
    struct slice body = {bytes, make_list(bytes, sizeof(bytes), 2)};
    struct agent_list list;
    struct agent_key key;

    for (size_t cut = 0; cut < body.len; cut++) {
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy + 1, bytes, cut);
        cr_assert_eq(agent_read_list((struct slice){copy + 1, cut}, &list), AGENT_MALFORMED);
        cr_assert_not(agent_next(&list, &key));
        free(copy);
    }
    make_list(bytes, sizeof(bytes), 1);
    cr_assert_eq(agent_read_list(body, &list), AGENT_MALFORMED);
    make_list(bytes, sizeof(bytes), 3);
    cr_assert_eq(agent_read_list(body, &list), AGENT_MALFORMED);
    make_list(bytes, sizeof(bytes), UINT32_MAX);
    cr_assert_eq(agent_read_list(body, &list), AGENT_MALFORMED);
    make_list(bytes, sizeof(bytes), 2);
    bytes[0] = 14;
    cr_assert_eq(agent_read_list(body, &list), AGENT_MALFORMED);
    bytes[0] = 5;
    cr_assert_eq(agent_read_list((struct slice){bytes, 1}, &list), AGENT_REFUSED);
    bytes[0] = 30;
    cr_assert_eq(agent_read_list((struct slice){bytes, 1}, &list), AGENT_REFUSED);
    bytes[0] = 102;
    cr_assert_eq(agent_read_list((struct slice){bytes, 1}, &list), AGENT_REFUSED);
}

Test(agent, empty_list)
{
    static const uint8_t bytes[] = {12, 0, 0, 0, 0};
    struct agent_list list;
    struct agent_key key;

    cr_assert_eq(agent_read_list((struct slice){bytes, sizeof(bytes)}, &list), AGENT_OK);
    cr_assert_not(agent_next(&list, &key));
}

Test(agent, key_and_comment_bounds)
{
    static uint8_t bytes[LIMIT_KEY_BLOB + 4096];
    static uint8_t blob[LIMIT_KEY_BLOB + 1];
    struct agent_list list;
    struct agent_key key;

    for (size_t extra = 0; extra <= 1; extra++) {
        struct wire_out out = wire_out_make(bytes, sizeof(bytes));

        wire_put_u8(&out, 12);
        wire_put_u32(&out, 1);
        wire_put_string(&out, blob, LIMIT_KEY_BLOB + extra);
        wire_put_string(&out, blob, AGENT_COMMENT_MAX + 1);
        cr_assert_eq(agent_read_list((struct slice){bytes, wire_out_len(&out)}, &list),
                     extra ? AGENT_MALFORMED : AGENT_OK);
        if (!extra) {
            cr_assert(agent_next(&list, &key));
            cr_assert_eq(key.blob.len, LIMIT_KEY_BLOB);
            cr_assert_eq(key.comment.len, AGENT_COMMENT_MAX);
        }
    }
}

Test(agent, number_of_keys_has_a_bound)
{
    static uint8_t bytes[5 + 8 * (AGENT_KEYS_MAX + 1)];
    struct agent_list list;

    for (uint32_t count = AGENT_KEYS_MAX; count <= AGENT_KEYS_MAX + 1; count++) {
        struct wire_out out = wire_out_make(bytes, sizeof(bytes));

        wire_put_u8(&out, 12);
        wire_put_u32(&out, count);
        cr_assert_eq(agent_read_list((struct slice){bytes, 5 + 8 * (size_t)count}, &list),
                     count <= AGENT_KEYS_MAX ? AGENT_OK : AGENT_MALFORMED);
    }
}

Test(agent, sign_request)
{
    static const char want[] = "\0\0\0\x13\x0d\0\0\0\3key\0\0\0\3abc\0\0\0\4";
    uint8_t bytes[64];
    size_t len = sizeof(want) - 1;

    cr_assert_eq(agent_write_sign(text_slice("key"), text_slice("abc"), AGENT_RSA_SHA2_512, bytes,
                                  sizeof(bytes)),
                 len);
    cr_assert_arr_eq(bytes, want, len);
    for (size_t size = 0; size < len; size++) {
        cr_assert_eq(agent_write_sign(text_slice("key"), text_slice("abc"), 0, bytes, size), 0);
    }
}

Test(agent, sign_request_bounds)
{
    static uint8_t bytes[AGENT_HEAD_LEN + AGENT_BODY_MAX + 1];
    static uint8_t text[AGENT_BODY_MAX];
    struct slice key = text_slice("key");
    size_t most = AGENT_BODY_MAX - 13 - 3;

    cr_assert_eq(agent_write_sign(key, (struct slice){text, most}, 0, bytes, sizeof(bytes)),
                 AGENT_HEAD_LEN + AGENT_BODY_MAX);
    cr_assert_eq(agent_write_sign(key, (struct slice){text, most + 1}, 0, bytes, sizeof(bytes)), 0);
    key = (struct slice){text, LIMIT_KEY_BLOB + 1};
    cr_assert_eq(agent_write_sign(key, text_slice("x"), 0, bytes, sizeof(bytes)), 0);
}

static size_t make_signature(uint8_t *bytes, size_t size)
{
    uint8_t inner[64];
    struct wire_out in = wire_out_make(inner, sizeof(inner));
    struct wire_out out = wire_out_make(bytes, size);

    wire_put_text(&in, "ssh-ed25519");
    wire_put_text(&in, "signature");
    wire_put_u8(&out, 14);
    wire_put_string(&out, inner, wire_out_len(&in));
    return wire_out_len(&out);
}

Test(agent, sign_answer)
{
    uint8_t bytes[128];
    struct slice body = {bytes, make_signature(bytes, sizeof(bytes))};
    struct slice signature;

    cr_assert_eq(agent_read_signature(body, &signature), AGENT_OK);
    cr_assert_eq(signature.bytes, bytes + 5);
    cr_assert_eq(signature.len, body.len - 5);
    for (size_t cut = 0; cut < body.len; cut++) {
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy + 1, bytes, cut);
        cr_assert_eq(agent_read_signature((struct slice){copy + 1, cut}, &signature),
                     AGENT_MALFORMED);
        cr_assert_eq(signature.len, 0);
        free(copy);
    }
    body.len++;
    cr_assert_eq(agent_read_signature(body, &signature), AGENT_MALFORMED);
    body.len--;
    bytes[0] = 12;
    cr_assert_eq(agent_read_signature(body, &signature), AGENT_MALFORMED);
    cr_assert_eq(agent_read_signature(text_slice("\x05"), &signature), AGENT_REFUSED);
    cr_assert_eq(signature.len, 0);
    /* a signature that is no pair of strings */
    cr_assert_eq(
        agent_read_signature((struct slice){(const uint8_t *)"\x0e\0\0\0\1x", 6}, &signature),
        AGENT_MALFORMED);
}
