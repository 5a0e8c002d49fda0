/*
 * proto/authorized_keys: what admits a key, and above all what must not.
 */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/authorized_keys.h"
#include "proto/keytext.h"

#define KEY   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOOJ4JznZKp/1/BAeZtqG2egpR+o4Fi1u6SQc2kkFSZv"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHzRONJA7L2YybhkVOGYhib9CE9E6d0t6WIw9YWV3wy/"

static struct keytext key;

struct seen {
    unsigned count;
    unsigned line;
    bool same_key;
    const char *why;
};

static void on_refused(void *ctx, unsigned line, bool same_key, const char *why)
{
    struct seen *seen = ctx;

    seen->count++;
    seen->line = line;
    seen->same_key = same_key;
    seen->why = why;
}

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct seen seen;
static const char *address = "10.1.2.3";
static struct authorized_keys_now now = {20300615120000, 20300615140000};

static struct authorized_keys_answer find_in(struct slice file)
{
    struct authorized_keys_report report = {on_refused, &seen};
    struct authorized_keys_query query = {.address = address, .now = now};

    cr_assert(keytext_parse(text_slice(KEY), &key));
    query.key = (struct slice){key.blob, key.blob_len};
    memset(&seen, 0, sizeof(seen));
    return authorized_keys_find(file, &query, &report);
}

static struct authorized_keys_answer find(const char *file)
{
    return find_in(text_slice(file));
}

/* Is the key admitted by a line with these options? */
static bool admits(const char *options)
{
    char line[9000];

    snprintf(line, sizeof(line), "%s " KEY " comment\n", options);
    return find(line).admitted;
}

Test(authorized_keys, plain_files)
{
    struct authorized_keys_answer answer = find(KEY);

    cr_assert(answer.admitted);
    cr_assert_eq(answer.line, 1);
    cr_assert_eq(answer.options.len, 0);
    answer = find("# comment\n\n  \t\n" OTHER " x\n  " KEY " alice\r\n" KEY);
    cr_assert(answer.admitted);
    cr_assert_eq(answer.line, 5);
    cr_assert_eq(seen.count, 0);
    cr_assert_not(find("").admitted);
    cr_assert_not(find("\n").admitted);
    cr_assert_not(find(OTHER).admitted);
    cr_assert_not(find("#" KEY).admitted);
    cr_assert_not(find("  # " KEY).admitted);
    cr_assert_eq(seen.count, 0);
}

Test(authorized_keys, options_text_is_lent)
{
    struct authorized_keys_answer answer =
        find("restrict,permitopen=\"db:5432\",port-forwarding " KEY " c d");

    cr_assert(answer.admitted);
    cr_assert(slice_is(answer.options, "restrict,permitopen=\"db:5432\",port-forwarding"));
}

Test(authorized_keys, known_options)
{
    static const char *const good[] = {
        "restrict",
        "RESTRICT,Port-Forwarding",
        "no-port-forwarding",
        "permitopen=\"a:1\"",
        "PermitOpen=\"a:65535\"",
        "permitopen=\"[::1]:22\",permitopen=\"*:*\"",
        "no-pty,pty,agent-forwarding,no-agent-forwarding,user-rc,no-user-rc",
        "X11-forwarding,no-X11-forwarding,no-x11-forwarding",
        "from=\"10.0.0.0/8\"",
        "from=\"10.1.2.3\",restrict",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert(admits(good[i]), "%s: %s", good[i], seen.why ? seen.why : "");
    }
}

