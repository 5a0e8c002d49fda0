/*
 * OpenSSH private key files.
 *
 *     "openssh-key-v1\0" | string cipher | string kdf | string kdf options | uint32 keys (1)
 *     | string public key | string private part
 *
 *     private part: uint32 check | uint32 check again | key fields | string comment | 1 2 3 ...
 */
#include "proto/keyfile.h"

#include <assert.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto/secret.h"
#include "proto/keytext.h"
#include "proto/wire.h"

#define MARK_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define MARK_END   "-----END OPENSSH PRIVATE KEY-----"

static const char magic[] = "openssh-key-v1";

enum {
    /* padding goes up to this in files without encryption */
    BLOCK_LEN = 8,
    /* characters in a line of base64, as ssh-keygen has it */
    LINE_LEN = 70,
    /* seed and public half side by side, as libraries keep an ed25519 private key */
    PAIR_LEN = SIGN_SEED_LEN + SIGN_PUBLIC_LEN,
    BINARY_MAX = KEYFILE_TEXT_MAX / 4 * 3,
    WRITE_BINARY_MAX = 2048,
};

_Static_assert((int)WRITE_BINARY_MAX >= 512 + (int)KEYFILE_COMMENT_MAX,
               "a key with the longest comment fits");
_Static_assert((int)KEYFILE_WRITE_SIZE >=
                   (int)ENCODE_BASE64_LEN(WRITE_BINARY_MAX) * (LINE_LEN + 1) / LINE_LEN + 128,
               "its base64 with line ends and frame fits");

static bool starts_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.bytes, prefix, len) == 0;
}

/* A file without our mark: what else is it? */
static enum keyfile_result judge_foreign(struct slice text)
{
    static const char pem[] = "-----BEGIN ";
    static const char pem_private[] = "PRIVATE KEY-----";
    struct slice line = text;
    const uint8_t *line_end = memchr(text.bytes, '\n', text.len);
    struct keytext key;

    if (line_end) {
        line.len = (size_t)(line_end - text.bytes);
    }
    line = keytext_trim(line);
    if (keytext_parse(line, &key)) {
        return KEYFILE_PUBLIC;
    }
    if (starts_with(line, "PuTTY-User-Key-File-")) {
        return KEYFILE_OTHER_FORM;
    }
    if (starts_with(line, pem) && line.len >= sizeof(pem_private) - 1 &&
        memcmp(line.bytes + line.len - (sizeof(pem_private) - 1), pem_private,
               sizeof(pem_private) - 1) == 0) {
        return KEYFILE_OTHER_FORM;
    }
    return KEYFILE_NO_KEY;
}

/* A comment is shown to people: nothing in it may drive a terminal. */
static void keep_comment(struct slice comment, struct keyfile *ret_file)
{
    ret_file->comment[0] = 0;
    if (comment.len > KEYFILE_COMMENT_MAX) {
        return;
    }
    for (size_t i = 0; i < comment.len; i++) {
        if (comment.bytes[i] < ' ' || comment.bytes[i] == 0x7f) {
            return;
        }
    }
    memcpy(ret_file->comment, comment.bytes, comment.len);
    ret_file->comment[comment.len] = 0;
}

static enum keyfile_result parse_private(struct slice private, struct keyfile *ret_file)
{
    struct wire_in in = wire_in_make(private.bytes, private.len);
    struct slice blob = {ret_file->blob, ret_file->blob_len};
    const uint8_t *public_in_blob = keytext_to_ed25519(blob);
    uint32_t check = wire_get_u32(&in);
    uint32_t check_again = wire_get_u32(&in);
    struct slice type = wire_get_string(&in, LIMIT_NAME);
    const uint8_t *public = wire_get_exact(&in, SIGN_PUBLIC_LEN);
    const uint8_t *pair = wire_get_exact(&in, PAIR_LEN);
    struct slice comment = wire_get_string(&in, SIZE_MAX);
    uint8_t pad = 0;

