/*
 * The scripted peer, built on proto's packets and key exchange and on nothing of its judgement.
 */
#include "tests/support/peer.h"

#include <stdarg.h>

enum { PAYLOAD_MAX = 300000 };

/* ---- life ---------------------------------------------------------------------------------- */

void peer_make(struct peer *peer, struct end *end, const struct peer_plan *plan)
{
    *peer = (struct peer){.end = end};
    if (plan != NULL) {
        peer->plan = *plan;
    }
    peer->client = end->config.role == SESSION_SERVER;
    peer->host_key = end->host_key;
    peer->user_key = end->user_key;
    peer->entropy = entropy_seeded(&peer->seeded, 77);
}

void peer_free(struct peer *peer)
{
    cipher_wipe(&peer->in.cipher);
    cipher_wipe(&peer->out.cipher);
    bytes_free(&peer->wire);
    bytes_free(&peer->payload);
    bytes_free(&peer->version);
    bytes_free(&peer->own_init);
    bytes_free(&peer->their_init);
    bytes_free(&peer->hostkey);
}

/* ---- out ----------------------------------------------------------------------------------- */

void peer_raw(struct peer *peer, const void *bytes, size_t len)
{
    end_feed(peer->end, bytes, len);
}

void peer_seal(struct peer *peer, const void *payload, size_t len, struct bytes *ret_wire)
{
    uint8_t *block = malloc(PACKET_HEAD + len + PACKET_TAIL);
    assert(block != NULL);
    memcpy(block + PACKET_HEAD, payload, len);
    size_t wire_len = packet_seal(&peer->out, block + PACKET_HEAD, len);
    bytes_add(ret_wire, block, wire_len);
    free(block);
}

void peer_send(struct peer *peer, const void *payload, size_t len)
{
    struct bytes wire = {.at = NULL};
    peer_seal(peer, payload, len, &wire);
    peer_raw(peer, wire.at, wire.len);
    bytes_free(&wire);
}

static void put_fields(struct wire_out *out, const char *fields, va_list list)
{
    for (; *fields != '\0'; fields++) {
        switch (*fields) {
        case 'b':
            wire_put_u8(out, (uint8_t)va_arg(list, int));
            break;
        case 'u':
            wire_put_u32(out, va_arg(list, uint32_t));
            break;
        case 's':
            wire_put_text(out, va_arg(list, const char *));
            break;
        default: {
            const void *bytes = va_arg(list, const void *);
            size_t len = va_arg(list, size_t);
            if (*fields == 'x') {
                wire_put_string(out, bytes, len);
            } else {
                wire_put_raw(out, bytes, len);
            }
        }
        }
    }
    assert(!out->failed);
}

void peer_say(struct peer *peer, const char *fields, ...)
{
    uint8_t *payload = malloc(PAYLOAD_MAX);
    assert(payload != NULL);
    struct wire_out out = wire_out_make(payload, PAYLOAD_MAX);
    va_list list;
    va_start(list, fields);
    put_fields(&out, fields, list);
    va_end(list);
    peer_send(peer, payload, wire_out_len(&out));
    free(payload);
}

bool peer_heard(const struct peer *peer, const char *fields, ...)
{
    uint8_t *payload = malloc(PAYLOAD_MAX);
    assert(payload != NULL);
    struct wire_out out = wire_out_make(payload, PAYLOAD_MAX);
    va_list list;
    va_start(list, fields);
    put_fields(&out, fields, list);
    va_end(list);
    size_t len = wire_out_len(&out);
    bool same = len == peer->payload.len && memcmp(payload, peer->payload.at, len) == 0;
    free(payload);
    return same;
}

/* ---- in ------------------------------------------------------------------------------------ */

static const struct cipher_spec *spec_of(const struct peer *peer)
{
    const char *name =
        peer->plan.cipher != NULL ? peer->plan.cipher : "chacha20-poly1305@openssh.com";
    return cipher_find(name, strcspn(name, ","));
}