Test(authorized_keys, refused_options)
{
    static const char *const bad[] = {
        "command=\"/bin/true\"",
        "environment=\"A=b\"",
        "permitlisten=\"8080\"",
        "cert-authority",
        "principals=\"a\"",
        "tunnel=\"0\"",
        "verify-required",
        "no-touch-required",
        "unknown",
        "no-restrict",
        "no-from=\"*\"",
        "restrict=\"yes\"",
        "restrict,",
        ",restrict",
        "restrict,,pty",
        ",",
        "=",
        "=\"a\"",
        "restrict;pty",
        "restrict\"\"",
        "from",
        "from=",
        "from=10.1.2.3",
        "from=\"10.1.2.3\"x",
        "from=\"10.1.2.3\",",
        "from=\"\"",
        "from=\"10.1.2.3/8\"",
        "from=\"*\",from=\"*\"",
        "permitopen=\"a\"",
        "permitopen=\"a:\"",
        "permitopen=\":80\"",
        "permitopen=\"a:0\"",
        "permitopen=\"a:65536\"",
        "permitopen=\"a:65536000000000000001\"",
        "permitopen=\"a:-1\"",
        "permitopen=\"a:+1\"",
        "permitopen=\"a: 1\"",
        "permitopen=\"a:1x\"",
        "permitopen=\"a:http\"",
        "permitopen=\"a:**\"",
        "permitopen=\"::1:80\"",
        "permitopen=\"[::1]80\"",
        "permitopen=\"[::1]\"",
        "permitopen=\"[::1\"",
        "permitopen=\"[]:80\"",
        "permitopen=\"a:1,b:2\"",
        "permitopen=\"a\\\":1\"",
        "permitopen=\"\"",
        "expiry-time=\"\"",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(admits(bad[i]), "%s", bad[i]);
        cr_assert_eq(seen.count, 1, "%s", bad[i]);
        cr_assert(seen.same_key, "%s", bad[i]);
        cr_assert_eq(seen.line, 1);
        cr_assert_not_null(seen.why);
    }
}

/* A bad option refuses the line wherever it stands, and only that line. */
Test(authorized_keys, other_lines_still_count)
{
    struct authorized_keys_answer answer = find("unknown " KEY "\nrestrict " KEY "\n");

    cr_assert(answer.admitted);
    cr_assert_eq(answer.line, 2);
    cr_assert_eq(seen.count, 1);
    cr_assert_eq(seen.line, 1);
    cr_assert_not(find("restrict,unknown " KEY "\n" OTHER).admitted);
    /* other keys' options are not looked at */
    cr_assert_not(find("unknown " OTHER).admitted);
    cr_assert_eq(seen.count, 0);
}

Test(authorized_keys, quotes)
{
    /* a blank inside quotes is no end of the options */
    cr_assert_not(admits("from=\"10.1.2.3 \""));
    cr_assert(seen.same_key);
    cr_assert_not(admits("from=\"10.1.2.3"));
    cr_assert_not(seen.same_key);
    /* an escaped quote hides nothing */
    cr_assert_not(admits("from=\"\\\",restrict"));
    cr_assert_not(admits("from=\"\\\"\""));
}

Test(authorized_keys, from)
{
    cr_assert(admits("from=\"10.1.2.*,192.168.0.0/16\""));
    cr_assert_not(admits("from=\"!10.1.2.3,*\""));
    cr_assert_not(admits("from=\"192.168.0.0/16\""));
    cr_assert(strstr(seen.why, "address"));
    cr_assert_not(admits("from=\"*.example.com\""));
    address = "::ffff:10.1.2.3";
    cr_assert(admits("from=\"10.0.0.0/8\""));
    address = "2001:db8::1";
    cr_assert_not(admits("from=\"10.0.0.0/8\""));
    cr_assert(admits("from=\"2001:db8::/32\""));
    address = "unknown";
    cr_assert_not(admits("from=\"*\""));
    cr_assert(admits("restrict"));
}

