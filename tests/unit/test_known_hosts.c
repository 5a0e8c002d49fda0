/*
 * proto/known_hosts: lines as ssh and ssh-keygen write them, and what a file says of a key.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "proto/known_hosts.h"

#define KEY   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOOJ4JznZKp/1/BAeZtqG2egpR+o4Fi1u6SQc2kkFSZv"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHzRONJA7L2YybhkVOGYhib9CE9E6d0t6WIw9YWV3wy/"
#define ECDSA                                                                                      \
    "ecdsa-sha2-nistp256 "                                                                         \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ+sfrXuBgR5zF0NgF3WlfCV"                 \
    "LrOQvJUG7/3QdaBaWQ2htSfAxkKdZr4wetOjlMr6GAfdZlGwkJeeUrvsSw0aVhE="

/* made with ssh-keygen -H */
#define HASHED         "|1|3mByAekTOteKu4j1pzTJ082fAGI=|3nEX5Z+oq0nlmOthtslCUtYiGkA="
#define HASHED_PORT    "|1|1mU5qWlY20qxo/ufV4W/XHW7p00=|Adt0oiLup5j7SRSSgnU21Oaj6VY="
#define HASHED_V6      "|1|0fFxxjjskuSaa1W4V2ym3XgVcM0=|G85hRKhrJcN3R13seusVM/z9y+A="
#define HASHED_V6_PORT "|1|nyX8e1X0pwzT6Gv0vGAz/5x+jFY=|Eq7zeHpxup2ps7Tcs49M8Jz3QOQ="

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct slice key_of(const char *line)
{
    static struct keytext key;

    cr_assert(keytext_parse(text_slice(line), &key));
    return (struct slice){key.blob, key.blob_len};
}

static const char *name_of(const char *host, uint16_t port)
{
    static char name[KNOWN_HOSTS_NAME_SIZE];

    cr_assert(known_hosts_name(host, port, name));
    return name;
}

Test(known_hosts, names)
{
    char name[KNOWN_HOSTS_NAME_SIZE];
    char host[LIMIT_HOST + 2];

    cr_assert_str_eq(name_of("Example.COM", 22), "example.com");
    cr_assert_str_eq(name_of("Example.COM", 2222), "[example.com]:2222");
    cr_assert_str_eq(name_of("::1", 22), "::1");
    cr_assert_str_eq(name_of("::1", 65535), "[::1]:65535");
    cr_assert_str_eq(name_of("h", 0), "[h]:0");
    cr_assert_not(known_hosts_name("", 22, name));
    memset(host, 'h', sizeof(host));
    host[LIMIT_HOST] = 0;
    cr_assert(known_hosts_name(host, 65535, name));
    cr_assert_eq(strlen(name), KNOWN_HOSTS_NAME_SIZE - 1);
    host[LIMIT_HOST] = 'h';
    host[LIMIT_HOST + 1] = 0;
    cr_assert_not(known_hosts_name(host, 65535, name));
}

static enum known_hosts_kind kind_of(const char *text)
{
    static struct known_hosts_line line;

    known_hosts_parse(text_slice(text), &line);
    return line.kind;
}

Test(known_hosts, kinds)
{
    cr_assert_eq(kind_of(""), KNOWN_HOSTS_NOTHING);
    cr_assert_eq(kind_of(" \t\r"), KNOWN_HOSTS_NOTHING);
    cr_assert_eq(kind_of("# a " KEY), KNOWN_HOSTS_NOTHING);
    cr_assert_eq(kind_of("a " KEY), KNOWN_HOSTS_KEY);
    cr_assert_eq(kind_of(" a\t" KEY " comment \r"), KNOWN_HOSTS_KEY);
    cr_assert_eq(kind_of("@revoked a " KEY), KNOWN_HOSTS_REVOKED);
    cr_assert_eq(kind_of("@cert-authority *.a " KEY), KNOWN_HOSTS_AUTHORITY);
    cr_assert_eq(kind_of("@Revoked a " KEY), KNOWN_HOSTS_BAD);
    cr_assert_eq(kind_of("@revoked " KEY), KNOWN_HOSTS_BAD);
    cr_assert_eq(kind_of("@revoked"), KNOWN_HOSTS_BAD);
    cr_assert_eq(kind_of("@"), KNOWN_HOSTS_BAD);
    cr_assert_eq(kind_of("a"), KNOWN_HOSTS_BAD);
    cr_assert_eq(kind_of("a ssh-ed25519"), KNOWN_HOSTS_BAD);
    cr_assert_eq(kind_of(KEY), KNOWN_HOSTS_BAD);
    /* SSH 1 */
    cr_assert_eq(kind_of("a 1024 35 1234567"), KNOWN_HOSTS_BAD);
}