    if (in.failed || private.len % BLOCK_LEN != 0 || check != check_again || !public_in_blob ||
        !slice_is(type, KEYTEXT_ED25519)) {
        return KEYFILE_DAMAGED;
    }
    while (wire_left(&in) > 0) {
        if (++pad == 0 || wire_get_u8(&in) != pad) {
            return KEYFILE_DAMAGED;
        }
    }
    /* the public half is written three times, and follows from the seed: all must agree, or we
     * would sign with a key that is not the one shown */
    sign_key_from_seed(pair, &ret_file->key);
    if (memcmp(ret_file->key.public, public, SIGN_PUBLIC_LEN) != 0 ||
        memcmp(ret_file->key.public, pair + SIGN_SEED_LEN, SIGN_PUBLIC_LEN) != 0 ||
        memcmp(ret_file->key.public, public_in_blob, SIGN_PUBLIC_LEN) != 0) {
        secret_wipe(&ret_file->key, sizeof(ret_file->key));
        return KEYFILE_DAMAGED;
    }
    keep_comment(comment, ret_file);
    return KEYFILE_OK;
}

static enum keyfile_result parse_binary(struct slice binary, struct keyfile *ret_file)
{
    struct wire_in in = wire_in_make(binary.bytes, binary.len);
    const uint8_t *mark = wire_get_raw(&in, sizeof(magic));
    struct slice cipher = wire_get_string(&in, LIMIT_NAME);
    struct slice kdf = wire_get_string(&in, LIMIT_NAME);
    struct slice kdf_options = wire_get_string(&in, SIZE_MAX);
    uint32_t keys = wire_get_u32(&in);
    struct slice public = wire_get_string(&in, sizeof(ret_file->blob));
    struct slice private = wire_get_string(&in, SIZE_MAX);
    bool encrypted = !slice_is(cipher, "none");

    /* behind an encrypted private part may stand the tag of an AEAD cipher */
    if (in.failed || (!encrypted && wire_left(&in) > 0) || !mark ||
        memcmp(mark, magic, sizeof(magic)) != 0 || keys != 1 || keytext_type(public).len == 0) {
        return KEYFILE_DAMAGED;
    }
    memcpy(ret_file->blob, public.bytes, public.len);
    ret_file->blob_len = public.len;
    if (encrypted) {
        return KEYFILE_ENCRYPTED;
    }
    if (!slice_is(kdf, "none") || kdf_options.len != 0) {
        return KEYFILE_DAMAGED;
    }
    if (!slice_is(keytext_type(public), KEYTEXT_ED25519)) {
        return KEYFILE_OTHER_TYPE;
    }
    return parse_private(private, ret_file);
}

enum keyfile_result keyfile_parse(const char *text, size_t len, struct keyfile *ret_file)
{
    struct slice file = {(const uint8_t *)text, len};
    uint8_t binary[BINARY_MAX];
    size_t binary_len = 0;
    const char *body;
    const char *body_end;
    enum keyfile_result result = KEYFILE_DAMAGED;

    memset(ret_file, 0, sizeof(*ret_file));
    if (len == 0) {
        return KEYFILE_NO_KEY;
    }
    if (!starts_with(file, MARK_BEGIN)) {
        return judge_foreign(file);
    }
    body = text + sizeof(MARK_BEGIN) - 1;
    body_end = memmem(body, len - (sizeof(MARK_BEGIN) - 1), MARK_END, sizeof(MARK_END) - 1);
    if (len > KEYFILE_TEXT_MAX || !body_end) {
        return KEYFILE_DAMAGED;
    }
    if (encode_base64_decode(body, (size_t)(body_end - body), binary, sizeof(binary),
                             &binary_len)) {
        result = parse_binary((struct slice){binary, binary_len}, ret_file);
    }
    secret_wipe(binary, sizeof(binary));
    if (result == KEYFILE_DAMAGED) {
        ret_file->blob_len = 0;
    }
    return result;
}

