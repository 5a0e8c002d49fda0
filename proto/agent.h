/*
 * What is said to ssh-agent (draft-ietf-sshm-ssh-agent): list the keys, sign with one of them.
 *
 *     uint32 length | byte type | fields
 *
 * Requests are written with their length in front. Of an answer, the 4 length bytes go to
 * agent_body_len first; the readers take the body behind them.
 */
#ifndef CULVERT_PROTO_AGENT_H
#define CULVERT_PROTO_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

enum {
    AGENT_HEAD_LEN = 4,
    /* OpenSSH's own bounds */
    AGENT_BODY_MAX = 256 * 1024,
    AGENT_KEYS_MAX = 2048,
    AGENT_COMMENT_MAX = 1024,
    AGENT_LIST_REQUEST_LEN = AGENT_HEAD_LEN + 1,
};

/* which signature an ssh-rsa key makes; other keys want 0 */
enum agent_flags { AGENT_RSA_SHA2_256 = 2, AGENT_RSA_SHA2_512 = 4 };

enum agent_result {
    AGENT_OK,
    AGENT_REFUSED,   /* locked, no such key, or the user said no */
    AGENT_MALFORMED, /* no answer to what was asked */
};

/* Length of the body that follows. False: 0 or over AGENT_BODY_MAX, this is no agent. */
__attribute__((warn_unused_result)) bool agent_body_len(const uint8_t head[AGENT_HEAD_LEN],
                                                        size_t *ret_len);

void agent_write_list(uint8_t ret_bytes[AGENT_LIST_REQUEST_LEN]);

struct agent_key {
    struct slice blob;
    /* cut at AGENT_COMMENT_MAX; escape it before it is shown */
    struct slice comment;
};

/* The keys of an answer, lent from it. */
struct agent_list {
    struct wire_in rest;
    uint32_t count;
};

/* The whole list is checked; keys longer than LIMIT_KEY_BLOB make it malformed. */
__attribute__((warn_unused_result)) enum agent_result agent_read_list(struct slice body,
                                                                      struct agent_list *ret_list);
/* The next key; false at the end. */
bool agent_next(struct agent_list *list, struct agent_key *ret_key);

/* The request's length, or 0: it does not fit. */
size_t agent_write_sign(struct slice key, struct slice text, uint32_t flags, uint8_t *ret_bytes,
                        size_t size);
/* The signature in SSH form, lent. */
__attribute__((warn_unused_result)) enum agent_result agent_read_signature(
    struct slice body, struct slice *ret_signature);

#endif
