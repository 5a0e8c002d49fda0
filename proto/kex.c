/*
 * The curve25519 exchange.
 */
#include "proto/kex.h"

#include <assert.h>
#include <string.h>

#include "crypto/secret.h"
#include "crypto/sign.h"
#include "proto/keytext.h"

static void hash_string(struct hash *hash, struct slice string)
{
    uint8_t len[4];
    struct wire_out out = wire_out_make(len, sizeof len);
    wire_put_u32(&out, (uint32_t)string.len);
    hash_add(hash, len, sizeof len);
    hash_add(hash, string.bytes, string.len);
}

/* K as mpint: the X25519 result read as a big-endian number (RFC 8731 3.1). */
static void hash_secret(struct hash *hash, const struct secret32 *shared)
{
    uint8_t mpint[4 + 1 + sizeof shared->bytes];
    struct wire_out out = wire_out_make(mpint, sizeof mpint);
    wire_put_mpint(&out, shared->bytes, sizeof shared->bytes);
    hash_add(hash, mpint, wire_out_len(&out));
    secret_wipe(mpint, sizeof mpint);
}

void kex_start(struct kex *kex, enum hash_kind kind, const struct kex_names *names,
               const struct entropy *entropy)
{
    kex->kind = kind;
    hash_start(&kex->hash, kind);
    hash_string(&kex->hash, names->version_client);
    hash_string(&kex->hash, names->version_server);
    hash_string(&kex->hash, names->kexinit_client);
    hash_string(&kex->hash, names->kexinit_server);
    ecdh_make(entropy, &kex->secret, kex->share);
}

enum err kex_agree(struct kex *kex, const struct kex_shares *shares, bool we_are_client)
{
    struct slice theirs = we_are_client ? shares->server : shares->client;
    if (theirs.len != ECDH_SHARE_LEN) {
        return ERR_KEX;
    }
    if (!ecdh_agree(&kex->secret, theirs.bytes, &kex->shared)) {
        return ERR_KEX;
    }
    secret_wipe(&kex->secret, sizeof kex->secret);
    hash_string(&kex->hash, shares->hostkey);
    hash_string(&kex->hash, shares->client);
    hash_string(&kex->hash, shares->server);
    hash_secret(&kex->hash, &kex->shared);
    hash_finish(&kex->hash, kex->digest);
    return ERR_OK;
}

bool kex_signature_valid(const struct kex *kex, struct slice hostkey, struct slice signature)
{
    const uint8_t *public = keytext_to_ed25519(hostkey);
    const uint8_t *raw = keytext_signature_to_ed25519(signature);
    return public != NULL && raw != NULL &&
           sign_verify(public, kex->digest, hash_len(kex->kind), raw);
}

void kex_derive(const struct kex *kex, struct slice session_id, char letter, uint8_t *ret_bytes,
                size_t len)
{
    /* K1 = HASH(K || H || letter || session_id), K2 = HASH(K || H || K1), ... */
    uint8_t stream[2 * HASH_LEN_MAX];
    size_t block = hash_len(kex->kind);
    assert(len <= CIPHER_KEY_MAX);
    struct hash hash;
    hash_start(&hash, kex->kind);
    hash_secret(&hash, &kex->shared);
    hash_add(&hash, kex->digest, block);
    struct hash prefix = hash;
    hash_add(&hash, &letter, 1);
    hash_add(&hash, session_id.bytes, session_id.len);
    hash_finish(&hash, stream);
    for (size_t made = block; made < len; made += block) {
        hash = prefix;
        hash_add(&hash, stream, made);
        hash_finish(&hash, stream + made);
    }
    memcpy(ret_bytes, stream, len);
    secret_wipe(&hash, sizeof hash);
    secret_wipe(&prefix, sizeof prefix);
    secret_wipe(stream, sizeof stream);
}

void kex_wipe(struct kex *kex)
{
    secret_wipe(kex, sizeof *kex);
}
