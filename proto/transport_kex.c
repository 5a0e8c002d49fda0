/*
 * The key exchange, message by message, in the order they are met.
 */
#include "proto/transport_kex.h"

#include <assert.h>
#include <string.h>

#include "crypto/secret.h"
#include "proto/text.h"

static bool is_client(const struct transport *t)
{
    return t->config->role == SESSION_CLIENT;
}

/* ---- KEXINIT ------------------------------------------------------------------------------- */

void transport_kex_begin(struct transport *t)
{
    assert(t->step == KEX_NONE);
    if (t->stage == STAGE_DEAD) {
        return;
    }
    struct wire_out made = wire_out_make(t->kexinit, sizeof t->kexinit);
    negotiate_offer(t->config, !t->first_done, &made);
    /* lists come from the user's configuration: too long for a packet is said, not cut */
    if (made.failed) {
        transport_fail(t, ERR_LOCAL, "the configured algorithm lists are too long");
        return;
    }
    t->kexinit_len = (uint32_t)wire_out_len(&made);
    struct wire_out out = transport_begin(t, MSG_KEXINIT, t->kexinit_len);
    wire_put_raw(&out, t->kexinit + 1, t->kexinit_len - 1);
    if (!transport_commit(t, &out)) {
        return;
    }
    t->step = KEX_SENT;
    t->rekey_wanted = false;
    t->kex_started = t->now;
}

static uint64_t bytes_limit(const struct transport *t, const struct packet_way *way)
{
    if (t->config->rekey_bytes != 0) {
        return t->config->rekey_bytes;
    }
    return way->cipher.spec->rekey_bytes;
}

static bool way_due(const struct transport *t, const struct packet_way *way)
{
    /* at least one packet per key, so that any limit makes progress */
    return way->packets > 1 &&
           (way->bytes >= bytes_limit(t, way) || way->packets >= LIMIT_REKEY_PACKETS);
}

void transport_kex_begin_if_due(struct transport *t)
{
    if (t->stage != STAGE_OPEN || t->step != KEX_NONE) {
        return;
    }
    int64_t age_max = t->config->rekey_ns != 0 ? t->config->rekey_ns : LIMIT_REKEY_NS;
    if (t->rekey_wanted || way_due(t, &t->in) || way_due(t, &t->out) ||
        t->now - t->keys_since >= age_max) {
        transport_kex_begin(t);
    }
}

static void fail_negotiation(struct transport *t, enum err err)
{
    char words[2 * LIMIT_TEXT];
    struct text text = text_make(words, sizeof words);
    text_add(&text, err_text(err));
    if (t->chosen.failed_list != NULL) {
        text_add(&text, ": no matching ");
        text_add(&text, t->chosen.failed_list);
        text_add(&text, " found. Their offer: ");
        text_add_bytes(&text, t->chosen.failed_offer.bytes, t->chosen.failed_offer.len);
    }
    t->chosen.failed_list = NULL;
    transport_fail(t, err, words);
}

static bool lacks_strict(const struct transport *t)
{
    return !t->strict && (t->chosen.in->needs_strict_kex || t->chosen.out->needs_strict_kex);
}

static enum err judge_strict(struct transport *t, uint32_t sequence)
{
    if (t->first_done) {
        return ERR_OK;
    }
    t->strict = t->chosen.peer_strict;
    t->peer_ext_info = t->chosen.peer_ext_info;
    if (t->strict && sequence != 0) {
        /* something was slipped in front of the peer's KEXINIT (CVE-2023-48795) */
        return ERR_UNEXPECTED;
    }
    /* a server says so at NEWKEYS: ssh-keyscan never claims strictness and only wants the host key,
     * and until then nothing is taken under such a cipher */
    return is_client(t) && lacks_strict(t) ? ERR_NO_STRICT : ERR_OK;
}

static void send_share(struct transport *t)
{
    struct wire_out out = transport_begin(t, MSG_KEX_ECDH_INIT, 5 + ECDH_SHARE_LEN);
    wire_put_string(&out, t->kex.share, ECDH_SHARE_LEN);
    transport_commit(t, &out);
}

