/*
 * proto/negotiate: what is offered, what two offers decide, and KEXINITs that are damaged.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "crypto/provider.h"
#include "proto/msg.h"
#include "proto/negotiate.h"

/* The ten lists of a KEXINIT; NULL: what we would say. */
struct offer {
    const char *lists[10];
    bool follows;
};

static size_t write_offer(const struct offer *offer, uint8_t *bytes, size_t size)
{
    static const char *const usual[10] = {"curve25519-sha256",
                                          "ssh-ed25519",
                                          "chacha20-poly1305@openssh.com",
                                          "chacha20-poly1305@openssh.com",
                                          "",
                                          "",
                                          "none",
                                          "none",
                                          "",
                                          ""};
    struct wire_out out = wire_out_make(bytes, size);
    wire_put_u8(&out, MSG_KEXINIT);
    wire_put_raw(&out, "0123456789abcdef", 16);
    for (size_t i = 0; i < 10; i++) {
        wire_put_text(&out, offer->lists[i] != NULL ? offer->lists[i] : usual[i]);
    }
    wire_put_bool(&out, offer->follows);
    wire_put_u32(&out, 0);
    cr_assert(!out.failed);
    return wire_out_len(&out);
}

static enum err choose(const struct session_config *config, const struct offer *offer,
                       struct negotiated *ret)
{
    static uint8_t bytes[65536];
    struct slice payload = {bytes, write_offer(offer, bytes, sizeof bytes)};
    cr_assert(provider_start());
    return negotiate_choose(config, payload, ret);
}

static const struct session_config server = {.role = SESSION_SERVER};
static const struct session_config client = {.role = SESSION_CLIENT};

Test(negotiate, our_offers_agree_with_each_other)
{
    uint8_t bytes[LIMIT_KEXINIT];
    struct entropy_seeded state;
    cr_assert(provider_start());
    for (int first = 0; first < 2; first++) {
        for (int r = 0; r < 2; r++) {
            struct session_config config = {.role = r ? SESSION_SERVER : SESSION_CLIENT,
                                            .entropy = entropy_seeded(&state, 1)};
            struct wire_out out = wire_out_make(bytes, sizeof bytes);
            struct negotiated chosen;
            negotiate_offer(&config, first, &out);
            cr_assert(!out.failed);
            struct slice payload = {bytes, wire_out_len(&out)};
            cr_assert_eq(negotiate_choose(r ? &client : &server, payload, &chosen), ERR_OK);
            cr_assert_eq(chosen.peer_strict, first);
            cr_assert_eq(chosen.peer_ext_info, first && !r);
            cr_assert_str_eq(chosen.kex, "curve25519-sha256");
            cr_assert_str_eq(chosen.hostkey, "ssh-ed25519");
            cr_assert_eq(chosen.in, cipher_at(0));
            cr_assert_eq(chosen.out, cipher_at(0));
            cr_assert(!chosen.drop_guess);
            for (size_t len = 0; len < payload.len; len++) {
                struct slice cut = {bytes, len};
                uint8_t *copy = malloc(len > 0 ? len : 1);
                memcpy(copy, bytes, len);
                cut.bytes = copy;
                cr_assert_eq(negotiate_choose(&client, cut, &chosen), ERR_MALFORMED, "%zu", len);
                free(copy);
            }
        }
    }
}

Test(negotiate, the_clients_order_decides_in_each_direction)
{
    struct negotiated chosen;
    const char *both = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com";
    const char *turned = "aes256-gcm@openssh.com,chacha20-poly1305@openssh.com";
    struct session_config config = {.role = SESSION_SERVER, .ciphers = both};
    struct offer offer = {.lists = {[2] = turned, [3] = both}};
    cr_assert_eq(choose(&config, &offer, &chosen), ERR_OK);
    cr_assert_str_eq(chosen.in->name, "aes256-gcm@openssh.com");
    cr_assert_str_eq(chosen.out->name, "chacha20-poly1305@openssh.com");
    config.role = SESSION_CLIENT;
    cr_assert_eq(choose(&config, &offer, &chosen), ERR_OK);
    cr_assert_str_eq(chosen.in->name, "chacha20-poly1305@openssh.com");
    cr_assert_str_eq(chosen.out->name, "chacha20-poly1305@openssh.com");
}

