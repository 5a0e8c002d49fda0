/*
 * Logging in against a scripted peer, both roles: how often, with whose key, over which session.
 */
#include <criterion/criterion.h>

#include "tests/support/peer.h"

struct scene {
    struct end end;
    struct peer peer;
};

static void set_with(struct scene *scene)
{
    end_start(&scene->end);
    peer_make(&scene->peer, &scene->end, NULL);
    peer_hello(&scene->peer);
    cr_assert(peer_exchange(&scene->peer));
}

static void set(struct scene *scene, enum session_role role)
{
    end_make(&scene->end, role, 30);
    set_with(scene);
}

/* A server that has accepted the service. */
static void set_service(struct scene *scene)
{
    set(scene, SESSION_SERVER);
    peer_say(&scene->peer, "bs", MSG_SERVICE_REQUEST, "ssh-userauth");
    cr_assert(peer_await(&scene->peer, MSG_SERVICE_ACCEPT));
}

static void clear(struct scene *scene)
{
    peer_free(&scene->peer);
    end_free(&scene->end);
}

static struct slice id_of(const struct peer *peer)
{
    return (struct slice){peer->session_id, peer->session_id_len};
}

static void ask_none(struct peer *peer)
{
    peer_say(peer, "bsss", MSG_USERAUTH_REQUEST, "user", "ssh-connection", "none");
}

static void probe(struct peer *peer, const struct sign_key *key)
{
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    keytext_from_ed25519(key->public, blob);
    peer_say(peer, "bsssbsx", MSG_USERAUTH_REQUEST, "user", "ssh-connection", "publickey", 0,
             KEYTEXT_ED25519, blob, sizeof blob);
}

Test(login, first_none_is_free_and_the_second_is_not)
{
    struct scene s;
    set_service(&s);
    ask_none(&s.peer);
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_FAILURE));
    cr_assert(peer_heard(&s.peer, "bsb", MSG_USERAUTH_FAILURE, "publickey", 0));
    cr_assert_eq(s.end.seen[SESSION_EV_AUTH_FAILED], 0);
    for (uint32_t i = 1; i < LIMIT_AUTH_FAILURES; i++) {
        ask_none(&s.peer);
        cr_assert_eq(s.end.seen[SESSION_EV_AUTH_FAILED], i);
        cr_assert(peer_await(&s.peer, MSG_USERAUTH_FAILURE));
    }
    ask_none(&s.peer);
    cr_assert_eq(s.end.failed, ERR_AUTH_TRIES);
    clear(&s);
}

Test(login, tries_are_counted_and_configurable)
{
    for (uint32_t max = 0; max <= 3; max++) {
        struct scene s;
        end_make(&s.end, SESSION_SERVER, 30);
        s.end.config.auth_tries_max = max;
        set_with(&s);
        peer_say(&s.peer, "bs", MSG_SERVICE_REQUEST, "ssh-userauth");
        uint32_t expected = max != 0 ? max : (uint32_t)LIMIT_AUTH_FAILURES;
        for (uint32_t i = 0; i < expected; i++) {
            cr_assert(!session_failed(s.end.session));
            peer_say(&s.peer, "bsssbs", MSG_USERAUTH_REQUEST, "user", "ssh-connection", "password",
                     0, "secret");
        }
        cr_assert_eq(s.end.failed, ERR_AUTH_TRIES);
        cr_assert_eq(s.end.seen[SESSION_EV_AUTH_FAILED], expected);
        cr_assert(peer_await(&s.peer, MSG_DISCONNECT));
        clear(&s);
    }
}

Test(login, questions_are_bounded_too)
{
    struct scene s;
    set_service(&s);
    for (int i = 0; i < LIMIT_AUTH_REQUESTS; i++) {
        probe(&s.peer, &s.peer.user_key);
        cr_assert(peer_await(&s.peer, MSG_USERAUTH_PK_OK), "%d", i);
    }
    probe(&s.peer, &s.peer.user_key);
    cr_assert_eq(s.end.failed, ERR_AUTH_TRIES);
    clear(&s);
}

