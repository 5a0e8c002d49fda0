/*
 * Fuzzes proto/agent: answers that are no answers. A list that was accepted must be readable to its
 * last key.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/agent.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice body = {bytes, len};
    struct agent_list list;
    struct agent_key key;
    struct slice signature;
    size_t body_len;

    if (len >= AGENT_HEAD_LEN && agent_body_len(bytes, &body_len)) {
        assert(body_len > 0 && body_len <= AGENT_BODY_MAX);
    }
    if (agent_read_list(body, &list) == AGENT_OK) {
        uint32_t count = list.count;

        assert(count <= AGENT_KEYS_MAX);
        while (agent_next(&list, &key)) {
            assert(key.blob.len <= LIMIT_KEY_BLOB && key.comment.len <= AGENT_COMMENT_MAX);
            count--;
        }
        assert(count == 0);
    }
    if (agent_read_signature(body, &signature) == AGENT_OK) {
        assert(signature.len > 0 && signature.len < len);
    }
    return 0;
}
