/*
 * Negotiation: the first name of the client's list that the server has too.
 */
#include "proto/negotiate.h"

#include <string.h>

#include "proto/msg.h"
#include "proto/text.h"

static const char all_kex[] = "curve25519-sha256,curve25519-sha256@libssh.org";
static const char all_hostkeys[] = "ssh-ed25519";
/* never used with our ciphers, but some peers insist on a match */
static const char all_macs[] = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
                               "hmac-sha2-256,hmac-sha2-512";
static const char strict_client[] = "kex-strict-c-v00@openssh.com";
static const char strict_server[] = "kex-strict-s-v00@openssh.com";

const char *negotiate_all_kex(void)
{
    return all_kex;
}

const char *negotiate_all_hostkeys(void)
{
    return all_hostkeys;
}

const char *negotiate_all_macs(void)
{
    return all_macs;
}

const char *negotiate_all_ciphers(void)
{
    /* made at the first call, which is the program's own while it has one thread */
    static char list[256];
    if (list[0] != '\0') {
        return list;
    }
    struct text text = text_make(list, sizeof list);
    for (size_t i = 0; cipher_at(i) != NULL; i++) {
        text_add(&text, i == 0 ? "" : ",");
        text_add(&text, cipher_at(i)->name);
    }
    return list;
}

static const char *or_default(const char *list, const char *all)
{
    return list != NULL ? list : all;
}

static void put_kex_list(const struct session_config *config, bool first, struct wire_out *out)
{
    char list[1024];
    struct text text = text_make(list, sizeof list);
    text_add(&text, or_default(config->kex_algorithms, all_kex));
    if (first && config->role == SESSION_CLIENT) {
        text_add(&text, ",ext-info-c,");
        text_add(&text, strict_client);
    } else if (first) {
        text_add(&text, ",");
        text_add(&text, strict_server);
    }
    wire_put_text(out, list);
    /* a list that was cut would lose the strict marker: no list at all then */
    out->failed = out->failed || text.len == sizeof list - 1;
}

void negotiate_offer(const struct session_config *config, bool first, struct wire_out *out)
{
    uint8_t cookie[16];
    entropy_fill(&config->entropy, cookie, sizeof cookie);
    const char *ciphers = or_default(config->ciphers, negotiate_all_ciphers());
    const char *macs = or_default(config->macs, all_macs);

    wire_put_u8(out, MSG_KEXINIT);
    wire_put_raw(out, cookie, sizeof cookie);
    put_kex_list(config, first, out);
    wire_put_text(out, or_default(config->hostkey_algorithms, all_hostkeys));
    wire_put_text(out, ciphers);
    wire_put_text(out, ciphers);
    wire_put_text(out, macs);
    wire_put_text(out, macs);
    wire_put_text(out, "none");
    wire_put_text(out, "none");
    wire_put_text(out, "");
    wire_put_text(out, "");
    wire_put_bool(out, false);
    wire_put_u32(out, 0);
}

static struct slice text_slice(const char *text)
{
    return (struct slice){.bytes = (const uint8_t *)text, .len = strlen(text)};
}

static struct slice first_name(struct slice list)
{
    return names_next(&list);
}

/* The first name of the client's list that the server's list has; len 0: none. */
static struct slice common(enum session_role role, struct slice ours, struct slice theirs)
{
    struct slice client = role == SESSION_CLIENT ? ours : theirs;
    struct slice server = role == SESSION_CLIENT ? theirs : ours;
    for (;;) {
        struct slice name = names_next(&client);
        if (name.len == 0 || names_have(server, name)) {
            return name;
        }
    }
}

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

/* The eight lists that decide something, as they stand in the message. */
struct lists {
    struct slice kex, hostkey;
    struct slice cipher_cs, cipher_sc;
    struct slice mac_cs, mac_sc;
    struct slice compression_cs, compression_sc;
    bool follows;
};