Test(login, key_of_the_probe_does_not_count_for_the_signature)
{
    struct scene s;
    struct sign_key other;
    uint8_t seed[SIGN_SEED_LEN] = {5};
    set_service(&s);
    sign_key_from_seed(seed, &other);
    probe(&s.peer, &s.peer.user_key);
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_PK_OK));
    peer_auth(&s.peer, "user", &other, id_of(&s.peer));
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_FAILURE));
    cr_assert_eq(s.end.seen[SESSION_EV_AUTH_OK], 0);
    cr_assert(s.end.last[SESSION_EV_AUTH_REQUEST].is_signed);
    peer_auth(&s.peer, "user", &s.peer.user_key, id_of(&s.peer));
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_SUCCESS));
    /* a request behind the success is ignored */
    peer_auth(&s.peer, "user", &other, id_of(&s.peer));
    cr_assert(peer_await(&s.peer, MSG_GLOBAL_REQUEST));
    cr_assert(!peer_next(&s.peer), "%d", s.peer.payload.at[0]);
    cr_assert(!session_failed(s.end.session), "%s", s.end.fault);
    clear(&s);
}

Test(login, signature_over_something_else)
{
    for (int i = 0; i < 4; i++) {
        struct scene s;
        set_service(&s);
        uint8_t id[HASH_LEN_MAX + 1] = {0};
        memcpy(id, s.peer.session_id, s.peer.session_id_len);
        size_t len = s.peer.session_id_len;
        id[3] ^= i == 0;
        len -= i == 1;
        len += i == 2;
        if (i == 3) {
            len = 0;
        }
        peer_auth(&s.peer, "user", &s.peer.user_key, (struct slice){id, len});
        cr_assert(peer_await(&s.peer, MSG_USERAUTH_FAILURE));
        /* nobody is asked about a key whose owner is not there */
        cr_assert_eq(s.end.seen[SESSION_EV_AUTH_REQUEST], 0);
        cr_assert_eq(s.end.seen[SESSION_EV_AUTH_FAILED], 1);
        clear(&s);
    }
}

/* Sends a signed request that is right but for one of its fields, which is said otherwise. */
static void auth_as(struct scene *s, const char *service, const char *algorithm, size_t cut)
{
    uint8_t text[1024];
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    uint8_t signature[KEYTEXT_ED25519_SIGNATURE_LEN];
    struct wire_out out = wire_out_make(text, sizeof text);
    keytext_from_ed25519(s->peer.user_key.public, blob);
    wire_put_string(&out, s->peer.session_id, s->peer.session_id_len);
    wire_put_u8(&out, MSG_USERAUTH_REQUEST);
    wire_put_text(&out, "user");
    wire_put_text(&out, service);
    wire_put_text(&out, "publickey");
    wire_put_bool(&out, true);
    wire_put_text(&out, algorithm);
    wire_put_string(&out, blob, sizeof blob - cut);
    end_sign(&s->peer.user_key, text, wire_out_len(&out), signature);
    wire_put_string(&out, signature, sizeof signature);
    size_t prefix = 4 + s->peer.session_id_len;
    peer_send(&s->peer, text + prefix, wire_out_len(&out) - prefix);
}

Test(login, services_algorithms_and_keys_that_are_not_ours)
{
    struct scene s;
    set_service(&s);
    auth_as(&s, "ssh-connection", "rsa-sha2-256", 0);
    auth_as(&s, "ssh-connection", "ssh-ed25519-cert-v01@openssh.com", 0);
    auth_as(&s, "ssh-connection", "", 0);
    auth_as(&s, "ssh-connection", "ssh-ed25519", 1);
    cr_assert_eq(s.end.seen[SESSION_EV_AUTH_FAILED], 4);
    auth_as(&s, "ssh-connection", "ssh-ed25519", 0);
    cr_assert(session_authenticated(s.end.session));
    clear(&s);
    set_service(&s);
    auth_as(&s, "ssh-something", "ssh-ed25519", 0);
    cr_assert_eq(s.end.failed, ERR_SERVICE);
    clear(&s);
    set(&s, SESSION_SERVER);
    peer_say(&s.peer, "bs", MSG_SERVICE_REQUEST, "ssh-connection");
    cr_assert_eq(s.end.failed, ERR_SERVICE);
    clear(&s);
}

Test(login, user_changed)
{
    struct scene s;
    set_service(&s);
    ask_none(&s.peer);
    peer_auth(&s.peer, "root", &s.peer.user_key, id_of(&s.peer));
    cr_assert_eq(s.end.failed, ERR_AUTH_CHANGED);
    cr_assert_eq(s.end.seen[SESSION_EV_AUTH_REQUEST], 0);
    clear(&s);
}

