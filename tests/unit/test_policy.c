/*
 * engine/policy: what a rule allows, and that nothing else gets through.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "engine/policy.h"

static bool may(const struct policy *policy, const char *host, uint16_t port)
{
    const char *why = NULL;
    bool allowed = policy_may_open(policy, host, port, &why);

    cr_assert_eq(allowed, why == NULL);
    return allowed;
}

Test(policy, allows_all_at_first)
{
    struct policy *policy = policy_make();

    cr_assert(may(policy, "anything", 1));
    cr_assert(may(policy, "::1", 65535));
    cr_assert(policy->remote_forwarding);
    policy->local_forwarding = false;
    cr_assert_not(may(policy, "anything", 1));
    policy_free(policy);
    policy_free(NULL);
}

Test(policy, rules)
{
    struct policy *policy = policy_make();

    cr_assert(policy_permit_open(policy, "db:5432"));
    cr_assert(policy_permit_open(policy, "[::1]:80"));
    cr_assert(policy_permit_open(policy, "web:*"));
    cr_assert(policy_permit_open(policy, "*:443"));
    cr_assert(may(policy, "db", 5432));
    cr_assert_not(may(policy, "db", 5433));
    cr_assert_not(may(policy, "db.example", 5432));
    /* names are compared as written: case, other spellings and lookups don't count */
    cr_assert_not(may(policy, "DB", 5432));
    cr_assert(may(policy, "::1", 80));
    cr_assert_not(may(policy, "[::1]", 80));
    cr_assert_not(may(policy, "0:0:0:0:0:0:0:1", 80));
    cr_assert_not(may(policy, "localhost", 80));
    cr_assert(may(policy, "web", 1));
    cr_assert(may(policy, "web", 65535));
    cr_assert(may(policy, "other", 443));
    cr_assert_not(may(policy, "other", 444));
    cr_assert_not(may(policy, "", 80));
    cr_assert_not(may(policy, "*", 80));
    policy_free(policy);
}

Test(policy, bad_rules_change_nothing)
{
    static const char *const bad[] = {
        "",      "host",     "host:",    ":80",     "host:0",        "host:65536", "host:http",
        "::1:1", "[::1]:",   "[::1]",    "[::1:80", "[::1]:80 ",     "host:80:81", " host:80",
        "a,b:1", "host:-80", "host:+80", "host:8O", "host:00080080", "any",        "none",
    };
    struct policy *policy = policy_make();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(policy_permit_open(policy, bad[i]), "'%s'", bad[i]);
    }
    cr_assert_not(policy->open_limited);
    cr_assert_eq(policy->open_count, 0);
    policy_free(policy);
}

Test(policy, no_rule_allows_none)
{
    struct policy *policy = policy_make();

    policy->open_limited = true;
    cr_assert_not(may(policy, "db", 5432));
    policy_free(policy);
}

Test(policy, rules_have_a_bound)
{
    struct policy *policy = policy_make();
    char rule[32];

    for (unsigned i = 0; i < POLICY_RULES_MAX; i++) {
        snprintf(rule, sizeof(rule), "h%u:1", i);
        cr_assert(policy_permit_open(policy, rule));
    }
    cr_assert_not(policy_permit_open(policy, "more:1"));
    cr_assert(may(policy, "h4095", 1));
    cr_assert_not(may(policy, "more", 1));
    policy_free(policy);
}

static struct policy *from(const char *options)
{
    return policy_from_options(options, strlen(options));
}

Test(policy, options)
{
    struct policy *policy = from("");

    cr_assert(may(policy, "db", 1));
    policy_free(policy);
    policy = from("restrict");
    cr_assert_not(may(policy, "db", 1));
    cr_assert_not(policy->remote_forwarding);
    policy_free(policy);
    policy = from("restrict,port-forwarding");
    cr_assert(may(policy, "db", 1));
    cr_assert(policy->remote_forwarding);
    policy_free(policy);
    policy = from("port-forwarding,restrict");
    cr_assert_not(may(policy, "db", 1));
    policy_free(policy);
    /* permitopen narrows, it does not switch on */
    policy = from("restrict,permitopen=\"db:1\"");
    cr_assert_not(may(policy, "db", 1));
    policy_free(policy);
    policy = from("restrict,PermitOpen=\"db:1\",permitopen=\"[::1]:*\",port-forwarding,no-pty");
    cr_assert(may(policy, "db", 1));
    cr_assert(may(policy, "::1", 9));
    cr_assert_not(may(policy, "db", 2));
    policy_free(policy);
    policy = from("permitopen=\"db:1\",no-port-forwarding");
    cr_assert_not(may(policy, "db", 1));
    policy_free(policy);
}

Test(policy, bad_options)
{
    static const char *const bad[] = {
        "permitopen=\"db\"", "permitopen=db:1", "command=\"x\"", "unknown", "restrict,", ",",
        "permitopen=\"db:1",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(from(bad[i]), "'%s'", bad[i]);
    }
}

Test(policy, copy_is_its_own)
{
    struct policy *policy = from("permitopen=\"db:1\",permitopen=\"*:2\"");
    struct policy *copy = policy_copy(policy);

    policy_free(policy);
    cr_assert(may(copy, "db", 1));
    cr_assert(may(copy, "any", 2));
    cr_assert_not(may(copy, "any", 1));
    policy_free(copy);
    policy = policy_make();
    policy->open_limited = true;
    policy->remote_forwarding = false;
    copy = policy_copy(policy);
    cr_assert(copy->open_limited);
    cr_assert_not(copy->remote_forwarding);
    cr_assert(copy->local_forwarding);
    policy_free(policy);
    policy_free(copy);
}
