/*
 * One session under test and all that it is given: seeded randomness, virtual time, memory and
 * cells that are counted and can be made to fail, keys, and somebody who answers its events.
 */
#ifndef CULVERT_TESTS_SUPPORT_END_H
#define CULVERT_TESTS_SUPPORT_END_H

#include "crypto/sign.h"
#include "proto/keytext.h"
#include "proto/session.h"
#include "tests/support/bytes.h"

enum { END_EVENT_KINDS = SESSION_EV_FAILED + 1 };

struct end;

/* Sees each event first; true: it was answered, otherwise end's own answer follows. */
typedef bool (*end_hook)(struct end *end, const struct session_event *event);

/* What was taken and not given back, and when taking fails. */
struct end_home {
    uint32_t cells;
    uint32_t blocks;
    uint64_t takes;
    /* this take fails (counted from 1; 0: none), and all behind it too */
    uint64_t fail_at;
    bool fail_on;
    uint64_t failures;
};

struct end {
    struct session_config config;
    struct session *session;
    struct entropy_seeded seeded;
    struct end_home home;
    int64_t now;

    end_hook hook;
    void *ctx;

    /* the keys that our own answers use; user_key is also whom a server lets in */
    struct sign_key host_key, user_key;
    uint8_t host_blob[KEYTEXT_ED25519_BLOB_LEN];
    uint8_t user_blob[KEYTEXT_ED25519_BLOB_LEN];
    /* client: offer the key without asking first */
    bool no_probe;
    uint32_t offers;

    /* delivered and not consumed */
    struct bytes rest;
    /* one line for each event; data with what it was */
    bool tell;
    struct bytes story;

    /* what happened so far */
    uint32_t seen[END_EVENT_KINDS];
    enum err failed;
    char fault[2 * LIMIT_TEXT + 1];
    char last_text[LIMIT_HOST + 1];
    struct session_event last[END_EVENT_KINDS];
    uint64_t data_in;
    uint32_t channel;
};

/* Defaults for the role; the configuration may be changed until end_start. */
void end_make(struct end *end, enum session_role role, uint64_t seed);
void end_start(struct end *end);
/* Frees the session; what it held must be home then. */
void end_free(struct end *end);

/* The session gets the bytes (NULL, 0: only the rest again) and its events are answered. */
void end_feed(struct end *end, const void *bytes, size_t len);
/* Answers the events that wait. */
void end_events(struct end *end);
/* Moves up to max bytes of output behind to; how many. */
size_t end_output(struct end *end, struct bytes *to, size_t max);
/* Time goes on to now; the session is ticked when it asked for that. */
void end_time(struct end *end, int64_t now);

/* A cell of the end's own source with len bytes of the pattern that starts at offset. */
struct cell *end_cell(struct end *end, uint64_t offset, size_t len);
/* Writes what the budget and the largest packet allow of len bytes; how much. */
size_t end_write(struct end *end, uint32_t channel, uint64_t offset, size_t len);
uint8_t end_pattern(uint64_t offset);

/* The answer that comes when no hook gave one. */
void end_answer(struct end *end, const struct session_event *event);
/* Signs as ssh-ed25519 in SSH form. */
void end_sign(const struct sign_key *key, const void *bytes, size_t len,
              uint8_t ret_signature[KEYTEXT_ED25519_SIGNATURE_LEN]);

#endif