Test(login, user_names_at_their_bounds)
{
    char name[LIMIT_USER + 2];
    memset(name, 'a', sizeof name);
    for (size_t len = LIMIT_USER; len <= LIMIT_USER + 1; len++) {
        struct scene s;
        set_service(&s);
        peer_say(&s.peer, "bxss", MSG_USERAUTH_REQUEST, name, len, "ssh-connection", "none");
        cr_assert_eq(session_failed(s.end.session), len > LIMIT_USER);
        clear(&s);
    }
    struct scene s;
    set_service(&s);
    peer_say(&s.peer, "bxss", MSG_USERAUTH_REQUEST, "us\0er", (size_t)5, "ssh-connection", "none");
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
}

/* A correct signed request, cut off at every byte. */
Test(login, truncated_request)
{
    struct scene s;
    set_service(&s);
    struct bytes wire = {.at = NULL};
    struct wire_out out;
    uint8_t text[512];
    out = wire_out_make(text, sizeof text);
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    keytext_from_ed25519(s.peer.user_key.public, blob);
    wire_put_u8(&out, MSG_USERAUTH_REQUEST);
    wire_put_text(&out, "user");
    wire_put_text(&out, "ssh-connection");
    size_t none_from = wire_out_len(&out);
    wire_put_text(&out, "publickey");
    wire_put_bool(&out, true);
    wire_put_text(&out, KEYTEXT_ED25519);
    wire_put_string(&out, blob, sizeof blob);
    wire_put_string(&out, blob, KEYTEXT_ED25519_SIGNATURE_LEN - 83 + 40);
    size_t whole = wire_out_len(&out);
    clear(&s);
    for (size_t len = 1; len < whole; len++) {
        set_service(&s);
        peer_send(&s.peer, text, len);
        cr_assert_eq(s.end.failed, ERR_MALFORMED, "%zu (%zu)", len, none_from);
        clear(&s);
    }
    bytes_free(&wire);
}

/* Anything of the connection protocol before the login ends the session. */
Test(login, nothing_else_before_success)
{
    for (int message = 80; message < 256; message++) {
        if (message >= 128 && message != MSG_PING && message != MSG_PONG) {
            continue;
        }
        struct scene s;
        set_service(&s);
        peer_say(&s.peer, "bsb", message, "x", 1);
        cr_assert_eq(s.end.failed, ERR_UNEXPECTED, "%d", message);
        clear(&s);
    }
    for (int message = MSG_USERAUTH_FAILURE; message <= 79; message++) {
        struct scene s;
        set_service(&s);
        peer_say(&s.peer, "bsb", message, "x", 1);
        cr_assert_eq(s.end.failed, ERR_UNEXPECTED, "%d", message);
        clear(&s);
    }
}

Test(login, request_before_the_service)
{
    struct scene s;
    set(&s, SESSION_SERVER);
    peer_auth(&s.peer, "user", &s.peer.user_key, id_of(&s.peer));
    cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
    clear(&s);
    set_service(&s);
    peer_say(&s.peer, "bs", MSG_SERVICE_REQUEST, "ssh-userauth");
    cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
    clear(&s);
}

Test(login, unknown_messages_are_answered_and_go_on)
{
    struct scene s;
    set_service(&s);
    uint32_t sequence = s.peer.out.sequence;
    peer_say(&s.peer, "bs", 150, "what");
    cr_assert(peer_await(&s.peer, MSG_UNIMPLEMENTED));
    cr_assert(peer_heard(&s.peer, "bu", MSG_UNIMPLEMENTED, sequence));
    cr_assert(!session_failed(s.end.session));
    peer_auth(&s.peer, "user", &s.peer.user_key, id_of(&s.peer));
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_SUCCESS));
    clear(&s);
}

Test(login, key_exchange_within_the_login)
{
    struct scene s;
    set_service(&s);
    ask_none(&s.peer);
    cr_assert(peer_exchange(&s.peer), "%s", s.end.fault);
    peer_auth(&s.peer, "user", &s.peer.user_key, id_of(&s.peer));
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_SUCCESS));
    clear(&s);
}

/* ---- the client ---------------------------------------------------------------------------- */

/* A client whose server has been asked for the service. */
static void set_client(struct scene *scene, bool trivial)
{
    end_make(&scene->end, SESSION_CLIENT, 31);
    scene->end.config.allow_trivial_auth = trivial;
    set_with(scene);
    cr_assert(peer_await(&scene->peer, MSG_SERVICE_REQUEST));
}

