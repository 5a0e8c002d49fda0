/*
 * known_hosts lines: reading, matching, judging, writing.
 */
#include "proto/known_hosts.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "proto/pattern.h"

static const char hash_magic[] = "|1|";

enum {
    HASH_MAGIC_LEN = sizeof(hash_magic) - 1,
    HASH_BASE64_SIZE = ENCODE_BASE64_LEN(HASH_SHA1_LEN),
};

_Static_assert((int)KNOWN_HOSTS_NAME_SIZE > (int)HASH_MAGIC_LEN + 1 + 2 * (int)HASH_BASE64_SIZE,
               "a hashed name takes no more room than the longest plain one");

void known_hosts_parse(struct slice line, struct known_hosts_line *ret_line)
{
    struct slice rest = keytext_trim(line);

    ret_line->kind = KNOWN_HOSTS_NOTHING;
    if (rest.len == 0 || rest.bytes[0] == '#') {
        return;
    }
    ret_line->kind = KNOWN_HOSTS_BAD;
    if (rest.bytes[0] == '@') {
        struct slice marker = keytext_word(&rest);
        bool revoked = slice_is(marker, "@revoked");

        if (!revoked && !slice_is(marker, "@cert-authority")) {
            return;
        }
        ret_line->hosts = keytext_word(&rest);
        if (keytext_parse(rest, &ret_line->key)) {
            ret_line->kind = revoked ? KNOWN_HOSTS_REVOKED : KNOWN_HOSTS_AUTHORITY;
        }
        return;
    }
    ret_line->hosts = keytext_word(&rest);
    if (keytext_parse(rest, &ret_line->key)) {
        ret_line->kind = KNOWN_HOSTS_KEY;
    }
}

