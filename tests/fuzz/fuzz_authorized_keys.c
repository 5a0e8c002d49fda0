/*
 * Fuzzes proto/authorized_keys and the policy made of its options: what admits a key must also be
 * understood as a policy, and only a text that holds the key may admit it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/policy.h"
#include "proto/authorized_keys.h"
#include "proto/keytext.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOOJ4JznZKp/1/BAeZtqG2egpR+o4Fi1u6SQc2kkFSZv"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void on_refused(void *ctx, unsigned line, bool same_key, const char *why)
{
    (void)ctx;
    (void)same_key;
    assert(line > 0 && why[0]);
}

static void check_file(struct slice file)
{
    static struct keytext key;
    const struct authorized_keys_report report = {on_refused, NULL};
    struct authorized_keys_query query = {
        .address = "10.1.2.3",
        .now = {20300615120000, 20300615140000},
    };
    struct authorized_keys_answer answer;

    if (!keytext_parse((struct slice){(const uint8_t *)KEY, sizeof(KEY) - 1}, &key)) {
        abort();
    }
    query.key = (struct slice){key.blob, key.blob_len};
    answer = authorized_keys_find(file, &query, &report);
    if (answer.admitted) {
        struct policy *policy =
            policy_from_options((const char *)answer.options.bytes, answer.options.len);

        assert(policy && answer.line > 0);
        policy_free(policy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char line[AUTHORIZED_KEYS_LINE_MAX];
    struct policy *policy = policy_from_options((const char *)bytes, len);

    policy_free(policy);
    check_file((struct slice){bytes, len});
    /* the input as the options of the key */
    if (len + 1 + sizeof(KEY) <= sizeof(line)) {
        memcpy(line, bytes, len);
        line[len] = ' ';
        memcpy(line + len + 1, KEY, sizeof(KEY));
        check_file((struct slice){(const uint8_t *)line, len + sizeof(KEY)});
    }
    return 0;
}
