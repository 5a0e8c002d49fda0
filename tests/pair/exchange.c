/*
 * The key exchange against a scripted peer: strict key exchange, guesses, shares and host keys that
 * are wrong, messages where none may be.
 */
#include <criterion/criterion.h>

#include "crypto/provider.h"
#include "tests/support/peer.h"

struct scene {
    struct end end;
    struct peer peer;
};

/* A session in that role, the scripted peer opposite; both have said who they are. */
static void set(struct scene *scene, enum session_role role, const struct peer_plan *plan)
{
    end_make(&scene->end, role, 20);
    end_start(&scene->end);
    peer_make(&scene->peer, &scene->end, plan);
    peer_hello(&scene->peer);
}

static void clear(struct scene *scene)
{
    peer_free(&scene->peer);
    end_free(&scene->end);
}

static const enum session_role roles[] = {SESSION_CLIENT, SESSION_SERVER};

Test(exchange, honest_with_both_ciphers)
{
    const char *const ciphers[] = {"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"};
    for (int i = 0; i < 4; i++) {
        struct scene s;
        set(&s, roles[i % 2], &(struct peer_plan){.cipher = ciphers[i / 2]});
        cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer), "%s", s.end.fault);
        cr_assert_eq(s.end.last[SESSION_EV_KEX].kex->strict, true);
        for (int again = 0; again < 20; again++) {
            cr_assert(peer_exchange(&s.peer), "%s", s.end.fault);
        }
        cr_assert_eq(session_stats(s.end.session).rekeys, 20);
        clear(&s);
    }
}

Test(exchange, without_strict_only_aesgcm)
{
    for (int i = 0; i < 2; i++) {
        struct scene s;
        set(&s, roles[i], &(struct peer_plan){.lenient = true});
        peer_init(&s.peer);
        if (roles[i] == SESSION_SERVER) {
            /* it still shows its host key, and takes nothing under such keys */
            cr_assert_eq(s.end.failed, ERR_OK);
            (void)peer_exchange(&s.peer);
        }
        cr_assert_eq(s.end.failed, ERR_NO_STRICT);
        clear(&s);
        set(&s, roles[i], &(struct peer_plan){.lenient = true, .cipher = "aes256-gcm@openssh.com"});
        /* what strict exchange forbids is harmless here */
        peer_say(&s.peer, "bs", MSG_IGNORE, "noise");
        peer_init(&s.peer);
        peer_say(&s.peer, "bbss", MSG_DEBUG, 1, "text", "");
        cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer), "%s", s.end.fault);
        cr_assert_eq(s.end.last[SESSION_EV_KEX].kex->strict, false);
        cr_assert(peer_exchange(&s.peer), "%s", s.end.fault);
        clear(&s);
    }
}

Test(exchange, strict_and_a_message_before_kexinit)
{
    for (int i = 0; i < 2; i++) {
        struct scene s;
        set(&s, roles[i], NULL);
        peer_say(&s.peer, "bs", MSG_IGNORE, "");
        cr_assert(!session_failed(s.end.session));
        peer_init(&s.peer);
        cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
        clear(&s);
    }
}

/* Runs the peer's side of the first exchange up to a step. */
static void run_to(struct scene *s, int step)
{
    struct peer *peer = &s->peer;
    if (step >= 1) {
        peer_init(peer);
    }
    if (step >= 2) {
        while (!peer->their_init_read && peer_next(peer)) {
        }
        if (!peer->client) {
            cr_assert(peer_take_share(peer));
        }
        peer_share(peer);
    }
    if (step >= 2 && peer->client) {
        cr_assert(peer_take_reply(peer));
    }
}

/* Every message number at each step of the first strict exchange, both roles: only the right one
 * and DISCONNECT do not end it as unexpected. */