const char *keyfile_text(enum keyfile_result result)
{
    switch (result) {
    case KEYFILE_OK:
        return "is an ed25519 key";
    case KEYFILE_ENCRYPTED:
        return "is protected by a passphrase: load it into ssh-agent with ssh-add";
    case KEYFILE_OTHER_TYPE:
        return "is no ed25519 key: use ssh-agent for that key (ssh-add), or make a new one with "
               "ssh-keygen -t ed25519";
    case KEYFILE_OTHER_FORM:
        return "is a private key in a format other than OpenSSH's: use ssh-agent for that key "
               "(ssh-add), or convert it with ssh-keygen -p";
    case KEYFILE_PUBLIC:
        return "is a public key: give the private key's file, which has the same name without "
               ".pub";
    case KEYFILE_NO_KEY:
        return "is not a private key file";
    case KEYFILE_DAMAGED:
        return "is damaged: it begins like an OpenSSH private key but can't be read to its end";
    }
    return "is not a private key file";
}

/* The private part with its padding. */
static void put_private(struct wire_out *out, const struct sign_key *key, struct slice comment,
                        const struct entropy *entropy)
{
    uint8_t private[WRITE_BINARY_MAX];
    struct wire_out part = wire_out_make(private, sizeof(private));
    uint8_t check[4];

    entropy_fill(entropy, check, sizeof(check));
    wire_put_raw(&part, check, sizeof(check));
    wire_put_raw(&part, check, sizeof(check));
    wire_put_text(&part, KEYTEXT_ED25519);
    wire_put_string(&part, key->public, SIGN_PUBLIC_LEN);
    wire_put_u32(&part, PAIR_LEN);
    wire_put_raw(&part, key->seed, SIGN_SEED_LEN);
    wire_put_raw(&part, key->public, SIGN_PUBLIC_LEN);
    wire_put_string(&part, comment.bytes, comment.len);
    for (uint8_t pad = 1; wire_out_len(&part) % BLOCK_LEN != 0; pad++) {
        wire_put_u8(&part, pad);
    }
    wire_put_string(out, private, wire_out_len(&part));
    secret_wipe(private, sizeof(private));
}

size_t keyfile_write(const struct sign_key *key, const char *comment, const struct entropy *entropy,
                     char ret_text[KEYFILE_WRITE_SIZE])
{
    struct slice comment_slice = {(const uint8_t *)comment, strnlen(comment, KEYFILE_COMMENT_MAX)};
    uint8_t binary[WRITE_BINARY_MAX];
    char base64[ENCODE_BASE64_LEN(WRITE_BINARY_MAX)];
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    struct wire_out out = wire_out_make(binary, sizeof(binary));
    struct wire_out text = wire_out_make(ret_text, KEYFILE_WRITE_SIZE);
    size_t base64_len;

    keytext_from_ed25519(key->public, blob);
    wire_put_raw(&out, magic, sizeof(magic));
    wire_put_text(&out, "none");
    wire_put_text(&out, "none");
    wire_put_text(&out, "");
    wire_put_u32(&out, 1);
    wire_put_string(&out, blob, sizeof(blob));
    put_private(&out, key, comment_slice, entropy);
    assert(!out.failed);

    encode_base64(binary, wire_out_len(&out), true, base64);
    base64_len = strlen(base64);
    wire_put_raw(&text, MARK_BEGIN "\n", sizeof(MARK_BEGIN));
    for (size_t at = 0; at < base64_len; at += LINE_LEN) {
        size_t line = base64_len - at < LINE_LEN ? base64_len - at : LINE_LEN;

        wire_put_raw(&text, base64 + at, line);
        wire_put_u8(&text, '\n');
    }
    /* with the NUL */
    wire_put_raw(&text, MARK_END "\n", sizeof(MARK_END) + 1);
    assert(!text.failed);
    secret_wipe(binary, sizeof(binary));
    secret_wipe(base64, sizeof(base64));
    return wire_out_len(&text) - 1;
}
