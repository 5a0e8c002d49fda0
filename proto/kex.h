/*
 * The curve25519 exchange (RFC 8731) in both roles: exchange hash, host signature, keys.
 */
#ifndef CULVERT_PROTO_KEX_H
#define CULVERT_PROTO_KEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/cipher.h"
#include "crypto/ecdh.h"
#include "crypto/hash.h"
#include "proto/err.h"
#include "proto/wire.h"

/* One exchange in flight. Wiped by its owner with kex_wipe on every way out. */
struct kex {
    /* string V_C .. string I_S have been added */
    struct hash hash;
    enum hash_kind kind;
    struct secret32 secret;
    uint8_t share[ECDH_SHARE_LEN];
    struct secret32 shared;
    uint8_t digest[HASH_LEN_MAX];
};

/* What identifies both ends; the order is the RFC's. */
struct kex_names {
    struct slice version_client, version_server;
    struct slice kexinit_client, kexinit_server;
};

/* Starts the exchange hash and makes our key pair. */
void kex_start(struct kex *kex, enum hash_kind kind, const struct kex_names *names,
               const struct entropy *entropy);

/* The host key and both shares; from them the shared secret and kex->digest (the hash H). */
struct kex_shares {
    struct slice hostkey;
    struct slice client, server;
};
enum err kex_agree(struct kex *kex, const struct kex_shares *shares, bool we_are_client);

/* Client: is signature (SSH form) the host key's over H? Both must be ssh-ed25519 and nothing
 * more. */
bool kex_signature_valid(const struct kex *kex, struct slice hostkey, struct slice signature);

/* Keys of one direction (RFC 4253 7.2): letter is 'C' or 'D' for the key, 'A' or 'B' for the IV. */
void kex_derive(const struct kex *kex, struct slice session_id, char letter, uint8_t *ret_bytes,
                size_t len);

void kex_wipe(struct kex *kex);

#endif
