/*
 * Addresses: what parses, what does not, and how they are printed.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "engine/addr.h"

struct parsed {
    struct sockaddr_storage storage;
    socklen_t len;
};

static const struct sockaddr *as_addr(const struct parsed *parsed)
{
    return (const struct sockaddr *)&parsed->storage;
}

static struct parsed parse(const char *text, uint16_t port)
{
    struct parsed parsed;
    cr_assert(addr_parse(text, port, &parsed.storage, &parsed.len), "%s", text);
    return parsed;
}

Test(addr, parses_and_prints)
{
    static const struct {
        const char *text;
        const char *host;
        socklen_t len;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", sizeof(struct sockaddr_in)},
        {"0.0.0.0", "0.0.0.0", sizeof(struct sockaddr_in)},
        {"255.255.255.255", "255.255.255.255", sizeof(struct sockaddr_in)},
        {"::", "::", sizeof(struct sockaddr_in6)},
        {"::1", "::1", sizeof(struct sockaddr_in6)},
        {"[::1]", "::1", sizeof(struct sockaddr_in6)},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", sizeof(struct sockaddr_in6)},
        {"1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888",
         sizeof(struct sockaddr_in6)},
        {"::ffff:192.0.2.1", "192.0.2.1", sizeof(struct sockaddr_in6)},
        {"::ffff:c000:201", "192.0.2.1", sizeof(struct sockaddr_in6)},
        {"fe80::1%lo", "fe80::1%lo", sizeof(struct sockaddr_in6)},
        {"[fe80::1%1]", "fe80::1%lo", sizeof(struct sockaddr_in6)},
        {"fe80::1%987654", "fe80::1%987654", sizeof(struct sockaddr_in6)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed = parse(cases[i].text, 2222);
        char text[ADDR_TEXT_SIZE];
        char expected[ADDR_TEXT_SIZE];
        cr_assert_eq(parsed.len, cases[i].len, "%s", cases[i].text);
        cr_assert_str_eq(addr_host(as_addr(&parsed), parsed.len, text), cases[i].host);
        snprintf(expected, sizeof(expected), "%s port 2222", cases[i].host);
        cr_assert_str_eq(addr_format(as_addr(&parsed), parsed.len, text), expected);
        cr_assert_eq(addr_port(as_addr(&parsed), parsed.len), 2222);
    }
}

Test(addr, refuses_everything_else)
{
    static const char *const bad[] = {
        "",
        " ",
        "localhost",
        "1",
        "127.1",
        "0x7f.0.0.1",
        "127.0.0.256",
        "127.0.0.1 ",
        " 127.0.0.1",
        "127.0.0.1.1",
        "127.0.0.1%lo",
        "[127.0.0.1]",
        "[",
        "]",
        "[]",
        "[::1",
        "::1]",
        "[::1]:22",
        "[[::1]]",
        ":::",
        "1:2:3",
        "::g",
        "fe80::1%",
        "[fe80::1%]",
        "%lo",
        "fe80::1%no-such-interface",
        "fe80::1%-1",
        "fe80::1%+1",
        "fe80::1% 1",
        "fe80::1%0",
        "fe80::1%1x",
        "fe80::1%4294967297",
        "::1%99999999999999999999",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
        "11111111111111111111111111111111111111111111111111111111111111",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sockaddr_storage addr;
        memset(&addr, 0x5a, sizeof(addr));
        socklen_t len = 77;
        cr_assert_not(addr_parse(bad[i], 1, &addr, &len), "taken: '%s'", bad[i]);
        cr_assert_eq(len, 77, "touched: '%s'", bad[i]);
        cr_assert_eq(addr.ss_family, 0x5a5a);
    }
    char long_one[400];
    memset(long_one, 'a', sizeof(long_one) - 1);
    long_one[0] = '[';
    long_one[sizeof(long_one) - 2] = ']';
    long_one[sizeof(long_one) - 1] = '\0';
    struct sockaddr_storage addr;
    socklen_t len;
    cr_assert_not(addr_parse(long_one, 1, &addr, &len));
    cr_assert_not(addr_parse(long_one + 1, 1, &addr, &len));
}

Test(addr, every_truncation_is_safe)
{
    static const char whole[] = "[fe80:1:2:3:4:5:6:7%lo]";
    for (size_t n = 0; n < sizeof(whole); n++) {
        /* exact memory, so that a sanitizer sees a read behind the end */
        char *text = strndup(whole, n);
        struct sockaddr_storage addr;
        socklen_t len;
        cr_assert_eq(addr_parse(text, 1, &addr, &len), n == sizeof(whole) - 1, "%s", text);
        free(text);
    }
}

