/*
 * Private key files in OpenSSH's own format (PROTOCOL.key): unencrypted ed25519 keys are read and
 * written. Other keys are told apart, so that the user hears what to do about them.
 */
#ifndef CULVERT_PROTO_KEYFILE_H
#define CULVERT_PROTO_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/entropy.h"
#include "crypto/sign.h"
#include "proto/limits.h"

enum {
    /* the file of an RSA-16384 key has about 17 KiB */
    KEYFILE_TEXT_MAX = 32768,
    KEYFILE_COMMENT_MAX = 1024,
    /* what keyfile_write needs at most: the binary form and its base64 with line ends and frame */
    KEYFILE_WRITE_SIZE = 4096,
};

enum keyfile_result {
    KEYFILE_OK,
    KEYFILE_ENCRYPTED,  /* needs a passphrase */
    KEYFILE_OTHER_TYPE, /* a key, but no ed25519 one */
    KEYFILE_OTHER_FORM, /* a PEM, PKCS#8 or PuTTY file */
    KEYFILE_PUBLIC,     /* the public half */
    KEYFILE_NO_KEY,     /* not a key file at all */
    KEYFILE_DAMAGED,    /* begins like one */
};

struct keyfile {
    /* only after KEYFILE_OK; the owner wipes it */
    struct sign_key key;
    char comment[KEYFILE_COMMENT_MAX + 1];
    /* the public key, also after KEYFILE_ENCRYPTED and KEYFILE_OTHER_TYPE: an agent may hold its
     * private half. blob_len 0: not known */
    size_t blob_len;
    uint8_t blob[LIMIT_KEY_BLOB];
};

/* text[0..len) is the whole file. A comment too long or with control bytes comes out empty. */
__attribute__((warn_unused_result)) enum keyfile_result keyfile_parse(const char *text, size_t len,
                                                                      struct keyfile *ret_file);

/* The second half of a sentence that begins with the file's name, such as "is encrypted: ...". */
const char *keyfile_text(enum keyfile_result result);

/*
 * Writes an unencrypted file as ssh-keygen does, NUL-terminated; its length. The comment is cut at
 * KEYFILE_COMMENT_MAX. The caller wipes the text.
 */
size_t keyfile_write(const struct sign_key *key, const char *comment, const struct entropy *entropy,
                     char ret_text[KEYFILE_WRITE_SIZE]);

#endif
