/*
 * Public keys and signatures: lines, blobs, fingerprints.
 */
#include "proto/keytext.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"

struct type_row {
    const char *type;
    const char *short_name;
};

static const struct type_row types[] = {
    {"ssh-ed25519", "ED25519"},
    {"ssh-ed25519-cert-v01@openssh.com", "ED25519-CERT"},
    {"sk-ssh-ed25519@openssh.com", "ED25519-SK"},
    {"sk-ssh-ed25519-cert-v01@openssh.com", "ED25519-SK-CERT"},
    {"ecdsa-sha2-nistp256", "ECDSA"},
    {"ecdsa-sha2-nistp384", "ECDSA"},
    {"ecdsa-sha2-nistp521", "ECDSA"},
    {"ecdsa-sha2-nistp256-cert-v01@openssh.com", "ECDSA-CERT"},
    {"ecdsa-sha2-nistp384-cert-v01@openssh.com", "ECDSA-CERT"},
    {"ecdsa-sha2-nistp521-cert-v01@openssh.com", "ECDSA-CERT"},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK"},
    {"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "ECDSA-SK-CERT"},
    {"ssh-rsa", "RSA"},
    {"rsa-sha2-256", "RSA"},
    {"rsa-sha2-512", "RSA"},
    {"ssh-rsa-cert-v01@openssh.com", "RSA-CERT"},
    {"ssh-dss", "DSA"},
    {"ssh-dss-cert-v01@openssh.com", "DSA-CERT"},
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct slice keytext_word(struct slice *line)
{
    struct slice word;
    size_t start = 0;
    size_t end;

    while (start < line->len && is_blank(line->bytes[start])) {
        start++;
    }
    end = start;
    while (end < line->len && !is_blank(line->bytes[end])) {
        end++;
    }
    word = (struct slice){line->bytes, end - start};
    if (line->len > 0) {
        word.bytes += start;
    }
    while (end < line->len && is_blank(line->bytes[end])) {
        end++;
    }
    if (line->len > 0) {
        line->bytes += end;
        line->len -= end;
    }
    return word;
}

struct slice keytext_trim(struct slice text)
{
    while (text.len > 0 && (is_blank(text.bytes[0]) || text.bytes[0] == '\r')) {
        text.bytes++;
        text.len--;
    }
    while (text.len > 0 &&
           (is_blank(text.bytes[text.len - 1]) || text.bytes[text.len - 1] == '\r')) {
        text.len--;
    }
    return text;
}

struct slice keytext_type(struct slice blob)
{
    struct wire_in in = wire_in_make(blob.bytes, blob.len);

    return wire_get_string(&in, LIMIT_NAME);
}

bool keytext_parse(struct slice line, struct keytext *ret_key)
{
    struct slice rest = keytext_trim(line);
    struct slice type = keytext_word(&rest);
    struct slice base64 = keytext_word(&rest);
    struct slice inner;

    if (type.len == 0 || base64.len == 0 ||
        !encode_base64_decode((const char *)base64.bytes, base64.len, ret_key->blob,
                              sizeof(ret_key->blob), &ret_key->blob_len)) {
        return false;
    }
    inner = keytext_type((struct slice){ret_key->blob, ret_key->blob_len});
    if (inner.len != type.len || memcmp(inner.bytes, type.bytes, type.len) != 0) {
        return false;
    }
    /* the one type whose blob we can judge: a damaged one must not look like a key */
    if (slice_is(type, KEYTEXT_ED25519) &&
        !keytext_to_ed25519((struct slice){ret_key->blob, ret_key->blob_len})) {
        return false;
    }
    ret_key->type = type;
    ret_key->comment = rest;
    return true;
}

size_t keytext_write(struct slice blob, const char *comment, char *ret_text, size_t size)
{
    struct slice type = keytext_type(blob);
    size_t comment_len = comment ? strlen(comment) : 0;
    size_t base64_size = ENCODE_BASE64_LEN(blob.len);
    size_t len = 0;

    if (type.len == 0 || blob.len > LIMIT_KEY_BLOB ||
        type.len + 1 + base64_size + (comment_len ? 1 + comment_len : 0) > size) {
        return 0;
    }
    for (size_t i = 0; i < comment_len; i++) {
        /* a line end in a comment would begin a line of its own in the file */
        if (comment[i] == '\n' || comment[i] == '\r') {
            return 0;
        }
    }
    memcpy(ret_text, type.bytes, type.len);
    len = type.len;
    ret_text[len++] = ' ';
    encode_base64(blob.bytes, blob.len, true, ret_text + len);
    len += base64_size - 1;
    if (comment_len > 0) {
        ret_text[len++] = ' ';
        memcpy(ret_text + len, comment, comment_len);
        len += comment_len;
    }
    ret_text[len] = 0;
    return len;
}

const char *keytext_short_name(struct slice type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_is(type, types[i].type)) {
            return types[i].short_name;
        }
    }
    return "UNKNOWN";
}

void keytext_fingerprint(struct slice blob, char ret_text[KEYTEXT_FINGERPRINT_SIZE])
{
    static const char prefix[] = "SHA256:";
    uint8_t digest[HASH_SHA256_LEN];

    hash_of(HASH_SHA256, blob.bytes, blob.len, digest);
    memcpy(ret_text, prefix, sizeof(prefix) - 1);
    encode_base64(digest, sizeof(digest), false, ret_text + sizeof(prefix) - 1);
}

static void write_pair(const uint8_t *bytes, size_t len, uint8_t *ret_blob, size_t size)
{
    struct wire_out out = wire_out_make(ret_blob, size);

    wire_put_text(&out, KEYTEXT_ED25519);
    wire_put_string(&out, bytes, len);
    assert(wire_out_len(&out) == size);
}

static const uint8_t *read_pair(struct slice blob, size_t len)
{
    struct wire_in in = wire_in_make(blob.bytes, blob.len);
    struct slice type = wire_get_string(&in, LIMIT_NAME);
    const uint8_t *bytes = wire_get_exact(&in, len);

    return wire_in_done(&in) && slice_is(type, KEYTEXT_ED25519) ? bytes : NULL;
}

void keytext_from_ed25519(const uint8_t public[SIGN_PUBLIC_LEN],
                          uint8_t ret_blob[KEYTEXT_ED25519_BLOB_LEN])
{
    write_pair(public, SIGN_PUBLIC_LEN, ret_blob, KEYTEXT_ED25519_BLOB_LEN);
}

const uint8_t *keytext_to_ed25519(struct slice blob)
{
    return read_pair(blob, SIGN_PUBLIC_LEN);
}

void keytext_signature_from_ed25519(const uint8_t signature[SIGN_LEN],
                                    uint8_t ret_blob[KEYTEXT_ED25519_SIGNATURE_LEN])
{
    write_pair(signature, SIGN_LEN, ret_blob, KEYTEXT_ED25519_SIGNATURE_LEN);
}

const uint8_t *keytext_signature_to_ed25519(struct slice blob)
{
    return read_pair(blob, SIGN_LEN);
}