Test(authorized_keys, expiry_time)
{
    static const struct {
        const char *options;
        bool want;
    } rows[] = {
        {"expiry-time=\"20300616\"", true},
        {"expiry-time=\"20300615\"", false},
        {"expiry-time=\"20300614\"", false},
        {"expiry-time=\"203006151400\"", true},
        {"expiry-time=\"203006151359\"", false},
        {"expiry-time=\"20300615140001\"", true},
        {"expiry-time=\"20300615140000\"", true},
        {"expiry-time=\"20300615135959\"", false},
        {"expiry-time=\"203006151200Z\"", true},
        {"expiry-time=\"203006151159Z\"", false},
        {"expiry-time=\"20300615115959z\"", false},
        {"expiry-time=\"20300616Z\"", true},
        {"expiry-time=\"99991231\"", true},
        {"expiry-time=\"20320229\"", true},
        /* the earlier of two counts */
        {"expiry-time=\"20320229\",expiry-time=\"20300614\"", false},
        {"expiry-time=\"20300614\",expiry-time=\"20320229\"", false},
        /* no such time */
        {"expiry-time=\"20310229\"", false},
        {"expiry-time=\"21000229\"", false},
        {"expiry-time=\"20311301\"", false},
        {"expiry-time=\"20310001\"", false},
        {"expiry-time=\"20310100\"", false},
        {"expiry-time=\"20310432\"", false},
        {"expiry-time=\"203104012400\"", false},
        {"expiry-time=\"203104012360\"", false},
        {"expiry-time=\"20310401235960\"", false},
        {"expiry-time=\"2031\"", false},
        {"expiry-time=\"203104\"", false},
        {"expiry-time=\"2031040112\"", false},
        {"expiry-time=\"203104011200000\"", false},
        {"expiry-time=\"2031-04-01\"", false},
        {"expiry-time=\"20310401 \"", false},
        {"expiry-time=\"20310401ZZ\"", false},
        {"expiry-time=\"Z\"", false},
        {"expiry-time=20310401", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(admits(rows[i].options), rows[i].want, "%s", rows[i].options);
    }
}

/* The tail of a line over the bound must never be taken for a line. */
Test(authorized_keys, long_lines)
{
    static char file[4 * AUTHORIZED_KEYS_LINE_MAX];
    size_t key_len = strlen(KEY);
    size_t pad;

    for (pad = AUTHORIZED_KEYS_LINE_MAX - 2 * key_len; pad <= AUTHORIZED_KEYS_LINE_MAX + 1; pad++) {
        memset(file, 'x', pad);
        file[0] = '#';
        memcpy(file + pad, KEY, key_len + 1);
        cr_assert_not(find(file).admitted, "pad %zu", pad);
    }
    /* exactly the bound, then one more: here the key stands in front */
    memcpy(file, KEY " ", key_len + 1);
    memset(file + key_len + 1, 'c', AUTHORIZED_KEYS_LINE_MAX);
    file[AUTHORIZED_KEYS_LINE_MAX] = 0;
    cr_assert(find(file).admitted);
    file[AUTHORIZED_KEYS_LINE_MAX] = 'c';
    file[AUTHORIZED_KEYS_LINE_MAX + 1] = 0;
    cr_assert_not(find(file).admitted);
    cr_assert_eq(seen.count, 1);
    /* and the line behind it is read again */
    strcat(file, "\n" KEY "\n");
    cr_assert(find(file).admitted);
    cr_assert_eq(find(file).line, 2);
}

Test(authorized_keys, nul_and_truncation)
{
    static const char with_nul[] = "restrict\0 " KEY;
    static const char line[] = "restrict,permitopen=\"[::1]:22\",expiry-time=\"20310101Z\" " KEY;

    cr_assert_not(
        find_in((struct slice){(const uint8_t *)with_nul, sizeof(with_nul) - 1}).admitted);
    for (size_t cut = 0; cut < sizeof(line) - 1; cut++) {
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy + 1, line, cut);
        cr_assert_not(find_in((struct slice){copy + 1, cut}).admitted, "cut %zu", cut);
        free(copy);
    }
    cr_assert(find(line).admitted);
}

Test(authorized_keys, report_may_be_missing)
{
    struct authorized_keys_query query = {.address = "::1", .key = text_slice("x")};

    cr_assert_not(authorized_keys_find(text_slice("junk\nunknown " KEY), &query, NULL).admitted);
}

Test(authorized_keys, rule)
{
    struct slice host;
    uint16_t port;

    cr_assert(authorized_keys_rule(text_slice("[fe80::1]:8080"), &host, &port));
    cr_assert(slice_is(host, "fe80::1"));
    cr_assert_eq(port, 8080);
    cr_assert(authorized_keys_rule(text_slice("*:*"), &host, &port));
    cr_assert(slice_is(host, "*"));
    cr_assert_eq(port, 0);
}
