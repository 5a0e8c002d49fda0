/*
 * KEXINIT: what we offer, and what both sides' lists decide (RFC 4253 section 7.1, strict key
 * exchange: draft-miller-sshm-strict-kex).
 */
#ifndef CULVERT_PROTO_NEGOTIATE_H
#define CULVERT_PROTO_NEGOTIATE_H

#include <stdbool.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "proto/session.h"
#include "proto/wire.h"

/* Every name that this build has, in our order of preference, for -Q and for checking user lists.
 * The cipher list depends on the CPU. */
const char *negotiate_all_kex(void);
const char *negotiate_all_hostkeys(void);
const char *negotiate_all_ciphers(void);
const char *negotiate_all_macs(void);

struct negotiated {
    const char *kex;
    enum hash_kind hash;
    const char *hostkey;
    /* by direction of the data: from us, to us */
    const struct cipher_spec *out;
    const struct cipher_spec *in;
    bool peer_strict;
    bool peer_ext_info;
    /* the peer sent a guessed key exchange packet and guessed wrong: drop exactly one packet */
    bool drop_guess;
    /* on ERR_NO_COMMON: which list ("cipher", ...) and what the peer offered, lent */
    const char *failed_list;
    struct slice failed_offer;
};

/* The payload of our KEXINIT; the markers for extensions and strict exchange only in the first. */
void negotiate_offer(const struct session_config *config, bool first, struct wire_out *out);

/* Judges the peer's KEXINIT payload. */
enum err negotiate_choose(const struct session_config *config, struct slice payload,
                          struct negotiated *ret);

#endif