static void rekey(struct peer *peer, struct packet_way *way, bool to_server)
{
    const struct cipher_spec *spec = spec_of(peer);
    struct slice id = {peer->session_id, peer->session_id_len};
    uint8_t key[CIPHER_KEY_MAX];
    uint8_t iv[CIPHER_IV_MAX];
    kex_derive(&peer->kex, id, to_server ? 'C' : 'D', key, spec->key_len);
    kex_derive(&peer->kex, id, to_server ? 'A' : 'B', iv, spec->iv_len);
    bool keyed = packet_rekey(way, spec, key, iv, peer->strict);
    assert(keyed);
    (void)keyed;
}

bool peer_next(struct peer *peer)
{
    end_output(peer->end, &peer->wire, SIZE_MAX);
    if (peer->version.len == 0) {
        uint8_t *end_of_line = memchr(peer->wire.at, '\n', peer->wire.len);
        assert(end_of_line != NULL);
        size_t len = (size_t)(end_of_line - peer->wire.at) + 1;
        bytes_add(&peer->version, peer->wire.at, len - 2);
        bytes_drop(&peer->wire, len);
    }
    struct packet packet;
    enum err err = packet_open(&peer->in, peer->wire.at, peer->wire.len, &packet);
    assert(err == ERR_OK);
    if (packet.payload == NULL) {
        return false;
    }
    peer->payload.len = 0;
    bytes_add(&peer->payload, packet.payload, packet.len);
    bytes_drop(&peer->wire, packet.wire_len);
    if (peer->payload.at[0] == MSG_KEXINIT) {
        peer->their_init.len = 0;
        bytes_add(&peer->their_init, peer->payload.at, peer->payload.len);
        peer->their_init_read = true;
    }
    if (peer->payload.at[0] == MSG_NEWKEYS) {
        assert(peer->keys_ready);
        rekey(peer, &peer->in, !peer->client);
    }
    return true;
}

bool peer_await(struct peer *peer, uint8_t message)
{
    while (peer_next(peer)) {
        if (peer->payload.at[0] == message) {
            return true;
        }
    }
    return false;
}

/* ---- the exchange -------------------------------------------------------------------------- */

static const char *own_version(const struct peer *peer)
{
    return peer->plan.version != NULL ? peer->plan.version : "SSH-2.0-peer";
}

void peer_hello(struct peer *peer)
{
    peer_raw(peer, own_version(peer), strlen(own_version(peer)));
    peer_raw(peer, "\r\n", 2);
}

static const char *or_else(const char *said, const char *usual)
{
    return said != NULL ? said : usual;
}

void peer_init(struct peer *peer)
{
    const struct peer_plan *plan = &peer->plan;
    uint8_t payload[20000];
    struct wire_out out = wire_out_make(payload, sizeof payload);
    char kex[600] = "";
    strncat(kex, or_else(plan->kex, "curve25519-sha256"), 400);
    if (!peer->first_done && !plan->lenient) {
        strcat(kex, peer->client ? ",kex-strict-c-v00@openssh.com,ext-info-c"
                                 : ",kex-strict-s-v00@openssh.com");
    }
    const char *cipher = or_else(plan->cipher, "chacha20-poly1305@openssh.com");
    const char *mac = or_else(plan->mac, "hmac-sha2-256");
    const char *compression = or_else(plan->compression, "none");
    wire_put_u8(&out, MSG_KEXINIT);
    wire_put_raw(&out, "0123456789abcdef", 16);
    wire_put_text(&out, kex);
    wire_put_text(&out, or_else(plan->hostkey, "ssh-ed25519"));
    wire_put_text(&out, cipher);
    wire_put_text(&out, cipher);
    wire_put_text(&out, mac);
    wire_put_text(&out, mac);
    wire_put_text(&out, compression);
    wire_put_text(&out, compression);
    wire_put_text(&out, "");
    wire_put_text(&out, "");
    wire_put_bool(&out, plan->follows);
    wire_put_u32(&out, 0);
    assert(!out.failed);
    if (!peer->first_done) {
        peer->strict = !plan->lenient;
    }
    peer->own_init.len = 0;
    bytes_add(&peer->own_init, payload, wire_out_len(&out));
    peer->own_init_sent = true;
    peer_send(peer, peer->own_init.at, peer->own_init.len);
}

