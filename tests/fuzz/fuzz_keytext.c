/*
 * Fuzzes proto/keytext: what is taken for a key line must survive being written and read again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/keytext.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct keytext key;
    static struct keytext again;
    static char line[KEYTEXT_LINE_SIZE];
    struct slice blob = {key.blob, 0};
    size_t line_len;

    keytext_type((struct slice){bytes, len});
    keytext_to_ed25519((struct slice){bytes, len});
    keytext_signature_to_ed25519((struct slice){bytes, len});
    if (!keytext_parse((struct slice){bytes, len}, &key)) {
        return 0;
    }
    blob.len = key.blob_len;
    line_len = keytext_write(blob, NULL, line, sizeof(line));
    assert(line_len == strlen(line) && line_len > 0);
    assert(keytext_parse((struct slice){(const uint8_t *)line, line_len}, &again));
    assert(again.blob_len == key.blob_len && memcmp(again.blob, key.blob, key.blob_len) == 0);
    return 0;
}