Test(negotiate, nothing_in_common_in_each_list)
{
    static const char *const names[] = {
        "key exchange method", "host key type", "cipher", "cipher", NULL, NULL,
        "compression",         "compression",   NULL,     NULL};
    for (size_t i = 0; i < 10; i++) {
        for (int r = 0; r < 2; r++) {
            for (int none = 0; none < 2; none++) {
                struct offer offer = {.follows = false};
                struct negotiated chosen;
                offer.lists[i] = none ? "" : "something-else";
                enum err err = choose(r ? &server : &client, &offer, &chosen);
                if (names[i] == NULL) {
                    cr_assert_eq(err, ERR_OK);
                    continue;
                }
                cr_assert_eq(err, ERR_NO_COMMON);
                cr_assert_str_eq(chosen.failed_list, names[i]);
                cr_assert(slice_is(chosen.failed_offer, offer.lists[i]));
            }
        }
    }
}

Test(negotiate, markers_are_no_methods)
{
    struct negotiated chosen;
    struct offer offer = {.lists = {"kex-strict-c-v00@openssh.com,ext-info-c"}};
    cr_assert_eq(choose(&server, &offer, &chosen), ERR_NO_COMMON);
    offer.lists[0] = "curve25519-sha256,kex-strict-s-v00@openssh.com,ext-info-s";
    /* the other role's markers say nothing */
    cr_assert_eq(choose(&server, &offer, &chosen), ERR_OK);
    cr_assert(!chosen.peer_strict && !chosen.peer_ext_info);
    cr_assert_eq(choose(&client, &offer, &chosen), ERR_OK);
    cr_assert(chosen.peer_strict && chosen.peer_ext_info);
}

Test(negotiate, guesses)
{
    struct negotiated chosen;
    static const struct {
        const char *kex, *hostkey;
        bool follows, drop;
    } cases[] = {
        {"curve25519-sha256", "ssh-ed25519", true, false},
        {"curve25519-sha256,other", "ssh-ed25519,other", true, false},
        {"other,curve25519-sha256", "ssh-ed25519", true, true},
        {"curve25519-sha256@libssh.org,curve25519-sha256", "ssh-ed25519", true, true},
        {"curve25519-sha256", "other,ssh-ed25519", true, true},
        {"other,curve25519-sha256", "other,ssh-ed25519", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct offer offer = {.lists = {cases[i].kex, cases[i].hostkey},
                              .follows = cases[i].follows};
        cr_assert_eq(choose(&server, &offer, &chosen), ERR_OK);
        cr_assert_eq(chosen.drop_guess, cases[i].drop, "%zu", i);
    }
}

Test(negotiate, lists_that_are_none)
{
    static const char *const bad[] = {",",   ",a",  "a,,",  "a,,b",    " a",
                                      "a b", "a\n", "\x7f", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t list = 0; list < 10; list++) {
            struct offer offer = {.follows = false};
            struct negotiated chosen;
            offer.lists[list] = bad[i];
            cr_assert_eq(choose(&server, &offer, &chosen), ERR_MALFORMED);
        }
    }
}

Test(negotiate, many_names)
{
    char list[2 * LIMIT_NAMES + 64];
    for (size_t names = LIMIT_NAMES; names <= LIMIT_NAMES + 1; names++) {
        size_t at = 0;
        for (size_t i = 1; i < names; i++) {
            list[at++] = 'x';
            list[at++] = ',';
        }
        memcpy(list + at, "curve25519-sha256", 18);
        struct offer offer = {.lists = {list}};
        struct negotiated chosen;
        cr_assert_eq(choose(&server, &offer, &chosen),
                     names <= LIMIT_NAMES ? ERR_OK : ERR_MALFORMED);
    }
}

Test(negotiate, trailing_byte)
{
    uint8_t bytes[1024];
    struct offer offer = {.follows = false};
    struct negotiated chosen;
    size_t len = write_offer(&offer, bytes, sizeof bytes);
    bytes[len] = 0;
    cr_assert_eq(negotiate_choose(&server, (struct slice){bytes, len + 1}, &chosen), ERR_MALFORMED);
}