static bool parse(struct slice payload, struct lists *ret)
{
    struct wire_in in = wire_in_make(payload.bytes, payload.len);
    wire_get_u8(&in);
    wire_get_raw(&in, 16);
    ret->kex = wire_get_names(&in);
    ret->hostkey = wire_get_names(&in);
    ret->cipher_cs = wire_get_names(&in);
    ret->cipher_sc = wire_get_names(&in);
    ret->mac_cs = wire_get_names(&in);
    ret->mac_sc = wire_get_names(&in);
    ret->compression_cs = wire_get_names(&in);
    ret->compression_sc = wire_get_names(&in);
    wire_get_names(&in);
    wire_get_names(&in);
    ret->follows = wire_get_bool(&in);
    wire_get_u32(&in);
    return wire_in_done(&in);
}

static enum err missing(struct negotiated *ret, const char *list, struct slice offer)
{
    ret->failed_list = list;
    ret->failed_offer = offer;
    return ERR_NO_COMMON;
}

/* Our own spelling of a name that both lists have: lent names end with their packet. */
static const char *own_name(struct slice name)
{
    static const char *const names[] = {"curve25519-sha256", "curve25519-sha256@libssh.org",
                                        "ssh-ed25519"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_is(name, names[i])) {
            return names[i];
        }
    }
    return NULL;
}

static enum err choose_ciphers(const struct session_config *config, const struct lists *lists,
                               struct negotiated *ret)
{
    struct slice ours = text_slice(or_default(config->ciphers, negotiate_all_ciphers()));
    bool client = config->role == SESSION_CLIENT;
    struct slice offer_out = client ? lists->cipher_cs : lists->cipher_sc;
    struct slice offer_in = client ? lists->cipher_sc : lists->cipher_cs;
    struct slice out = common(config->role, ours, offer_out);
    struct slice in = common(config->role, ours, offer_in);
    ret->out = out.len == 0 ? NULL : cipher_find((const char *)out.bytes, out.len);
    ret->in = in.len == 0 ? NULL : cipher_find((const char *)in.bytes, in.len);
    if (ret->out == NULL) {
        return missing(ret, "cipher", offer_out);
    }
    return ret->in == NULL ? missing(ret, "cipher", offer_in) : ERR_OK;
}

enum err negotiate_choose(const struct session_config *config, struct slice payload,
                          struct negotiated *ret)
{
    struct lists lists;
    *ret = (struct negotiated){.hash = HASH_SHA256};
    if (!parse(payload, &lists)) {
        return ERR_MALFORMED;
    }
    bool client = config->role == SESSION_CLIENT;
    ret->peer_strict = names_have(lists.kex, text_slice(client ? strict_server : strict_client));
    ret->peer_ext_info = names_have(lists.kex, text_slice(client ? "ext-info-s" : "ext-info-c"));

    struct slice our_kex = text_slice(or_default(config->kex_algorithms, all_kex));
    struct slice our_hostkey = text_slice(or_default(config->hostkey_algorithms, all_hostkeys));
    struct slice kex = common(config->role, our_kex, lists.kex);
    struct slice hostkey = common(config->role, our_hostkey, lists.hostkey);
    ret->kex = own_name(kex);
    ret->hostkey = own_name(hostkey);
    if (ret->kex == NULL) {
        return missing(ret, "key exchange method", lists.kex);
    }
    if (ret->hostkey == NULL) {
        return missing(ret, "host key type", lists.hostkey);
    }
    enum err err = choose_ciphers(config, &lists, ret);
    if (err != ERR_OK) {
        return err;
    }
    /* the MAC lists decide nothing beside an AEAD cipher (RFC 5647 5.1) */
    if (!names_have(lists.compression_cs, text_slice("none"))) {
        return missing(ret, "compression", lists.compression_cs);
    }
    if (!names_have(lists.compression_sc, text_slice("none"))) {
        return missing(ret, "compression", lists.compression_sc);
    }
    ret->drop_guess = lists.follows && !(same(first_name(our_kex), first_name(lists.kex)) &&
                                         same(first_name(our_hostkey), first_name(lists.hostkey)));
    return ERR_OK;
}
