/*
 * The play: each step is one byte of choice and its arguments. The session's own side keeps to its
 * contract (proto/session.h); the peer keeps to nothing.
 */
#include "tests/support/play.h"

#include "tests/support/peer.h"

enum { CHANNELS_SEEN = 64, STEPS_MAX = 400 };

/* What our own side may still say about a channel. */
struct known {
    bool used, open, eof;
    uint64_t owed;
};

struct play {
    struct end end;
    struct peer peer;
    struct script *script;
    struct known known[CHANNELS_SEEN];
};

static struct known *known_of(struct play *play, uint32_t id)
{
    return id < CHANNELS_SEEN ? &play->known[id] : NULL;
}

static bool watches(struct end *end, const struct session_event *event)
{
    struct play *play = end->ctx;
    struct known *known = known_of(play, event->channel);
    switch (event->kind) {
    case SESSION_EV_OPEN:
        if (known == NULL) {
            session_channel_refuse(end->session, event->channel, OPEN_RESOURCE_SHORTAGE, "full");
        } else {
            *known = (struct known){.used = true};
        }
        return true;
    case SESSION_EV_CONFIRMED:
        assert(known != NULL && known->used && !known->open);
        known->open = true;
        return true;
    case SESSION_EV_REFUSED:
        assert(known != NULL && known->used && !known->open);
        known->used = false;
        return true;
    case SESSION_EV_DATA:
        assert(known != NULL && known->used && known->open);
        known->owed += event->blob_len;
        assert(known->owed <= LIMIT_WINDOW_MAX);
        return true;
    case SESSION_EV_EOF:
    case SESSION_EV_CLOSE:
    case SESSION_EV_WINDOW:
        assert(known != NULL && known->used && known->open);
        return true;
    default:
        return false;
    }
}

/* ---- our own side -------------------------------------------------------------------------- */

static void open_channel(struct play *play)
{
    uint32_t id = session_channel_open(play->end.session, "target", 80, "127.0.0.1", 1, play);
    struct known *known = id == SESSION_NO_CHANNEL ? NULL : known_of(play, id);
    if (known != NULL) {
        assert(!known->used);
        *known = (struct known){.used = true};
    } else if (id != SESSION_NO_CHANNEL) {
        session_channel_close(play->end.session, id);
    }
}

static void command(struct play *play)
{
    struct session *session = play->end.session;
    uint8_t choice = script_u8(play->script);
    uint32_t id = script_u8(play->script) % CHANNELS_SEEN;
    struct known *known = &play->known[id];
    switch (choice % 10) {
    case 0:
        session_rekey(session);
        return;
    case 1:
        session_ping(session);
        return;
    case 2:
        if (play->end.config.role == SESSION_CLIENT) {
            open_channel(play);
        }
        return;
    case 3:
        if (known->used && !known->open && play->end.config.role == SESSION_SERVER) {
            session_channel_confirm(session, id, play);
            known->open = true;
        }
        return;
    case 4:
        if (known->used && !known->open && play->end.config.role == SESSION_SERVER) {
            session_channel_refuse(session, id, OPEN_CONNECT_FAILED, "no");
            known->used = false;
        }
        return;
    case 5:
        if (known->open && !known->eof) {
            end_write(&play->end, id, 0, script_u8(play->script) * 400U);
        }
        return;
    case 6:
        if (known->used) {
            session_channel_consumed(session, id, (size_t)known->owed);
            known->owed = 0;
        }
        return;
    case 7:
        if (known->open) {
            session_channel_eof(session, id);
            known->eof = true;
        }
        return;
    case 8:
        if (known->used) {
            session_channel_close(session, id);
            *known = (struct known){.used = false};
        }
        return;
    default:
        end_time(&play->end, play->end.now + (int64_t)script_u8(play->script) * 1000000000);
        return;
    }
}

/* ---- the peer ------------------------------------------------------------------------------ */

