/*
 * authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT): may this key log in, and what does its
 * line allow?
 *
 * A line that can't be understood to its end admits nobody: an option that is unknown, or that
 * promises something we can't keep (command=, environment=, permitlisten=, principals= ...), a
 * damaged value, a line longer than AUTHORIZED_KEYS_LINE_MAX (its tail is no line of its own).
 */
#ifndef CULVERT_PROTO_AUTHORIZED_KEYS_H
#define CULVERT_PROTO_AUTHORIZED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

/* OpenSSH reads lines up to 8 KiB */
enum { AUTHORIZED_KEYS_LINE_MAX = 8192 };

/* ---- options ------------------------------------------------------------------------------- */

enum authorized_keys_option_kind {
    AUTHORIZED_KEYS_RESTRICT,
    AUTHORIZED_KEYS_PORT_FORWARDING,
    AUTHORIZED_KEYS_NO_PORT_FORWARDING,
    AUTHORIZED_KEYS_PERMITOPEN,
    AUTHORIZED_KEYS_FROM,
    AUTHORIZED_KEYS_EXPIRY_TIME,
    /* pty, no-X11-forwarding ...: about things that we never do */
    AUTHORIZED_KEYS_HARMLESS,
};

struct authorized_keys_option {
    enum authorized_keys_option_kind kind;
    /* what stands between the quotes, lent and as written; len 0 for options without a value */
    struct slice value;
};

enum authorized_keys_step {
    AUTHORIZED_KEYS_STEP_OPTION,
    AUTHORIZED_KEYS_STEP_END,
    AUTHORIZED_KEYS_STEP_BAD,
};

/*
 * The next option of an options text, advancing it. Values of permitopen and expiry-time have been
 * checked. On BAD *ret_why is a static phrase.
 */
enum authorized_keys_step authorized_keys_next(struct slice *options,
                                               struct authorized_keys_option *ret_option,
                                               const char **ret_why);

/*
 * A rule "host:port", "[v6]:port", "*" for either. False on anything else; host is lent without its
 * brackets. Ports are decimal, 1 to 65535; *ret_port 0 and ret_host "*" mean any.
 */
__attribute__((warn_unused_result)) bool authorized_keys_rule(struct slice rule,
                                                              struct slice *ret_host,
                                                              uint16_t *ret_port);

/* ---- a whole file -------------------------------------------------------------------------- */

/*
 * Now, as the decimal number YYYYMMDDhhmmss, on the clocks of UTC and of this machine: expiry-time
 * is local time unless it ends in Z, and comparing the digits needs no calendar.
 */
struct authorized_keys_now {
    uint64_t utc;
    uint64_t local;
};

struct authorized_keys_query {
    /* public key in SSH form */
    struct slice key;
    /* the peer's address in text form, for from= */
    const char *address;
    struct authorized_keys_now now;
};

struct authorized_keys_answer {
    bool admitted;
    /* of the line that admits the key: its options text, lent from the file, and its number */
    struct slice options;
    unsigned line;
};

/*
 * Told about every line that admits nobody or not this peer; same_key: it holds the key in
 * question. why is a static phrase that goes on after "line N".
 */
struct authorized_keys_report {
    void (*refused)(void *ctx, unsigned line, bool same_key, const char *why);
    void *ctx;
};

/* The first line that admits the key decides. report may be NULL. */
struct authorized_keys_answer authorized_keys_find(struct slice file,
                                                   const struct authorized_keys_query *query,
                                                   const struct authorized_keys_report *report);

#endif