void transport_kex_take_init(struct transport *t, struct slice payload, uint32_t sequence)
{
    bool early = t->first_done && t->stage != STAGE_OPEN;
    if (early && t->stats.rekeys >= LIMIT_EARLY_REKEYS) {
        transport_fail(t, ERR_FLOOD, "too many key exchanges before the login");
        return;
    }
    if (t->step == KEX_NONE) {
        transport_kex_begin(t);
    }
    if (t->stage == STAGE_DEAD) {
        return;
    }
    enum err err = negotiate_choose(t->config, payload, &t->chosen);
    if (err == ERR_OK) {
        err = judge_strict(t, sequence);
    }
    if (err != ERR_OK) {
        fail_negotiation(t, err);
        return;
    }
    struct slice own_version = {(const uint8_t *)t->own_version, strlen(t->own_version)};
    struct slice peer_version = {(const uint8_t *)t->peer_version.line,
                                 strlen(t->peer_version.line)};
    struct slice own_init = {t->kexinit, t->kexinit_len};
    struct kex_names names = {
        .version_client = is_client(t) ? own_version : peer_version,
        .version_server = is_client(t) ? peer_version : own_version,
        .kexinit_client = is_client(t) ? own_init : payload,
        .kexinit_server = is_client(t) ? payload : own_init,
    };
    kex_start(&t->kex, t->chosen.hash, &names, &t->config->entropy);
    t->drop_guess = t->chosen.drop_guess;
    t->step = KEX_SHARE;
    if (is_client(t)) {
        send_share(t);
    }
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void settle_session_id(struct transport *t)
{
    if (t->session_id_len == 0) {
        t->session_id_len = (uint32_t)hash_len(t->kex.kind);
        memcpy(t->session_id, t->kex.digest, t->session_id_len);
    }
}

static void derive(const struct transport *t, bool client_to_server, struct cipher_keys *ret)
{
    struct slice id = {t->session_id, t->session_id_len};
    kex_derive(&t->kex, id, client_to_server ? 'C' : 'D', ret->key, ret->spec->key_len);
    kex_derive(&t->kex, id, client_to_server ? 'A' : 'B', ret->iv, ret->spec->iv_len);
}

static void send_ext_info(struct transport *t)
{
    struct wire_out out = transport_begin(t, MSG_EXT_INFO, 128);
    wire_put_u32(&out, 2);
    wire_put_text(&out, "server-sig-algs");
    wire_put_text(&out, "ssh-ed25519");
    wire_put_text(&out, "ping@openssh.com");
    wire_put_text(&out, "0");
    transport_commit(t, &out);
}

/* Our NEWKEYS, and everything behind it under the new keys. */
static void send_newkeys(struct transport *t)
{
    struct wire_out out = transport_begin(t, MSG_NEWKEYS, 1);
    if (!transport_commit(t, &out)) {
        return;
    }
    settle_session_id(t);
    struct cipher_keys next_out = {.spec = t->chosen.out};
    t->next_in.spec = t->chosen.in;
    derive(t, is_client(t), &next_out);
    derive(t, !is_client(t), &t->next_in);
    bool keyed = packet_rekey(&t->out, next_out.spec, next_out.key, next_out.iv, t->strict);
    secret_wipe(&next_out, sizeof next_out);
    kex_wipe(&t->kex);
    if (!keyed) {
        transport_fail(t, ERR_MEMORY, NULL);
        return;
    }
    t->step = KEX_AWAIT;
    if (!t->first_done && !is_client(t) && t->peer_ext_info) {
        /* the first packet under the first keys (RFC 8308 2.4) */
        send_ext_info(t);
    }
    if (t->first_done) {
        transport_release_held(t);
        events_push(t->events, SESSION_EV_WRITABLE);
    }
}

void transport_kex_take_newkeys(struct transport *t, struct slice payload)
{
    if (payload.len != 1) {
        transport_fail(t, ERR_MALFORMED, NULL);
        return;
    }
    bool first = !t->first_done;
    if (first && lacks_strict(t)) {
        transport_fail(t, ERR_NO_STRICT, NULL);
        return;
    }
    bool keyed = packet_rekey(&t->in, t->next_in.spec, t->next_in.key, t->next_in.iv, t->strict);
    secret_wipe(&t->next_in, sizeof t->next_in);
    if (!keyed) {
        transport_fail(t, ERR_MEMORY, NULL);
        return;
    }
    t->step = KEX_NONE;
    t->first_done = true;
    t->keys_since = t->now;
    if (first) {
        t->stage = STAGE_SERVICE;
    } else {
        t->stats.rekeys++;
    }
    t->report = (struct session_kex){
        .first = first,
        .strict = t->strict,
        .kex = t->chosen.kex,
        .hostkey = t->chosen.hostkey,
        .cipher_in = t->chosen.in->name,
        .cipher_out = t->chosen.out->name,
    };
    events_push(t->events, SESSION_EV_KEX)->kex = &t->report;
}

/* ---- server -------------------------------------------------------------------------------- */

void transport_kex_take_share(struct transport *t, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    const uint8_t *share = wire_get_exact(&in, ECDH_SHARE_LEN);
    if (!wire_in_done(&in)) {
        transport_fail(t, ERR_KEX, NULL);
        return;
    }
    memcpy(t->client_share, share, ECDH_SHARE_LEN);
    struct kex_shares shares = {
        .hostkey = {t->config->hostkey, t->config->hostkey_len},
        .client = {t->client_share, ECDH_SHARE_LEN},
        .server = {t->kex.share, ECDH_SHARE_LEN},
    };
    enum err err = kex_agree(&t->kex, &shares, false);
    if (err != ERR_OK) {
        transport_fail(t, err, NULL);
        return;
    }
    t->step = KEX_SIGN;
    struct session_event *event = events_push(t->events, SESSION_EV_SIGN_HOST);
    event->blob = t->kex.digest;
    event->blob_len = hash_len(t->kex.kind);
}

void transport_kex_signature(struct transport *t, struct slice signature)
{
    if (t->stage == STAGE_DEAD || t->step != KEX_SIGN) {
        return;
    }
    if (signature.len == 0 || signature.len > LIMIT_SIGNATURE) {
        transport_fail(t, ERR_LOCAL, "the host key could not sign the key exchange");
        return;
    }
    size_t size = 1 + 4 + t->config->hostkey_len + 4 + ECDH_SHARE_LEN + 4 + signature.len;
    struct wire_out out = transport_begin(t, MSG_KEX_ECDH_REPLY, size);
    wire_put_string(&out, t->config->hostkey, t->config->hostkey_len);
    wire_put_string(&out, t->kex.share, ECDH_SHARE_LEN);
    wire_put_string(&out, signature.bytes, signature.len);
    if (!transport_commit(t, &out)) {
        return;
    }
    send_newkeys(t);
}

/* ---- client -------------------------------------------------------------------------------- */

static void judge_hostkey(struct transport *t, struct slice hostkey)
{
    if (t->hostkey_len != 0) {
        bool same =
            hostkey.len == t->hostkey_len && memcmp(hostkey.bytes, t->hostkey, hostkey.len) == 0;
        if (same) {
            send_newkeys(t);
        } else {
            transport_fail(t, ERR_HOSTKEY, "the server changed its host key within the session");
        }
        return;
    }
    memcpy(t->hostkey, hostkey.bytes, hostkey.len);
    t->hostkey_len = (uint32_t)hostkey.len;
    t->step = KEX_VERDICT;
    struct session_event *event = events_push(t->events, SESSION_EV_HOSTKEY);
    event->blob = t->hostkey;
    event->blob_len = t->hostkey_len;
}

void transport_kex_take_reply(struct transport *t, struct slice payload)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    struct slice hostkey = wire_get_string(&in, sizeof t->hostkey);
    struct slice share = wire_get_string(&in, LIMIT_PACKET_WIRE);
    struct slice signature = wire_get_string(&in, LIMIT_SIGNATURE);
    if (!wire_in_done(&in)) {
        transport_fail(t, ERR_KEX, NULL);
        return;
    }
    struct kex_shares shares = {
        .hostkey = hostkey,
        .client = {t->kex.share, ECDH_SHARE_LEN},
        .server = share,
    };
    enum err err = kex_agree(&t->kex, &shares, true);
    if (err != ERR_OK) {
        transport_fail(t, err, NULL);
        return;
    }
    /* before any key made from it is used */
    if (!kex_signature_valid(&t->kex, hostkey, signature)) {
        transport_fail(t, ERR_KEX, "the server's signature over the key exchange is wrong");
        return;
    }
    judge_hostkey(t, hostkey);
}

void transport_kex_verdict(struct transport *t, bool accepted)
{
    if (t->stage == STAGE_DEAD || t->step != KEX_VERDICT) {
        return;
    }
    if (accepted) {
        send_newkeys(t);
    } else {
        transport_fail(t, ERR_HOSTKEY, NULL);
    }
}
