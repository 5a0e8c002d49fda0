/*
 * proto/pattern: wildcards, negation, and address lists that must fail closed.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "proto/pattern.h"

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

Test(pattern, wildcards)
{
    static const struct {
        const char *text;
        const char *pattern;
        bool want;
    } rows[] = {
        {"", "", true},           {"", "*", true},          {"", "?", false},
        {"a", "", false},         {"a", "a", true},         {"a", "b", false},
        {"a", "?", true},         {"ab", "?", false},       {"ab", "a*", true},
        {"ab", "*b", true},       {"ab", "*a", false},      {"aab", "*ab", true},
        {"abcabd", "*abd", true}, {"a.b.c", "a.*.c", true}, {"a.c", "a.*.c", false},
        {"abc", "a**c", true},    {"abc", "?*?", true},     {"a", "?*?", false},
        {"abc", "abc*", true},    {"abc", "abcd", false},   {"A", "a", false},
        {"a*", "a*", true},       {"xay", "*a*", true},     {"xy", "*a*", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(pattern_match(text_slice(rows[i].text), text_slice(rows[i].pattern)),
                     rows[i].want, "'%s' against '%s'", rows[i].text, rows[i].pattern);
    }
}

/* A pattern that makes a backtracking matcher take for ever. */
Test(pattern, many_stars_end_soon, .timeout = 5)
{
    char text[4096];
    char pattern[1024];

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(pattern); i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    pattern[sizeof(pattern) - 1] = 'b';
    cr_assert_not(pattern_match((struct slice){(const uint8_t *)text, sizeof(text)},
                                (struct slice){(const uint8_t *)pattern, sizeof(pattern)}));
}

static enum pattern_verdict list_of(const char *text, const char *list)
{
    return pattern_match_list(text_slice(text), text_slice(list), true);
}

Test(pattern, lists)
{
    cr_assert_eq(list_of("a", "a"), PATTERN_YES);
    cr_assert_eq(list_of("a", "b,a"), PATTERN_YES);
    cr_assert_eq(list_of("a", "b,c"), PATTERN_NO);
    cr_assert_eq(list_of("a", ""), PATTERN_NO);
    cr_assert_eq(list_of("a", "*,!a"), PATTERN_DENIED);
    cr_assert_eq(list_of("a", "!a,*"), PATTERN_DENIED);
    cr_assert_eq(list_of("b", "!a,*"), PATTERN_YES);
    /* negations alone admit nobody */
    cr_assert_eq(list_of("b", "!a"), PATTERN_NO);
    cr_assert_eq(list_of("", "!"), PATTERN_NO);
    cr_assert_eq(list_of("HOST.example", "*.Example"), PATTERN_YES);
    cr_assert_eq(pattern_match_list(text_slice("A"), text_slice("a"), false), PATTERN_NO);
}

static enum pattern_verdict address_in(const char *address, const char *list)
{
    return pattern_match_address(address, text_slice(list));
}

Test(pattern, addresses)
{
    cr_assert_eq(address_in("10.1.2.3", "10.1.2.3"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "10.1.2.4"), PATTERN_NO);
    cr_assert_eq(address_in("10.1.2.3", "10.0.0.0/8"), PATTERN_YES);
    cr_assert_eq(address_in("11.1.2.3", "10.0.0.0/8"), PATTERN_NO);
    cr_assert_eq(address_in("10.1.2.3", "10.1.2.2/31"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.4", "10.1.2.2/31"), PATTERN_NO);
    cr_assert_eq(address_in("10.1.2.3", "0.0.0.0/0"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "::/0"), PATTERN_NO);
    cr_assert_eq(address_in("10.1.2.3", "10.1.2.3/32"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "10.1.*"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "10.1.2.?"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "*.example.com"), PATTERN_NO);
    cr_assert_eq(address_in("10.1.2.3", "10.0.0.0/8,!10.1.2.0/24"), PATTERN_DENIED);
    cr_assert_eq(address_in("10.1.3.3", "10.0.0.0/8,!10.1.2.0/24"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.3.3", "!10.1.2.0/24"), PATTERN_NO);
}

Test(pattern, addresses_v6)
{
    cr_assert_eq(address_in("2001:db8::1", "2001:db8::/32"), PATTERN_YES);
    cr_assert_eq(address_in("2001:db9::1", "2001:db8::/32"), PATTERN_NO);
    cr_assert_eq(address_in("2001:DB8:0::1", "2001:db8::1"), PATTERN_YES);
    cr_assert_eq(address_in("2001:DB8:0::1", "2001:db8::*"), PATTERN_YES);
    cr_assert_eq(address_in("fe80::1%eth0", "fe80::/10"), PATTERN_YES);
    cr_assert_eq(address_in("::1", "::1/128"), PATTERN_YES);
    cr_assert_eq(address_in("::1", "0.0.0.0/0"), PATTERN_NO);
}

Test(pattern, v4_mapped_is_v4)
{
    cr_assert_eq(address_in("::ffff:10.1.2.3", "10.0.0.0/8"), PATTERN_YES);
    cr_assert_eq(address_in("::ffff:10.1.2.3", "10.1.2.*"), PATTERN_YES);
    cr_assert_eq(address_in("::ffff:10.1.2.3", "!10.1.2.3,*"), PATTERN_DENIED);
    cr_assert_eq(address_in("10.1.2.3", "::ffff:10.0.0.0/104"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "::ffff:10.1.2.3"), PATTERN_YES);
    cr_assert_eq(address_in("10.1.2.3", "::ffff:0.0.0.0/95"), PATTERN_BAD);
}

Test(pattern, bad_lists_fail_closed)
{
    static const char *const bad[] = {
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "10.0.0.0/+8",
        "/8",
        "2001:db8::/129",
        "::1/0",
        "name/24",
        "10.0.0.0/008/",
        " 10.0.0.0/8",
        "10.0.0/8",
        "*/0",
        "",
        ",",
        "*,",
        ",*",
        "*,,*",
        "!",
        "*,!",
        "*,10.0.0.0/99",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(address_in("10.0.0.1", bad[i]), PATTERN_BAD, "'%s'", bad[i]);
    }
    cr_assert_eq(address_in("no address", "*"), PATTERN_BAD);
    cr_assert_eq(address_in("", "*"), PATTERN_BAD);
    cr_assert_eq(address_in("10.0.0.1 ", "*"), PATTERN_BAD);
}