static void say_channel(struct play *play)
{
    struct peer *peer = &play->peer;
    struct script *script = play->script;
    static const uint8_t zeros[70000];
    uint8_t message = (uint8_t)(90 + script_u8(script) % 11);
    uint32_t id = script_number(script);
    uint32_t a = script_number(script);
    switch (message) {
    case MSG_CHANNEL_OPEN:
        peer_say(peer, "bsuuususu", message,
                 script_u8(script) % 8 == 0 ? "session" : "direct-tcpip", id, a,
                 script_number(script), "host", script_number(script) + 1, "from", a);
        return;
    case MSG_CHANNEL_OPEN_CONFIRMATION:
        peer_say(peer, "buuuu", message, id, a, script_number(script), script_number(script) + 1);
        return;
    case MSG_CHANNEL_OPEN_FAILURE:
        peer_say(peer, "buuss", message, id, a, "why", "");
        return;
    case MSG_CHANNEL_WINDOW_ADJUST:
        peer_say(peer, "buu", message, id, a);
        return;
    case MSG_CHANNEL_DATA:
        peer_say(peer, "bux", message, id, zeros, (size_t)(a % 34000));
        return;
    case MSG_CHANNEL_EXTENDED_DATA:
        peer_say(peer, "buux", message, id, (uint32_t)1, zeros, (size_t)(a % 34000));
        return;
    case MSG_CHANNEL_REQUEST:
        peer_say(peer, "busb", message, id, "shell", (int)(a & 1));
        return;
    default:
        peer_say(peer, "bu", message, id);
        return;
    }
}

static void say_raw(struct play *play)
{
    size_t len = 0;
    const uint8_t *bytes = script_bytes(play->script, script_u8(play->script) + 1U, &len);
    if (len > 0) {
        peer_send(&play->peer, bytes, len);
    }
}

static void say_other(struct play *play)
{
    struct peer *peer = &play->peer;
    struct script *script = play->script;
    uint8_t choice = script_u8(script);
    switch (choice % 6) {
    case 0:
        peer_say(peer, "bsb", MSG_GLOBAL_REQUEST, "unknown@example.com", choice >> 7);
        return;
    case 1:
        peer_say(peer, "bsbx", MSG_GLOBAL_REQUEST, "hostkeys-prove-00@openssh.com", choice >> 7,
                 play->end.host_blob, sizeof play->end.host_blob);
        return;
    case 2:
        peer_say(peer, "bs", MSG_PING, "ping");
        return;
    case 3:
        peer_say(peer, "b", choice & 0x80 ? MSG_REQUEST_SUCCESS : MSG_REQUEST_FAILURE);
        return;
    case 4:
        peer_say(peer, "b", script_u8(script));
        return;
    default:
        peer_init(peer);
        return;
    }
}

static void step(struct play *play)
{
    switch (script_u8(play->script) % 8) {
    case 0:
    case 1:
        command(play);
        break;
    case 2:
    case 3:
        say_channel(play);
        break;
    case 4:
        say_other(play);
        break;
    case 5:
        say_raw(play);
        break;
    case 6:
        while (peer_next(&play->peer)) {
        }
        break;
    default:
        peer_exchange(&play->peer);
        break;
    }
}

void play_run(struct script *script, enum session_role role)
{
    struct play *play = calloc(1, sizeof *play);
    assert(play != NULL);
    uint8_t options = script_u8(script);
    play->script = script;
    end_make(&play->end, role, 5);
    play->end.config.rekey_bytes = options & 1 ? 600 : 0;
    play->end.config.alive_ns = options & 2 ? 3000000000 : 0;
    play->end.config.alive_max = 2;
    play->end.config.channels_max = options & 4 ? 3 : 0;
    end_start(&play->end);
    peer_make(&play->peer, &play->end, NULL);
    bool ready = peer_ready(&play->peer);
    assert(ready);
    play->end.hook = watches;
    play->end.ctx = play;
    if (options & 8) {
        play->end.home.fail_at = play->end.home.takes + 1 + script_u8(script);
        play->end.home.fail_on = options & 16;
    }
    for (int i = 0; i < STEPS_MAX && script->left > 0 && !session_failed(play->end.session); i++) {
        step(play);
    }
    end_events(&play->end);
    assert(session_failed(play->end.session) == (play->end.seen[SESSION_EV_FAILED] == 1));
    peer_free(&play->peer);
    end_free(&play->end);
    free(play);
}