Test(exchange, strict_and_every_message_at_each_step)
{
    for (int i = 0; i < 2; i++) {
        bool server = roles[i] == SESSION_SERVER;
        for (int step = 0; step <= 2; step++) {
            for (int message = 0; message < 256; message++) {
                struct scene s;
                set(&s, roles[i], NULL);
                run_to(&s, step);
                cr_assert(!session_failed(s.end.session), "%s", s.end.fault);
                uint8_t payload[40] = {(uint8_t)message};
                peer_send(&s.peer, payload, sizeof payload);
                int share = server ? MSG_KEX_ECDH_INIT : MSG_KEX_ECDH_REPLY;
                int right = step == 0 ? MSG_KEXINIT : step == 1 ? share : MSG_NEWKEYS;
                if (message == MSG_DISCONNECT) {
                    cr_assert_eq(s.end.failed, ERR_EOF);
                } else if (message == right) {
                    /* its fields are nonsense */
                    cr_assert(s.end.failed == ERR_MALFORMED || s.end.failed == ERR_KEX);
                } else if (step == 0 && message >= MSG_IGNORE && message <= MSG_DEBUG) {
                    /* ends it when the KEXINIT behind it comes, see above */
                    cr_assert(!session_failed(s.end.session));
                } else {
                    cr_assert_eq(s.end.failed, ERR_UNEXPECTED, "%d at step %d: %s", message, step,
                                 s.end.fault);
                }
                cr_assert_eq(s.end.seen[SESSION_EV_KEX], 0);
                clear(&s);
            }
        }
    }
}

Test(exchange, second_kexinit)
{
    for (int i = 0; i < 2; i++) {
        struct scene s;
        set(&s, roles[i], NULL);
        peer_init(&s.peer);
        peer_init(&s.peer);
        cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
        clear(&s);
    }
}

Test(exchange, right_guess_is_used)
{
    struct scene s;
    set(&s, SESSION_SERVER, &(struct peer_plan){.follows = true});
    peer_init(&s.peer);
    while (!s.peer.their_init_read && peer_next(&s.peer)) {
    }
    cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer), "%s", s.end.fault);
    clear(&s);
}

Test(exchange, wrong_guess_drops_exactly_one_packet)
{
    const struct peer_plan plans[] = {
        {.follows = true, .kex = "sntrup761x25519-sha512@openssh.com,curve25519-sha256"},
        {.follows = true, .hostkey = "rsa-sha2-512,ssh-ed25519"},
        {.follows = true, .kex = "curve25519-sha256@libssh.org,curve25519-sha256"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct scene s;
        set(&s, SESSION_SERVER, &plans[i]);
        peer_init(&s.peer);
        peer_say(&s.peer, "bs", MSG_KEX_ECDH_INIT, "a share of some other method");
        cr_assert(!session_failed(s.end.session), "%s", s.end.fault);
        cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer), "%s", s.end.fault);
        clear(&s);

        set(&s, SESSION_SERVER, &plans[i]);
        peer_init(&s.peer);
        peer_say(&s.peer, "bs", MSG_KEX_ECDH_INIT, "one");
        peer_say(&s.peer, "bs", MSG_KEX_ECDH_INIT, "two");
        cr_assert_eq(s.end.failed, ERR_KEX);
        clear(&s);
    }
}

/* A guess announced at a rekey, and the guess of the first exchange must not linger. */
Test(exchange, wrong_guess_at_a_rekey)
{
    struct scene s;
    set(&s, SESSION_SERVER, NULL);
    cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer));
    s.peer.plan.follows = true;
    s.peer.plan.hostkey = "rsa-sha2-512,ssh-ed25519";
    peer_init(&s.peer);
    peer_say(&s.peer, "bs", MSG_KEX_ECDH_INIT, "wrong");
    cr_assert(peer_exchange(&s.peer), "%s", s.end.fault);
    s.peer.plan.follows = false;
    peer_init(&s.peer);
    peer_say(&s.peer, "bs", MSG_KEX_ECDH_INIT, "wrong");
    cr_assert_eq(s.end.failed, ERR_KEX);
    clear(&s);
}

Test(exchange, nothing_in_common_names_the_list)
{
    static const struct {
        struct peer_plan plan;
        const char *list;
    } cases[] = {
        {{.kex = "diffie-hellman-group14-sha1"}, "key exchange method"},
        {{.hostkey = "ssh-rsa"}, "host key type"},
        {{.cipher = "aes128-ctr"}, "cipher"},
        {{.compression = "zlib"}, "compression"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int r = 0; r < 2; r++) {
            struct scene s;
            set(&s, roles[r], &cases[i].plan);
            peer_init(&s.peer);
            cr_assert_eq(s.end.failed, ERR_NO_COMMON);
            cr_assert_not_null(strstr(s.end.fault, cases[i].list), "%s", s.end.fault);
            clear(&s);
        }
    }
}