static struct slice slice_of(const struct bytes *bytes)
{
    return (struct slice){bytes->at, bytes->len};
}

/* Both KEXINITs are known: the hash begins, our share is made. */
static void start(struct peer *peer)
{
    struct slice version = {(const uint8_t *)own_version(peer), strlen(own_version(peer))};
    struct kex_names names = {
        .version_client = peer->client ? version : slice_of(&peer->version),
        .version_server = peer->client ? slice_of(&peer->version) : version,
        .kexinit_client = slice_of(peer->client ? &peer->own_init : &peer->their_init),
        .kexinit_server = slice_of(peer->client ? &peer->their_init : &peer->own_init),
    };
    kex_start(&peer->kex, HASH_SHA256, &names, &peer->entropy);
}

static void agreed(struct peer *peer)
{
    if (peer->session_id_len == 0) {
        peer->session_id_len = HASH_SHA256_LEN;
        memcpy(peer->session_id, peer->kex.digest, HASH_SHA256_LEN);
    }
    peer->keys_ready = true;
}

void peer_share(struct peer *peer)
{
    if (peer->client) {
        start(peer);
        peer_say(peer, "bx", MSG_KEX_ECDH_INIT, peer->kex.share, (size_t)ECDH_SHARE_LEN);
        return;
    }
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN];
    keytext_from_ed25519(peer->host_key.public, blob);
    end_sign(&peer->host_key, peer->kex.digest, HASH_SHA256_LEN, signature);
    peer_say(peer, "bxxx", MSG_KEX_ECDH_REPLY, blob, sizeof blob, peer->kex.share,
             (size_t)ECDH_SHARE_LEN, signature, sizeof signature);
}

bool peer_take_share(struct peer *peer)
{
    if (!peer_await(peer, MSG_KEX_ECDH_INIT)) {
        return false;
    }
    start(peer);
    struct wire_in in = wire_in_make(peer->payload.at + 1, peer->payload.len - 1);
    struct slice share = wire_get_string(&in, ECDH_SHARE_LEN);
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    keytext_from_ed25519(peer->host_key.public, blob);
    struct kex_shares shares = {
        .hostkey = {blob, sizeof blob},
        .client = share,
        .server = {peer->kex.share, ECDH_SHARE_LEN},
    };
    if (kex_agree(&peer->kex, &shares, false) != ERR_OK) {
        return false;
    }
    agreed(peer);
    return true;
}

bool peer_take_reply(struct peer *peer)
{
    if (!peer_await(peer, MSG_KEX_ECDH_REPLY)) {
        return false;
    }
    struct wire_in in = wire_in_make(peer->payload.at + 1, peer->payload.len - 1);
    struct slice hostkey = wire_get_string(&in, LIMIT_KEY_BLOB);
    struct slice share = wire_get_string(&in, ECDH_SHARE_LEN);
    struct slice signature = wire_get_string(&in, LIMIT_SIGNATURE);
    struct kex_shares shares = {
        .hostkey = hostkey,
        .client = {peer->kex.share, ECDH_SHARE_LEN},
        .server = share,
    };
    if (kex_agree(&peer->kex, &shares, true) != ERR_OK ||
        !kex_signature_valid(&peer->kex, hostkey, signature)) {
        return false;
    }
    agreed(peer);
    return true;
}

void peer_newkeys(struct peer *peer)
{
    assert(peer->keys_ready);
    struct bytes wire = {.at = NULL};
    peer_seal(peer, (const uint8_t[]){MSG_NEWKEYS}, 1, &wire);
    rekey(peer, &peer->out, peer->client);
    peer_raw(peer, wire.at, wire.len);
    bytes_free(&wire);
}

