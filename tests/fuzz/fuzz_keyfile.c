/*
 * Fuzzes proto/keyfile: as a whole file, and as the binary inside one. A key that comes out must be
 * whole, and nothing secret may stay behind when none does.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/encode.h"
#include "proto/keyfile.h"
#include "proto/keytext.h"

enum { BINARY_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const char *text, size_t len)
{
    static struct keyfile file;
    static const struct sign_key none;
    enum keyfile_result result = keyfile_parse(text, len, &file);

    assert(keyfile_text(result)[0]);
    if (result != KEYFILE_OK) {
        assert(memcmp(&file.key, &none, sizeof(none)) == 0);
        return;
    }
    assert(strlen(file.comment) <= KEYFILE_COMMENT_MAX);
    assert(memcmp(keytext_to_ed25519((struct slice){file.blob, file.blob_len}), file.key.public,
                  SIGN_PUBLIC_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    static const char end[] = "\n-----END OPENSSH PRIVATE KEY-----\n";
    static char text[sizeof(begin) + ENCODE_BASE64_LEN(BINARY_MAX) + sizeof(end)];

    check((const char *)bytes, len);
    if (len <= BINARY_MAX) {
        memcpy(text, begin, sizeof(begin));
        encode_base64(bytes, len, true, text + sizeof(begin) - 1);
        memcpy(text + strlen(text), end, sizeof(end));
        check(text, strlen(text));
    }
    return 0;
}