Test(exchange, shares_that_are_none)
{
    uint8_t bytes[16384];
    static const size_t lens[] = {0, 1, 31, 33, 64, 16384};
    for (size_t i = 0; i <= sizeof lens / sizeof lens[0]; i++) {
        struct scene s;
        set(&s, SESSION_SERVER, NULL);
        peer_init(&s.peer);
        memset(bytes, i == 0 ? 0 : 7, sizeof bytes);
        peer_say(&s.peer, "bx", MSG_KEX_ECDH_INIT, bytes, i == 0 ? 32 : lens[i - 1]);
        cr_assert_eq(s.end.failed, ERR_KEX);
        cr_assert_eq(s.end.seen[SESSION_EV_SIGN_HOST], 0);
        clear(&s);
    }
}

Test(exchange, trailing_byte_in_each_message)
{
    struct scene s;
    set(&s, SESSION_SERVER, NULL);
    peer_init(&s.peer);
    uint8_t share[33] = {9};
    peer_say(&s.peer, "bxb", MSG_KEX_ECDH_INIT, share, (size_t)32, 0);
    cr_assert_eq(s.end.failed, ERR_KEX);
    clear(&s);
    set(&s, SESSION_SERVER, NULL);
    run_to(&s, 2);
    peer_say(&s.peer, "bb", MSG_NEWKEYS, 0);
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
    set(&s, SESSION_SERVER, NULL);
    peer_init(&s.peer);
    struct bytes init = {.at = NULL};
    bytes_add(&init, s.peer.own_init.at, s.peer.own_init.len);
    bytes_add(&init, "", 1);
    clear(&s);
    set(&s, SESSION_SERVER, NULL);
    peer_send(&s.peer, init.at, init.len);
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
    bytes_free(&init);
}

/* What a server may say in KEX_ECDH_REPLY to be refused. */
static void reply_with(const uint8_t *blob, size_t blob_len, const uint8_t *signature,
                       size_t signature_len)
{
    struct scene s;
    set(&s, SESSION_CLIENT, NULL);
    peer_init(&s.peer);
    cr_assert(peer_take_share(&s.peer));
    uint8_t right_blob[KEYTEXT_ED25519_BLOB_LEN];
    uint8_t right[KEYTEXT_ED25519_SIGNATURE_LEN];
    keytext_from_ed25519(s.peer.host_key.public, right_blob);
    end_sign(&s.peer.host_key, s.peer.kex.digest, HASH_SHA256_LEN, right);
    peer_say(&s.peer, "bxxx", MSG_KEX_ECDH_REPLY, blob != NULL ? blob : right_blob,
             blob != NULL ? blob_len : sizeof right_blob, s.peer.kex.share, (size_t)32,
             signature != NULL ? signature : right,
             signature != NULL ? signature_len : sizeof right);
    if (blob == NULL && signature == NULL) {
        cr_assert_eq(s.end.seen[SESSION_EV_HOSTKEY], 1);
    } else {
        cr_assert_eq(s.end.failed, ERR_KEX, "%s", s.end.fault);
        cr_assert_eq(s.end.seen[SESSION_EV_HOSTKEY], 0);
    }
    clear(&s);
}

Test(exchange, host_keys_and_signatures_that_are_wrong)
{
    reply_with(NULL, 0, NULL, 0);
    cr_assert(provider_start());
    struct sign_key key;
    uint8_t seed[SIGN_SEED_LEN] = {9};
    sign_key_from_seed(seed, &key);
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN + 1];
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN + 1];
    keytext_from_ed25519(key.public, blob);
    end_sign(&key, "something else", 14, signature);
    reply_with(blob, sizeof blob - 1, NULL, 0);
    reply_with(blob, sizeof blob, NULL, 0);
    reply_with(blob, sizeof blob - 2, NULL, 0);
    reply_with(blob, 0, NULL, 0);
    reply_with(NULL, 0, signature, sizeof signature - 1);
    reply_with(NULL, 0, signature, sizeof signature);
    reply_with(NULL, 0, signature, sizeof signature - 2);
    reply_with(NULL, 0, signature, 0);
    uint8_t huge[257] = {0};
    reply_with(huge, sizeof huge, NULL, 0);
    memcpy(signature + 4, "ssh-ed2551X", 11);
    reply_with(NULL, 0, signature, sizeof signature - 1);
}