bool peer_exchange(struct peer *peer)
{
    if (!peer->own_init_sent) {
        peer_init(peer);
    }
    while (!peer->their_init_read) {
        if (!peer_next(peer)) {
            return false;
        }
    }
    if (peer->client) {
        peer_share(peer);
        if (!peer_take_reply(peer)) {
            return false;
        }
    } else {
        if (!peer_take_share(peer)) {
            return false;
        }
        peer_share(peer);
    }
    peer_newkeys(peer);
    if (!peer_await(peer, MSG_NEWKEYS)) {
        return false;
    }
    peer->own_init_sent = false;
    peer->their_init_read = false;
    peer->keys_ready = false;
    peer->first_done = true;
    return true;
}

/* ---- login --------------------------------------------------------------------------------- */

void peer_auth(struct peer *peer, const char *user, const struct sign_key *key,
               struct slice session_id)
{
    uint8_t text[1024];
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN];
    keytext_from_ed25519(key->public, blob);
    struct wire_out out = wire_out_make(text, sizeof text);
    wire_put_string(&out, session_id.bytes, session_id.len);
    size_t prefix = wire_out_len(&out);
    wire_put_u8(&out, MSG_USERAUTH_REQUEST);
    wire_put_text(&out, user);
    wire_put_text(&out, "ssh-connection");
    wire_put_text(&out, "publickey");
    wire_put_bool(&out, true);
    wire_put_text(&out, KEYTEXT_ED25519);
    wire_put_string(&out, blob, sizeof blob);
    end_sign(key, text, wire_out_len(&out), signature);
    wire_put_string(&out, signature, sizeof signature);
    assert(!out.failed);
    peer_send(peer, text + prefix, wire_out_len(&out) - prefix);
}

static bool login_as_client(struct peer *peer)
{
    peer_say(peer, "bs", MSG_SERVICE_REQUEST, "ssh-userauth");
    if (!peer_await(peer, MSG_SERVICE_ACCEPT)) {
        return false;
    }
    peer_auth(peer, "user", &peer->user_key,
              (struct slice){peer->session_id, peer->session_id_len});
    return peer_await(peer, MSG_USERAUTH_SUCCESS);
}

static bool login_as_server(struct peer *peer)
{
    if (!peer_await(peer, MSG_SERVICE_REQUEST)) {
        return false;
    }
    peer_say(peer, "bs", MSG_SERVICE_ACCEPT, "ssh-userauth");
    if (!peer_await(peer, MSG_USERAUTH_REQUEST)) {
        return false;
    }
    peer_say(peer, "bsb", MSG_USERAUTH_FAILURE, "publickey", 0);
    if (!peer_await(peer, MSG_USERAUTH_REQUEST)) {
        return false;
    }
    if (!peer->end->no_probe) {
        uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
        keytext_from_ed25519(peer->user_key.public, blob);
        peer_say(peer, "bsx", MSG_USERAUTH_PK_OK, KEYTEXT_ED25519, blob, sizeof blob);
        if (!peer_await(peer, MSG_USERAUTH_REQUEST)) {
            return false;
        }
    }
    peer_say(peer, "b", MSG_USERAUTH_SUCCESS);
    return true;
}

bool peer_login(struct peer *peer)
{
    bool good = peer->client ? login_as_client(peer) : login_as_server(peer);
    return good && session_authenticated(peer->end->session);
}

bool peer_ready(struct peer *peer)
{
    peer_hello(peer);
    return peer_exchange(peer) && peer_login(peer);
}

uint32_t peer_channel(struct peer *peer, uint32_t id, uint32_t window)
{
    peer_say(peer, "bsuuususu", MSG_CHANNEL_OPEN, "direct-tcpip", id, window,
             (uint32_t)LIMIT_CHANNEL_DATA, "target", (uint32_t)80, "127.0.0.1", (uint32_t)4000);
    if (!peer_await(peer, MSG_CHANNEL_OPEN_CONFIRMATION)) {
        return SESSION_NO_CHANNEL;
    }
    struct wire_in in = wire_in_make(peer->payload.at + 1, peer->payload.len - 1);
    uint32_t theirs = wire_get_u32(&in);
    assert(theirs == id);
    return wire_get_u32(&in);
}