static bool matches(const char *hosts, const char *host, uint16_t port)
{
    return known_hosts_match(text_slice(hosts), name_of(host, port));
}

Test(known_hosts, plain_match)
{
    cr_assert(matches("example.com", "example.com", 22));
    cr_assert(matches("Example.com", "eXample.com", 22));
    cr_assert(matches("a,example.com,b", "example.com", 22));
    cr_assert_not(matches("example.com", "example.com", 2222));
    cr_assert(matches("[example.com]:2222", "example.com", 2222));
    cr_assert_not(matches("[example.com]:2222", "example.com", 22));
    cr_assert_not(matches("[example.com]:2222", "example.com", 22222));
    cr_assert(matches("*.example.com", "a.example.com", 22));
    cr_assert_not(matches("*.example.com", "example.com", 22));
    cr_assert_not(matches("*.example.com,!a.example.com", "a.example.com", 22));
    cr_assert_not(matches("!a.example.com,*.example.com", "a.example.com", 22));
    cr_assert(matches("*.example.com,!a.example.com", "b.example.com", 22));
    cr_assert_not(matches("", "example.com", 22));
    cr_assert(matches("192.0.2.?", "192.0.2.1", 22));
    cr_assert(matches("[*]:2222", "any", 2222));
}

Test(known_hosts, hashed_match)
{
    cr_assert(matches(HASHED, "example.com", 22));
    cr_assert(matches(HASHED, "EXAMPLE.com", 22));
    cr_assert_not(matches(HASHED, "example.org", 22));
    cr_assert_not(matches(HASHED, "example.com", 2222));
    cr_assert(matches(HASHED_PORT, "example.com", 2222));
    cr_assert_not(matches(HASHED_PORT, "example.com", 22));
    cr_assert(matches(HASHED_V6, "::1", 22));
    cr_assert(matches(HASHED_V6_PORT, "::1", 2222));
    cr_assert_not(matches(HASHED ",example.org", "example.org", 22));
    cr_assert_not(matches("|2|" HASHED, "example.com", 22));
    for (size_t cut = 0; cut < strlen(HASHED); cut++) {
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy + 1, HASHED, cut);
        cr_assert_not(known_hosts_match((struct slice){copy + 1, cut}, "example.com"));
        free(copy);
    }
}

static struct known_hosts_verdict judge(const char *file)
{
    return known_hosts_judge(text_slice(file), "host", key_of(KEY));
}

static void expect(const char *file, enum known_hosts_result result, unsigned line)
{
    struct known_hosts_verdict verdict = judge(file);

    cr_assert_eq(verdict.result, result, "%s", file);
    cr_assert_eq(verdict.line, line, "line %u: %s", verdict.line, file);
}

Test(known_hosts, verdicts)
{
    expect("", KNOWN_HOSTS_NEW, 0);
    expect("\n\n# host " KEY "\n", KNOWN_HOSTS_NEW, 0);
    expect("other " KEY "\n", KNOWN_HOSTS_NEW, 0);
    expect("host " KEY, KNOWN_HOSTS_FOUND, 1);
    expect("host " KEY "\r\n", KNOWN_HOSTS_FOUND, 1);
    expect("host " OTHER "\nhost " KEY "\n", KNOWN_HOSTS_FOUND, 2);
    expect("host " KEY "\nhost " OTHER "\n", KNOWN_HOSTS_FOUND, 1);
    expect("junk\nhost " OTHER "\nhost " OTHER, KNOWN_HOSTS_CHANGED, 2);
    expect("host " ECDSA "\n", KNOWN_HOSTS_OTHER_TYPE, 1);
    expect("host " ECDSA "\nhost " OTHER, KNOWN_HOSTS_CHANGED, 2);
    expect("@cert-authority host " KEY "\n", KNOWN_HOSTS_NEW, 0);
}

