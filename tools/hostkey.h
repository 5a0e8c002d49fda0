/*
 * The server's host key: read from a file, or made at the first start, and used to sign.
 */
#ifndef CULVERT_TOOLS_HOSTKEY_H
#define CULVERT_TOOLS_HOSTKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/sign.h"
#include "engine/broker.h"
#include "proto/keytext.h"
#include "tools/keywords.h"
#include "tools/paths.h"

/* The owner wipes it with hostkey_wipe. */
struct hostkey {
    struct sign_key key;
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    char path[PATHS_MAX];
};

/* Where the key is when HostKey is not set: /etc/culvert for root, otherwise culvert's folder in
 * $XDG_CONFIG_HOME or ~/.config. False: no home folder is known. */
__attribute__((warn_unused_result)) bool hostkey_default_path(char *ret_path, size_t size);

/*
 * Takes the first ed25519 key of files, skipping keys of other types, or, when files is empty, the
 * default one, which is made if it is missing and make is set. False with one sentence.
 */
__attribute__((warn_unused_result)) bool hostkey_open(struct hostkey *hostkey,
                                                      const struct keyword_words *files, bool make,
                                                      char *ret_why, size_t why_len);
void hostkey_wipe(struct hostkey *hostkey);

/* BROKER_SIGN_HOST. Any thread. */
void hostkey_sign(const struct hostkey *hostkey, const struct broker_request *request,
                  struct broker_reply *reply);

#endif