Test(exchange, host_key_changed_at_a_rekey)
{
    struct scene s;
    set(&s, SESSION_CLIENT, NULL);
    cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer));
    uint8_t seed[SIGN_SEED_LEN] = {42};
    sign_key_from_seed(seed, &s.peer.host_key);
    peer_init(&s.peer);
    cr_assert(peer_take_share(&s.peer));
    peer_share(&s.peer);
    cr_assert_eq(s.end.failed, ERR_HOSTKEY);
    cr_assert_eq(s.end.seen[SESSION_EV_HOSTKEY], 1);
    clear(&s);
}

/* In a later exchange, between the peer's KEXINIT and its NEWKEYS, nothing of the layers above. */
Test(exchange, rekey_and_other_messages)
{
    static const uint8_t others[] = {MSG_SERVICE_REQUEST,
                                     MSG_EXT_INFO,
                                     MSG_KEXINIT,
                                     MSG_USERAUTH_REQUEST,
                                     MSG_CHANNEL_OPEN,
                                     MSG_CHANNEL_DATA,
                                     MSG_GLOBAL_REQUEST,
                                     MSG_PING,
                                     200,
                                     MSG_NEWKEYS,
                                     0};
    for (size_t i = 0; i < sizeof others; i++) {
        struct scene s;
        set(&s, SESSION_SERVER, NULL);
        cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer));
        peer_init(&s.peer);
        peer_say(&s.peer, "bs", MSG_IGNORE, "is legal");
        cr_assert(!session_failed(s.end.session));
        peer_say(&s.peer, "bsb", others[i], "x", 1);
        cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
        clear(&s);
    }
}

Test(exchange, versions_that_are_none)
{
    static const char *const lines[] = {"SSH-1.5-old\r\n", "SSH-3.0-new\r\n", "SSH-2.0\r\n",
                                        "SSH-\n"};
    static const char *const clients[] = {"GET / HTTP/1.1\r\n", "\r\n", "\n", "\x16\x03\x01\n"};
    for (size_t i = 0; i < 4; i++) {
        for (int r = 0; r < 2; r++) {
            struct scene s;
            end_make(&s.end, roles[r], 20);
            end_start(&s.end);
            peer_make(&s.peer, &s.end, NULL);
            peer_raw(&s.peer, lines[i], strlen(lines[i]));
            cr_assert_eq(s.end.failed, ERR_VERSION);
            clear(&s);
        }
        struct scene s;
        end_make(&s.end, SESSION_SERVER, 20);
        end_start(&s.end);
        peer_make(&s.peer, &s.end, NULL);
        struct bytes out = {.at = NULL};
        end_output(&s.end, &out, SIZE_MAX);
        peer_raw(&s.peer, clients[i], strlen(clients[i]));
        cr_assert_eq(s.end.failed, ERR_VERSION);
        /* a peer that may be no SSH is told nothing more */
        cr_assert_eq(end_output(&s.end, &out, SIZE_MAX), 0);
        bytes_free(&out);
        clear(&s);
    }
}

Test(exchange, server_lines_before_the_identification)
{
    struct scene s;
    end_make(&s.end, SESSION_CLIENT, 20);
    end_start(&s.end);
    peer_make(&s.peer, &s.end, NULL);
    peer_raw(&s.peer, "welcome\r\n\nto this\n", 18);
    peer_hello(&s.peer);
    cr_assert(peer_exchange(&s.peer) && peer_login(&s.peer), "%s", s.end.fault);
    cr_assert_eq(s.end.seen[SESSION_EV_VERSION], 1);
    clear(&s);
}
