/*
 * X25519 (RFC 7748) for curve25519-sha256 (RFC 8731).
 */
#ifndef CULVERT_CRYPTO_ECDH_H
#define CULVERT_CRYPTO_ECDH_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/entropy.h"
#include "crypto/secret.h"

enum { ECDH_SHARE_LEN = 32 };

/* A fresh key pair; ret_public is what goes on the wire. The caller wipes ret_secret. */
void ecdh_make(const struct entropy *entropy, struct secret32 *ret_secret,
               uint8_t ret_public[ECDH_SHARE_LEN]);

/*
 * The shared secret. False when the peer's share is one of the low-order points, or the result is
 * all zero: the exchange must then end (RFC 8731 section 3). ret_shared is wiped on failure.
 */
__attribute__((warn_unused_result)) bool ecdh_agree(const struct secret32 *secret,
                                                    const uint8_t peer_public[ECDH_SHARE_LEN],
                                                    struct secret32 *ret_shared);

#endif
