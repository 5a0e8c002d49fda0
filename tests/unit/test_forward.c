/*
 * tools/forward: every form of -L with TCP on both sides, and clear refusals of the rest.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/forward.h"

struct row {
    const char *spec;
    /* NULL: not given */
    const char *bind;
    uint16_t port;
    const char *host;
    uint16_t host_port;
};

Test(forward, good)
{
    static const struct row rows[] = {
        {"8080:db:5432", NULL, 8080, "db", 5432},
        {" \t8080:db:5432", NULL, 8080, "db", 5432},
        {"1:h:65535", NULL, 1, "h", 65535},
        {"127.0.0.1:8080:db:5432", "127.0.0.1", 8080, "db", 5432},
        {"localhost:8080:db:5432", "localhost", 8080, "db", 5432},
        {":8080:db:5432", "*", 8080, "db", 5432},
        {"*:8080:db:5432", "*", 8080, "db", 5432},
        {"[]:8080:db:5432", "*", 8080, "db", 5432},
        {"[::1]:8080:[fe80::1%eth0]:80", "::1", 8080, "fe80::1%eth0", 80},
        {"8080:[::1]:80", NULL, 8080, "::1", 80},
        {"[8080]:[db]:[80]", NULL, 8080, "db", 80},
        {"http:db:https", NULL, 80, "db", 443},
        {"8080:d\\:b:80", NULL, 8080, "d:b", 80},
        {"8080:[a\\]b]:80", NULL, 8080, "a]b", 80},
        {"\\:\\:1:8080:db:80", "::1", 8080, "db", 80},
        {"8080:a\\\\b:80", NULL, 8080, "a\\b", 80},
        /* as ssh does, a colon at the very end is passed over */
        {"8080:db:80:", NULL, 8080, "db", 80},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct forward forward;
        char error[FORWARD_ERROR_SIZE];

        cr_assert(forward_parse(row->spec, &forward, error), "%s", error);
        cr_assert_eq(forward.bind_given, row->bind != NULL, "%s", row->spec);
        if (row->bind) {
            cr_assert_str_eq(forward.bind, row->bind);
        }
        cr_assert_eq(forward.listen_port, row->port, "%s", row->spec);
        cr_assert_str_eq(forward.host, row->host);
        cr_assert_eq(forward.host_port, row->host_port, "%s", row->spec);
        forward_free(&forward);
        cr_assert_null(forward.host);
    }
}

Test(forward, bad)
{
    static const struct {
        const char *spec;
        const char *why;
    } rows[] = {
        {"", "must be"},
        {"8080", "must be"},
        {"8080:db", "must be"},
        {"0:db:80", "listen port"},
        {"65536:db:80", "listen port"},
        {"8080:db:0", "target port"},
        {"8080:db:65536", "target port"},
        {"8080:db:4294967376", "target port"},
        {"8080:db:99999999999999999999", "target port"},
        {"8080:db:80x", "target port"},
        {"8080:db:-1", "target port"},
        {"8080:db: 80", "target port"},
        {"8080:db:no-such-service", "target port"},
        {":db:80", "listen port"},
        {"8080::80", "host is missing"},
        {"8080:[]:80", "host is missing"},
        {"a:8080:db:80:x", "too many"},
        {"8080:::1:80", "too many"},
        {"::1:8080:db:80", "too many"},
        {"[::1:8080:db:80", "bracket"},
        {"[::1]8080:db:80", "bracket"},
        {"8080:[db]x:80", "bracket"},
        {"8080:[db\\]:80", "bracket"},
        {"8080:[db\\", "bracket"},
        {"8080:db:80\\", "backslash"},
        {"/tmp/s:db:80", "unix domain"},
        {"8080:/tmp/s", "unix domain"},
        {"8080:[/tmp/s]", "unix domain"},
        {"8080:\\/tmp/s:80", "unix domain"},
        {"8080/db/80", "unix domain"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct forward forward;
        char error[FORWARD_ERROR_SIZE];

        cr_assert_not(forward_parse(rows[i].spec, &forward, error), "'%s'", rows[i].spec);
        cr_assert(strstr(error, rows[i].why), "'%s': %s", rows[i].spec, error);
        cr_assert_null(forward.host);
        cr_assert_null(forward.bind);
    }
}

Test(forward, words)
{
    struct forward forward;
    char error[FORWARD_ERROR_SIZE];

    cr_assert(forward_parse_words("[::1]:8080", "db:80", &forward, error));
    cr_assert_str_eq(forward.bind, "::1");
    cr_assert_eq(forward.listen_port, 8080);
    forward_free(&forward);
    cr_assert(forward_parse_words("8080", "[::1]:80", &forward, error));
    cr_assert_not(forward.bind_given);
    cr_assert_str_eq(forward.host, "::1");
    forward_free(&forward);
    cr_assert_not(forward_parse_words("8080", "", &forward, error));
    cr_assert_not(forward_parse_words("8080", "/tmp/s", &forward, error));
    forward_free(&forward);
}

Test(forward, long_names)
{
    char spec[2 * FORWARD_HOST_MAX];
    struct forward forward;
    char error[FORWARD_ERROR_SIZE];

    for (size_t len = FORWARD_HOST_MAX - 1; len <= FORWARD_HOST_MAX; len++) {
        char name[FORWARD_HOST_MAX + 1];

        memset(name, 'n', len);
        name[len] = 0;
        snprintf(spec, sizeof(spec), "1:%s:2", name);
        cr_assert_eq(forward_parse(spec, &forward, error), len < FORWARD_HOST_MAX);
        forward_free(&forward);
        snprintf(spec, sizeof(spec), "%s:1:h:2", name);
        cr_assert_eq(forward_parse(spec, &forward, error), len < FORWARD_HOST_MAX);
        forward_free(&forward);
    }
    /* and the error has an end */
    memset(spec, 'x', sizeof(spec) - 1);
    spec[sizeof(spec) - 1] = 0;
    cr_assert_not(forward_parse(spec, &forward, error));
    cr_assert_lt(strlen(error), FORWARD_ERROR_SIZE);
}

Test(forward, every_truncation)
{
    static const char spec[] = "[::1]:8080:[a\\]b]:80";

    for (size_t cut = 0; cut < sizeof(spec) - 1; cut++) {
        char *copy = strndup(spec, cut);
        struct forward forward;
        char error[FORWARD_ERROR_SIZE];

        if (forward_parse(copy, &forward, error)) {
            /* "...:8" is a shorter, but whole one */
            cr_assert_eq(cut, sizeof(spec) - 2);
        }
        forward_free(&forward);
        free(copy);
    }
}
