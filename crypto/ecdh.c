/*
 * X25519 by libsodium, which clamps the secret and refuses low-order shares.
 */
#include "crypto/ecdh.h"

#include <assert.h>

#include <sodium.h>

static_assert((int)crypto_scalarmult_curve25519_BYTES == (int)ECDH_SHARE_LEN, "X25519 share");
static_assert(crypto_scalarmult_curve25519_SCALARBYTES == sizeof(struct secret32), "X25519 secret");

void ecdh_make(const struct entropy *entropy, struct secret32 *ret_secret,
               uint8_t ret_public[ECDH_SHARE_LEN])
{
    entropy_fill(entropy, ret_secret->bytes, sizeof(ret_secret->bytes));
    int rc = crypto_scalarmult_curve25519_base(ret_public, ret_secret->bytes);
    /* a clamped scalar times the base point has the base point's order */
    assert(rc == 0);
}

bool ecdh_agree(const struct secret32 *secret, const uint8_t peer_public[ECDH_SHARE_LEN],
                struct secret32 *ret_shared)
{
    if (crypto_scalarmult_curve25519(ret_shared->bytes, secret->bytes, peer_public) != 0) {
        secret_wipe(ret_shared, sizeof(*ret_shared));
        return false;
    }
    return true;
}
