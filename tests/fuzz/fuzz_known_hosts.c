/*
 * Fuzzes proto/known_hosts: any file text, judged for some hosts. A verdict must name a line that
 * is there, and learning the key must lead to its being found.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void count_key(void *ctx, unsigned line, const struct keytext *key)
{
    unsigned *keys = ctx;

    assert(line > 0 && key->blob_len > 0);
    ++*keys;
}

static void check(struct slice file, const char *name, struct slice key)
{
    struct known_hosts_verdict verdict = known_hosts_judge(file, name, key);
    unsigned keys = 0;
    unsigned lines = 1;

    for (size_t i = 0; i < file.len; i++) {
        lines += file.bytes[i] == '\n';
    }
    known_hosts_each(file, name, count_key, &keys);
    assert((verdict.result == KNOWN_HOSTS_NEW) == (verdict.line == 0));
    assert(verdict.line <= lines);
    assert(keys > 0 || verdict.result == KNOWN_HOSTS_NEW ||
           verdict.result == KNOWN_HOSTS_IS_REVOKED);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char line[KNOWN_HOSTS_LINE_SIZE];
    char name[KNOWN_HOSTS_NAME_SIZE];
    char host[64];
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    uint8_t public[SIGN_PUBLIC_LEN] = {7};
    struct slice file = {bytes, len};
    struct slice key = {blob, sizeof(blob)};
    size_t host_len = len < sizeof(host) ? len : sizeof(host) - 1;
    size_t line_len;

    keytext_from_ed25519(public, blob);
    check(file, "example.com", key);
    check(file, "[::1]:2222", key);
    /* the input as a name */
    memcpy(host, bytes, host_len);
    host[host_len] = 0;
    if (!known_hosts_name(host, 2222, name)) {
        return 0;
    }
    line_len = known_hosts_format(name, key, NULL, line);
    if (line_len > 0) {
        file = (struct slice){(const uint8_t *)line, line_len};
        assert(known_hosts_judge(file, name, key).result == KNOWN_HOSTS_FOUND);
    }
    return 0;
}
