/*
 * proto/version: lines that are identifications and lines that are none, at their bounds, and
 * however they are cut.
 */
#include <criterion/criterion.h>

#include "proto/version.h"

static enum err feed(struct version_in *in, const char *text, size_t len, size_t *ret_used)
{
    return version_feed(in, (const uint8_t *)text, len, ret_used);
}

/* The same at once and byte by byte. */
static enum err both_ways(const char *text, size_t len, bool client, struct version_in *ret)
{
    struct version_in at_once = {.lines_before_allowed = client};
    struct version_in dripped = {.lines_before_allowed = client};
    size_t used = 0;
    size_t total = 0;
    enum err err = feed(&at_once, text, len, &used);
    enum err slow = ERR_OK;
    while (total < len && slow == ERR_OK && !dripped.done) {
        size_t one = 0;
        slow = feed(&dripped, text + total, 1, &one);
        cr_assert_eq(one, 1);
        total += one;
    }
    cr_assert_eq(err, slow);
    cr_assert_eq(used, total);
    cr_assert_eq(at_once.done, dripped.done);
    cr_assert_str_eq(at_once.line, dripped.line);
    *ret = at_once;
    return err;
}

Test(version, lines_that_are_good)
{
    static const char *const lines[] = {"SSH-2.0-x\r\n", "SSH-2.0-OpenSSH_9.2 comment\n",
                                        "SSH-1.99-old\r\n", "SSH-2.0-\r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (int client = 0; client < 2; client++) {
            struct version_in in;
            cr_assert_eq(both_ways(lines[i], strlen(lines[i]), client, &in), ERR_OK);
            cr_assert(in.done);
            cr_assert_eq(strlen(in.line), strcspn(lines[i], "\r\n"));
            cr_assert_eq(strncmp(in.line, lines[i], strlen(in.line)), 0);
        }
    }
}

Test(version, lines_that_are_none)
{
    static const char *const lines[] = {"SSH-1.5-x\r\n", "SSH-3.0-x\r\n", "SSH-2.0\r\n", "SSH-\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (int client = 0; client < 2; client++) {
            struct version_in in;
            cr_assert_eq(both_ways(lines[i], strlen(lines[i]), client, &in), ERR_VERSION);
        }
    }
    struct version_in in;
    cr_assert_eq(both_ways("GET / HTTP/1.1\r\n", 16, false, &in), ERR_VERSION);
    cr_assert_eq(both_ways("\n", 1, false, &in), ERR_VERSION);
    cr_assert_eq(both_ways("SSH-2.0-\0x\n", 11, true, &in), ERR_VERSION);
}

Test(version, what_follows_is_not_touched)
{
    struct version_in in = {.done = false};
    size_t used = 0;
    cr_assert_eq(feed(&in, "SSH-2.0-a\r\nSSH-2.0-b\r\n", 22, &used), ERR_OK);
    cr_assert_eq(used, 11);
    cr_assert_str_eq(in.line, "SSH-2.0-a");
    cr_assert_eq(feed(&in, "more", 4, &used), ERR_OK);
    cr_assert_eq(used, 0);
}

Test(version, incomplete_at_every_byte)
{
    static const char line[] = "SSH-2.0-culvert\r\n";
    for (size_t len = 0; len + 1 < sizeof line; len++) {
        struct version_in in;
        cr_assert_eq(both_ways(line, len, false, &in), ERR_OK);
        cr_assert(!in.done || len == sizeof line - 1);
    }
}

Test(version, longest_line_and_one_more)
{
    char line[LIMIT_VERSION_LINE + 2];
    for (size_t len = LIMIT_VERSION_LINE - 1; len <= LIMIT_VERSION_LINE + 1; len++) {
        struct version_in in;
        memset(line, 'a', sizeof line);
        memcpy(line, "SSH-2.0-", 8);
        memcpy(line + len - 2, "\r\n", 2);
        enum err err = both_ways(line, len, false, &in);
        cr_assert_eq(err, len <= LIMIT_VERSION_LINE ? ERR_OK : ERR_VERSION_LONG, "%zu", len);
        cr_assert(err != ERR_OK || strlen(in.line) == len - 2);
    }
}

Test(version, endless_line)
{
    char bytes[1024];
    memset(bytes, 'x', sizeof bytes);
    for (int client = 0; client < 2; client++) {
        struct version_in in = {.lines_before_allowed = client};
        size_t total = 0;
        enum err err = ERR_OK;
        while (err == ERR_OK) {
            size_t used = 0;
            err = feed(&in, bytes, sizeof bytes, &used);
            total += used;
        }
        cr_assert_eq(err, ERR_VERSION_LONG);
        cr_assert_eq(total, client ? LIMIT_VERSION_LINE_BEFORE + 1 : LIMIT_VERSION_LINE);
    }
}

Test(version, lines_before_have_a_bound)
{
    struct version_in in = {.lines_before_allowed = true};
    size_t used = 0;
    char line[LIMIT_VERSION_LINE_BEFORE + 1];
    memset(line, 'y', sizeof line);
    line[sizeof line - 1] = '\n';
    cr_assert_eq(feed(&in, line, sizeof line, &used), ERR_OK);
    for (int i = 1; i < LIMIT_VERSION_LINES_BEFORE; i++) {
        cr_assert_eq(feed(&in, "motd\r\n", 6, &used), ERR_OK, "%d", i);
    }
    struct version_in copy = in;
    cr_assert_eq(feed(&copy, "SSH-2.0-z\n", 10, &used), ERR_OK);
    cr_assert(copy.done);
    cr_assert_str_eq(copy.line, "SSH-2.0-z");
    cr_assert_eq(feed(&in, "\n", 1, &used), ERR_VERSION);
}
