/*
 * Policy: rules, and the one question they answer.
 */
#include "engine/policy.h"

#include <stdlib.h>
#include <string.h>

#include "proto/authorized_keys.h"
#include "proto/wire.h"

struct policy *policy_make(void)
{
    struct policy *policy = calloc(1, sizeof(*policy));

    if (policy) {
        policy->local_forwarding = true;
        policy->remote_forwarding = true;
    }
    return policy;
}

void policy_free(struct policy *policy)
{
    if (!policy) {
        return;
    }
    for (size_t i = 0; i < policy->open_count; i++) {
        free(policy->open[i].host);
    }
    free(policy->open);
    free(policy);
}

/* Puts one rule behind the others; host NULL: any. */
static bool add_rule(struct policy *policy, const char *host, size_t host_len, uint16_t port)
{
    struct policy_rule rule = {.port = port};
    struct policy_rule *grown;

    if (policy->open_count >= POLICY_RULES_MAX) {
        return false;
    }
    if (host) {
        rule.host = strndup(host, host_len);
        if (!rule.host) {
            return false;
        }
    }
    /* rules come from files, a few at a time: one by one is soon enough */
    grown = reallocarray(policy->open, policy->open_count + 1, sizeof(*grown));
    if (!grown) {
        free(rule.host);
        return false;
    }
    policy->open = grown;
    policy->open[policy->open_count++] = rule;
    policy->open_limited = true;
    return true;
}

struct policy *policy_copy(const struct policy *policy)
{
    struct policy *copy = policy_make();

    if (!copy) {
        return NULL;
    }
    for (size_t i = 0; i < policy->open_count; i++) {
        const struct policy_rule *rule = &policy->open[i];

        if (!add_rule(copy, rule->host, rule->host ? strlen(rule->host) : 0, rule->port)) {
            policy_free(copy);
            return NULL;
        }
    }
    copy->local_forwarding = policy->local_forwarding;
    copy->remote_forwarding = policy->remote_forwarding;
    copy->open_limited = policy->open_limited;
    return copy;
}

static bool permit(struct policy *policy, struct slice text)
{
    struct slice host;
    uint16_t port;

    if (!authorized_keys_rule(text, &host, &port)) {
        return false;
    }
    if (slice_is(host, "*")) {
        return add_rule(policy, NULL, 0, port);
    }
    return add_rule(policy, (const char *)host.bytes, host.len, port);
}

bool policy_permit_open(struct policy *policy, const char *rule)
{
    return permit(policy, (struct slice){(const uint8_t *)rule, strlen(rule)});
}

/* One option's effect; as in sshd, a later option undoes what an earlier one said. */
static bool apply(struct policy *policy, const struct authorized_keys_option *option)
{
    switch (option->kind) {
    case AUTHORIZED_KEYS_RESTRICT:
    case AUTHORIZED_KEYS_NO_PORT_FORWARDING:
        policy->local_forwarding = false;
        policy->remote_forwarding = false;
        return true;
    case AUTHORIZED_KEYS_PORT_FORWARDING:
        policy->local_forwarding = true;
        policy->remote_forwarding = true;
        return true;
    case AUTHORIZED_KEYS_PERMITOPEN:
        return permit(policy, option->value);
    case AUTHORIZED_KEYS_FROM:
    case AUTHORIZED_KEYS_EXPIRY_TIME:
    case AUTHORIZED_KEYS_HARMLESS:
        return true;
    }
    return false;
}

struct policy *policy_from_options(const char *options, size_t len)
{
    struct policy *policy = policy_make();
    struct slice rest = {(const uint8_t *)options, len};
    struct authorized_keys_option option;
    enum authorized_keys_step step;
    const char *why;

    if (!policy) {
        return NULL;
    }
    while ((step = authorized_keys_next(&rest, &option, &why)) == AUTHORIZED_KEYS_STEP_OPTION) {
        if (!apply(policy, &option)) {
            policy_free(policy);
            return NULL;
        }
    }
    if (step == AUTHORIZED_KEYS_STEP_BAD) {
        policy_free(policy);
        return NULL;
    }
    return policy;
}

bool policy_may_open(const struct policy *policy, const char *host, uint16_t port,
                     const char **ret_why)
{
    if (!policy->local_forwarding) {
        *ret_why = "port forwarding is disabled";
        return false;
    }
    if (!policy->open_limited) {
        return true;
    }
    for (size_t i = 0; i < policy->open_count; i++) {
        const struct policy_rule *rule = &policy->open[i];

        if ((rule->port == 0 || rule->port == port) &&
            (!rule->host || strcmp(rule->host, host) == 0)) {
            return true;
        }
    }
    *ret_why = "no permitopen rule names this host and port";
    return false;
}