Test(addr, unix_sockets)
{
    char text[ADDR_TEXT_SIZE];
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const struct sockaddr *any = (const struct sockaddr *)&addr;
    socklen_t base = offsetof(struct sockaddr_un, sun_path);
    strcpy(addr.sun_path, "/run/agent");
    cr_assert_str_eq(addr_format(any, sizeof(addr), text), "/run/agent");
    cr_assert_str_eq(addr_format(any, base + 10, text), "/run/agent");
    cr_assert_str_eq(addr_format(any, base + 4, text), "/run");
    cr_assert_str_eq(addr_format(any, base, text), "UNIX socket");
    cr_assert_str_eq(addr_format(any, sizeof(sa_family_t), text), "UNIX socket");
    /* a path may fill the array without a NUL */
    memset(addr.sun_path, 'p', sizeof(addr.sun_path));
    cr_assert_eq(strlen(addr_host(any, sizeof(addr), text)), sizeof(addr.sun_path));
    memcpy(addr.sun_path, "\0name", 5);
    cr_assert_str_eq(addr_host(any, base + 5, text), "@name");
    cr_assert(addr_is_loopback(any, base + 5));
    cr_assert_not(addr_is_wildcard(any, base + 5));
    cr_assert_eq(addr_port(any, base + 5), 0);
}

Test(addr, nonsense_is_unknown)
{
    char text[ADDR_TEXT_SIZE];
    struct sockaddr_storage addr = {.ss_family = AF_APPLETALK};
    const struct sockaddr *any = (const struct sockaddr *)&addr;
    cr_assert_str_eq(addr_host(any, sizeof(addr), text), "UNKNOWN");
    cr_assert_str_eq(addr_format(any, sizeof(addr), text), "UNKNOWN port 0");
    /* too short to be what it says */
    addr.ss_family = AF_INET;
    cr_assert_str_eq(addr_host(any, sizeof(struct sockaddr_in) - 1, text), "UNKNOWN");
    addr.ss_family = AF_INET6;
    cr_assert_str_eq(addr_host(any, sizeof(struct sockaddr_in6) - 1, text), "UNKNOWN");
    cr_assert_str_eq(addr_host(any, 0, text), "UNKNOWN");
    cr_assert_not(addr_is_loopback(any, 0));
    cr_assert_not(addr_equal(any, 0, any, 0));
}

Test(addr, equality)
{
    struct parsed a = parse("192.0.2.1", 22);
    struct parsed b = parse("192.0.2.1", 22);
    cr_assert(addr_equal(as_addr(&a), a.len, as_addr(&b), b.len));
    static const char *const others[] = {"192.0.2.2", "::ffff:192.0.2.1", "::1"};
    for (size_t i = 0; i < 3; i++) {
        struct parsed other = parse(others[i], 22);
        cr_assert_not(addr_equal(as_addr(&a), a.len, as_addr(&other), other.len));
    }
    addr_set_port(&b.storage, 23);
    cr_assert_eq(addr_port(as_addr(&b), b.len), 23);
    cr_assert_not(addr_equal(as_addr(&a), a.len, as_addr(&b), b.len));
    struct parsed x = parse("fe80::1%1", 1);
    struct parsed y = parse("fe80::1%2", 1);
    struct parsed z = parse("[fe80::1%1]", 1);
    cr_assert_not(addr_equal(as_addr(&x), x.len, as_addr(&y), y.len));
    cr_assert(addr_equal(as_addr(&x), x.len, as_addr(&z), z.len));
    addr_set_port(&z.storage, 2);
    cr_assert_not(addr_equal(as_addr(&x), x.len, as_addr(&z), z.len));
}

Test(addr, loopback_and_wildcard)
{
    static const struct {
        const char *text;
        bool loopback;
        bool wildcard;
    } cases[] = {
        {"127.0.0.1", true, false},
        {"127.255.0.9", true, false},
        {"128.0.0.1", false, false},
        {"126.255.255.255", false, false},
        {"0.0.0.0", false, true},
        {"::", false, true},
        {"::1", true, false},
        {"::2", false, false},
        {"::ffff:127.0.0.1", true, false},
        {"::ffff:10.0.0.1", false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed = parse(cases[i].text, 1);
        cr_assert_eq(addr_is_loopback(as_addr(&parsed), parsed.len), cases[i].loopback);
        cr_assert_eq(addr_is_wildcard(as_addr(&parsed), parsed.len), cases[i].wildcard);
    }
}

Test(addr, unmapping)
{
    struct parsed mapped = parse("::ffff:192.0.2.7", 99);
    struct parsed plain = parse("192.0.2.7", 99);
    addr_unmap(&mapped.storage, &mapped.len);
    cr_assert(addr_equal(as_addr(&mapped), mapped.len, as_addr(&plain), plain.len));
    addr_unmap(&plain.storage, &plain.len);
    cr_assert(addr_equal(as_addr(&mapped), mapped.len, as_addr(&plain), plain.len));
    struct parsed other = parse("::1:0:0", 99);
    addr_unmap(&other.storage, &other.len);
    cr_assert_eq(other.storage.ss_family, AF_INET6);
}