bool known_hosts_name(const char *host, uint16_t port, char ret_name[KNOWN_HOSTS_NAME_SIZE])
{
    size_t len = strnlen(host, LIMIT_HOST + 1);
    bool plain = port == KNOWN_HOSTS_PORT;
    size_t at = 0;
    char digits[5];
    size_t digits_len = 0;

    ret_name[0] = 0;
    if (len == 0 || len > LIMIT_HOST) {
        return false;
    }
    if (!plain) {
        ret_name[at++] = '[';
    }
    for (size_t i = 0; i < len; i++) {
        char c = host[i];

        ret_name[at++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    if (!plain) {
        ret_name[at++] = ']';
        ret_name[at++] = ':';
        do {
            digits[digits_len++] = (char)('0' + port % 10);
            port /= 10;
        } while (port > 0);
        while (digits_len > 0) {
            ret_name[at++] = digits[--digits_len];
        }
    }
    ret_name[at] = 0;
    return true;
}

static bool match_hashed(struct slice hosts, const char *name)
{
    struct slice rest = {hosts.bytes + HASH_MAGIC_LEN, hosts.len - HASH_MAGIC_LEN};
    const uint8_t *bar = memchr(rest.bytes, '|', rest.len);
    uint8_t salt[HASH_SHA1_LEN];
    uint8_t want[HASH_SHA1_LEN];
    uint8_t digest[HASH_SHA1_LEN];
    size_t salt_len;
    size_t want_len;
    size_t at;

    if (!bar) {
        return false;
    }
    at = (size_t)(bar - rest.bytes);
    if (!encode_base64_decode((const char *)rest.bytes, at, salt, sizeof(salt), &salt_len) ||
        !encode_base64_decode((const char *)bar + 1, rest.len - at - 1, want, sizeof(want),
                              &want_len) ||
        salt_len != sizeof(salt) || want_len != sizeof(want)) {
        return false;
    }
    hash_hmac_sha1(salt, sizeof(salt), name, strlen(name), digest);
    return secret_equal(digest, want, sizeof(digest));
}

bool known_hosts_match(struct slice hosts, const char *name)
{
    struct slice text = {(const uint8_t *)name, strlen(name)};

    if (hosts.len > 0 && hosts.bytes[0] == '|') {
        return hosts.len > HASH_MAGIC_LEN && memcmp(hosts.bytes, hash_magic, HASH_MAGIC_LEN) == 0 &&
               match_hashed(hosts, name);
    }
    return pattern_match_list(text, hosts, true) == PATTERN_YES;
}

/* The next line without its end, advancing the text. */
static struct slice take_line(struct slice *text)
{
    const uint8_t *end = memchr(text->bytes, '\n', text->len);
    size_t len = end ? (size_t)(end - text->bytes) : text->len;
    struct slice line = {text->bytes, len};

    text->bytes += len + (end ? 1 : 0);
    text->len -= len + (end ? 1 : 0);
    return line;
}

static bool same_bytes(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

static enum known_hosts_result judge_line(const struct known_hosts_line *line, struct slice key)
{
    struct slice blob = {line->key.blob, line->key.blob_len};

    if (line->kind == KNOWN_HOSTS_REVOKED) {
        return same_bytes(blob, key) ? KNOWN_HOSTS_IS_REVOKED : KNOWN_HOSTS_NEW;
    }
    if (line->kind != KNOWN_HOSTS_KEY) {
        return KNOWN_HOSTS_NEW;
    }
    if (same_bytes(blob, key)) {
        return KNOWN_HOSTS_FOUND;
    }
    return same_bytes(line->key.type, keytext_type(key)) ? KNOWN_HOSTS_CHANGED
                                                         : KNOWN_HOSTS_OTHER_TYPE;
}

struct known_hosts_verdict known_hosts_judge(struct slice file, const char *name, struct slice key)
{
    struct known_hosts_verdict verdict = {.result = KNOWN_HOSTS_NEW};
    struct known_hosts_line line;

    for (unsigned number = 1; file.len > 0; number++) {
        enum known_hosts_result result;

        known_hosts_parse(take_line(&file), &line);
        if (line.kind == KNOWN_HOSTS_NOTHING || line.kind == KNOWN_HOSTS_BAD ||
            !known_hosts_match(line.hosts, name)) {
            continue;
        }
        result = judge_line(&line, key);
        if (result > verdict.result) {
            verdict.result = result;
            verdict.line = number;
            verdict.type = line.key.type;
        }
    }
    return verdict;
}

void known_hosts_each(struct slice file, const char *name,
                      void (*visit)(void *ctx, unsigned line, const struct keytext *key), void *ctx)
{
    struct known_hosts_line line;

    for (unsigned number = 1; file.len > 0; number++) {
        known_hosts_parse(take_line(&file), &line);
        if (line.kind == KNOWN_HOSTS_KEY && known_hosts_match(line.hosts, name)) {
            visit(ctx, number, &line.key);
        }
    }
}

/* May the name stand in a line as it is? */
static bool name_is_plain(const char *name)
{
    if (strchr("@#|", name[0])) {
        return false;
    }
    for (const char *c = name; *c; c++) {
        if (*c <= ' ' || *c == 0x7f || strchr(",*?!", *c)) {
            return false;
        }
    }
    return true;
}

static void put_hashed(struct wire_out *out, const char *name, const struct entropy *salt_source)
{
    uint8_t salt[HASH_SHA1_LEN];
    uint8_t digest[HASH_SHA1_LEN];
    char base64[HASH_BASE64_SIZE];

    entropy_fill(salt_source, salt, sizeof(salt));
    hash_hmac_sha1(salt, sizeof(salt), name, strlen(name), digest);
    wire_put_raw(out, hash_magic, HASH_MAGIC_LEN);
    encode_base64(salt, sizeof(salt), true, base64);
    wire_put_raw(out, base64, strlen(base64));
    wire_put_u8(out, '|');
    encode_base64(digest, sizeof(digest), true, base64);
    wire_put_raw(out, base64, strlen(base64));
}

size_t known_hosts_format(const char *name, struct slice key, const struct entropy *salt_source,
                          char ret_line[KNOWN_HOSTS_LINE_SIZE])
{
    struct wire_out out = wire_out_make(ret_line, KNOWN_HOSTS_LINE_SIZE);
    char key_text[KEYTEXT_LINE_SIZE];
    size_t key_len = keytext_write(key, NULL, key_text, sizeof(key_text));

    ret_line[0] = 0;
    if (key_len == 0 || strlen(name) >= KNOWN_HOSTS_NAME_SIZE || !name_is_plain(name)) {
        return 0;
    }
    if (salt_source) {
        put_hashed(&out, name, salt_source);
    } else {
        wire_put_raw(&out, name, strlen(name));
    }
    wire_put_u8(&out, ' ');
    wire_put_raw(&out, key_text, key_len);
    wire_put_raw(&out, "\n", 2);
    assert(!out.failed);
    return wire_out_len(&out) - 1;
}