Test(login, client_trivial_success_is_refused_unless_allowed)
{
    for (int allow = 0; allow < 2; allow++) {
        struct scene s;
        set_client(&s, allow);
        peer_say(&s.peer, "bs", MSG_SERVICE_ACCEPT, "ssh-userauth");
        cr_assert(peer_await(&s.peer, MSG_USERAUTH_REQUEST));
        peer_say(&s.peer, "b", MSG_USERAUTH_SUCCESS);
        cr_assert_eq(session_authenticated(s.end.session), allow);
        cr_assert_eq(s.end.failed, allow ? ERR_OK : ERR_AUTH_TRIVIAL);
        clear(&s);
    }
}

Test(login, client_success_at_a_probe_is_trivial_however_allowed)
{
    struct scene s;
    set_client(&s, true);
    peer_say(&s.peer, "bs", MSG_SERVICE_ACCEPT, "ssh-userauth");
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_REQUEST));
    peer_say(&s.peer, "bsb", MSG_USERAUTH_FAILURE, "publickey", 0);
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_REQUEST));
    peer_say(&s.peer, "b", MSG_USERAUTH_SUCCESS);
    cr_assert_eq(s.end.failed, ERR_AUTH_TRIVIAL);
    clear(&s);
}

Test(login, client_success_before_the_service)
{
    struct scene s;
    set_client(&s, true);
    peer_say(&s.peer, "b", MSG_USERAUTH_SUCCESS);
    cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
    clear(&s);
}

Test(login, client_key_that_was_not_offered)
{
    struct scene s;
    set_client(&s, false);
    peer_say(&s.peer, "bs", MSG_SERVICE_ACCEPT, "ssh-userauth");
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_REQUEST));
    peer_say(&s.peer, "bsb", MSG_USERAUTH_FAILURE, "publickey,password", 0);
    cr_assert_str_eq(s.end.last[SESSION_EV_AUTH_NEXT].text, "publickey,password");
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_REQUEST));
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    keytext_from_ed25519(s.peer.host_key.public, blob);
    peer_say(&s.peer, "bsx", MSG_USERAUTH_PK_OK, KEYTEXT_ED25519, blob, sizeof blob);
    cr_assert_eq(s.end.failed, ERR_UNEXPECTED);
    cr_assert_eq(s.end.seen[SESSION_EV_AUTH_SIGN], 0);
    clear(&s);
}

Test(login, client_odd_services_and_bare_accept)
{
    struct scene s;
    set_client(&s, false);
    peer_say(&s.peer, "bs", MSG_SERVICE_ACCEPT, "ssh-connection");
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
    /* some servers leave the name out */
    set_client(&s, false);
    peer_say(&s.peer, "b", MSG_SERVICE_ACCEPT);
    cr_assert(peer_await(&s.peer, MSG_USERAUTH_REQUEST));
    /* an answer to a question that is not open */
    peer_say(&s.peer, "bsb", MSG_USERAUTH_FAILURE, "publickey", 0);
    s.end.hook = NULL;
    peer_say(&s.peer, "bsb", MSG_USERAUTH_FAILURE, "password", 1);
    cr_assert_eq(s.end.failed, ERR_AUTH_NONE_LEFT);
    clear(&s);
}

Test(login, client_takes_banners_and_extensions)
{
    struct scene s;
    set_client(&s, false);
    peer_say(&s.peer, "bussssss", MSG_EXT_INFO, (uint32_t)3, "server-sig-algs",
             "ssh-ed25519,rsa-sha2-512", "ping@openssh.com", "0", "unknown@example.com", "x");
    cr_assert_str_eq(session_signature_algorithms(s.end.session), "ssh-ed25519,rsa-sha2-512");
    peer_say(&s.peer, "bs", MSG_SERVICE_ACCEPT, "ssh-userauth");
    peer_say(&s.peer, "bss", MSG_USERAUTH_BANNER, "line\n", "");
    cr_assert_eq(s.end.seen[SESSION_EV_BANNER], 1);
    cr_assert_eq(s.end.last[SESSION_EV_BANNER].blob_len, 5);
    clear(&s);
}

Test(login, extensions_that_do_not_fit)
{
    struct scene s;
    set_client(&s, false);
    peer_say(&s.peer, "bu", MSG_EXT_INFO, (uint32_t)LIMIT_EXTENSIONS + 1);
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
    set_client(&s, false);
    peer_say(&s.peer, "buss", MSG_EXT_INFO, (uint32_t)2, "server-sig-algs", "x");
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
    set_client(&s, false);
    peer_say(&s.peer, "bussb", MSG_EXT_INFO, (uint32_t)1, "server-sig-algs", "x", 0);
    cr_assert_eq(s.end.failed, ERR_MALFORMED);
    clear(&s);
}
