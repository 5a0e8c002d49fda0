/*
 * SSH public keys and signatures in their text and binary forms: "type base64 comment" lines
 * (sshd(8)), key blobs (RFC 4253 6.6, RFC 8709) and fingerprints as ssh-keygen -l prints them.
 */
#ifndef CULVERT_PROTO_KEYTEXT_H
#define CULVERT_PROTO_KEYTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/encode.h"
#include "crypto/sign.h"
#include "proto/limits.h"
#include "proto/wire.h"

enum {
    /* string "ssh-ed25519", string key */
    KEYTEXT_ED25519_BLOB_LEN = 4 + 11 + 4 + SIGN_PUBLIC_LEN,
    /* string "ssh-ed25519", string signature */
    KEYTEXT_ED25519_SIGNATURE_LEN = 4 + 11 + 4 + SIGN_LEN,
    /* "SHA256:", 43 base64 characters, NUL, and what the encoder wants beyond */
    KEYTEXT_FINGERPRINT_SIZE = 7 + ENCODE_BASE64_LEN(32),
    /* type, blank, base64 of the largest blob, and NUL; a comment comes on top */
    KEYTEXT_LINE_SIZE = LIMIT_NAME + 1 + ENCODE_BASE64_LEN(LIMIT_KEY_BLOB),
};

#define KEYTEXT_ED25519 "ssh-ed25519"

/* A public key as a line has it. */
struct keytext {
    /* lent from the line; the comment without blanks around it, may be empty */
    struct slice type;
    struct slice comment;
    size_t blob_len;
    uint8_t blob[LIMIT_KEY_BLOB];
};

/*
 * "type base64 [comment]", blanks in front allowed. False when it is none: the base64 is damaged or
 * the type inside the blob is not the one in front of it.
 */
__attribute__((warn_unused_result)) bool keytext_parse(struct slice line, struct keytext *ret_key);

/*
 * The line for a blob, NUL-terminated, without a line end; comment may be NULL. Its length, or 0:
 * no key blob, a line end in the comment, or too little room.
 */
size_t keytext_write(struct slice blob, const char *comment, char *ret_text, size_t size);

/* The type name a blob begins with, lent; len 0: it is no blob. */
struct slice keytext_type(struct slice blob);

/* "ED25519", "RSA", "ECDSA-SK", "RSA-CERT" ... as ssh-keygen -l shows a type; "UNKNOWN" for others.
 */
const char *keytext_short_name(struct slice type);

void keytext_fingerprint(struct slice blob, char ret_text[KEYTEXT_FINGERPRINT_SIZE]);

void keytext_from_ed25519(const uint8_t public[SIGN_PUBLIC_LEN],
                          uint8_t ret_blob[KEYTEXT_ED25519_BLOB_LEN]);
/* The 32 bytes inside, lent; NULL unless the blob is exactly an ssh-ed25519 key. */
const uint8_t *keytext_to_ed25519(struct slice blob);

void keytext_signature_from_ed25519(const uint8_t signature[SIGN_LEN],
                                    uint8_t ret_blob[KEYTEXT_ED25519_SIGNATURE_LEN]);
/* The 64 bytes inside, lent; NULL unless the blob is exactly an ssh-ed25519 signature. */
const uint8_t *keytext_signature_to_ed25519(struct slice blob);

/* The next word of a line, its blanks and tabs dropped on both sides; len 0 at the end. */
struct slice keytext_word(struct slice *line);
/* Without the blanks, tabs and carriage returns at both ends. */
struct slice keytext_trim(struct slice text);

#endif