/* Wherever the mark stands it wins, but only for that key and the hosts it names. */
Test(known_hosts, revoked)
{
    expect("@revoked host " KEY "\nhost " KEY, KNOWN_HOSTS_IS_REVOKED, 1);
    expect("host " KEY "\n@revoked * " KEY, KNOWN_HOSTS_IS_REVOKED, 2);
    expect("@revoked other " KEY "\nhost " KEY, KNOWN_HOSTS_FOUND, 2);
    expect("@revoked host " OTHER "\nhost " KEY, KNOWN_HOSTS_FOUND, 2);
    expect("@revoked host " OTHER, KNOWN_HOSTS_NEW, 0);
}

Test(known_hosts, verdict_names_the_type)
{
    static const char file[] = "\nhost " ECDSA "\n";
    struct known_hosts_verdict verdict = judge(file);

    cr_assert(slice_is(verdict.type, "ecdsa-sha2-nistp256"));
}

static void count(void *ctx, unsigned line, const struct keytext *key)
{
    unsigned *sum = ctx;

    *sum = *sum * 10 + line;
    cr_assert_gt(key->type.len, 0);
}

Test(known_hosts, each)
{
    unsigned sum = 0;

    known_hosts_each(text_slice("host " KEY "\nother " KEY "\n@revoked host " OTHER "\nh*t " ECDSA),
                     "host", count, &sum);
    cr_assert_eq(sum, 14);
}

Test(known_hosts, format_plain)
{
    char line[KNOWN_HOSTS_LINE_SIZE];

    cr_assert_eq(known_hosts_format("[host]:2222", key_of(KEY), NULL, line), strlen(line));
    cr_assert_str_eq(line, "[host]:2222 " KEY "\n");
    cr_assert_eq(judge(line).result, KNOWN_HOSTS_NEW);
    known_hosts_format("host", key_of(KEY), NULL, line);
    cr_assert_eq(judge(line).result, KNOWN_HOSTS_FOUND);
}

/* The salt of ssh-keygen's line gives ssh-keygen's line. */
static void fill_salt(void *ctx, void *ret_bytes, size_t len)
{
    size_t salt_len;

    (void)ctx;
    cr_assert_eq(len, 20);
    cr_assert(encode_base64_decode(&HASHED[3], 28, ret_bytes, len, &salt_len));
}

Test(known_hosts, format_hashed)
{
    struct entropy fixed = {fill_salt, NULL};
    struct entropy_seeded state;
    struct entropy seeded = entropy_seeded(&state, 3);
    char line[KNOWN_HOSTS_LINE_SIZE];

    cr_assert_eq(known_hosts_format("example.com", key_of(KEY), &fixed, line), strlen(line));
    cr_assert_str_eq(line, HASHED " " KEY "\n");
    known_hosts_format("host", key_of(KEY), &seeded, line);
    cr_assert_null(strstr(line, "host"));
    cr_assert_eq(judge(line).result, KNOWN_HOSTS_FOUND);
}

/* A name must not become a pattern, a list, a marker or a second line. */
Test(known_hosts, format_refuses_odd_names)
{
    static const char *const bad[] = {
        "", "*", "a,b", "a?", "!a", "a b", "a\nb", "a\tb", "@a", "#a", "|1|a", "a\x7f",
    };
    char line[KNOWN_HOSTS_LINE_SIZE];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(known_hosts_format(bad[i], key_of(KEY), NULL, line), 0, "'%s'", bad[i]);
        cr_assert_str_eq(line, "");
    }
    cr_assert_eq(known_hosts_format("a", text_slice("junk"), NULL, line), 0);
}

Test(known_hosts, format_has_room_for_the_longest)
{
    static uint8_t blob[LIMIT_KEY_BLOB];
    static char line[KNOWN_HOSTS_LINE_SIZE];
    char host[LIMIT_HOST + 1];
    char type[LIMIT_NAME + 1];
    struct wire_out out = wire_out_make(blob, sizeof(blob));

    memset(host, 'h', LIMIT_HOST);
    host[LIMIT_HOST] = 0;
    memset(type, 't', LIMIT_NAME);
    type[LIMIT_NAME] = 0;
    wire_put_text(&out, type);
    cr_assert_gt(
        known_hosts_format(name_of(host, 65535), (struct slice){blob, sizeof(blob)}, NULL, line),
        0);
    cr_assert_eq(known_hosts_judge(text_slice(line), name_of(host, 65535),
                                   (struct slice){blob, sizeof(blob)})
                     .result,
                 KNOWN_HOSTS_FOUND);
}
