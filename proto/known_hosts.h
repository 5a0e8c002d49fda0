/*
 * known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which keys belong to which host.
 *
 * A host is looked up by its name in lower case, or "[name]:port" when the port isn't 22.
 */
#ifndef CULVERT_PROTO_KNOWN_HOSTS_H
#define CULVERT_PROTO_KNOWN_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/encode.h"
#include "crypto/entropy.h"
#include "proto/keytext.h"
#include "proto/limits.h"
#include "proto/wire.h"

enum {
    KNOWN_HOSTS_PORT = 22,
    /* "[", name, "]:65535" and NUL */
    KNOWN_HOSTS_NAME_SIZE = LIMIT_HOST + 9,
    /* name or hash, blank, key line, line end and NUL */
    KNOWN_HOSTS_LINE_SIZE = KNOWN_HOSTS_NAME_SIZE + 1 + KEYTEXT_LINE_SIZE + 1,
};

enum known_hosts_kind {
    KNOWN_HOSTS_NOTHING, /* blank, or a comment */
    KNOWN_HOSTS_KEY,
    KNOWN_HOSTS_REVOKED,   /* @revoked */
    KNOWN_HOSTS_AUTHORITY, /* @cert-authority; we know no certificates */
    KNOWN_HOSTS_BAD,       /* damaged, of SSH 1, or an unknown marker */
};

struct known_hosts_line {
    enum known_hosts_kind kind;
    /* the list of patterns, or one "|1|salt|hash"; lent */
    struct slice hosts;
    struct keytext key;
};

/* A line without its line end. For all kinds but KEY, REVOKED and AUTHORITY only kind is set. */
void known_hosts_parse(struct slice line, struct known_hosts_line *ret_line);

/* The name that lines are matched against. False: the name is empty or too long. */
__attribute__((warn_unused_result)) bool known_hosts_name(const char *host, uint16_t port,
                                                          char ret_name[KNOWN_HOSTS_NAME_SIZE]);

/* Does the hosts field of a line name this host (as known_hosts_name writes it)? */
bool known_hosts_match(struct slice hosts, const char *name);

/*
 * In the order of weight: of several files, the largest counts. Only FOUND lets in by itself, and
 * only NEW may be learned: with CHANGED and OTHER_TYPE the host is known, and who shows another key
 * may be somebody else.
 */
enum known_hosts_result {
    KNOWN_HOSTS_NEW,
    KNOWN_HOSTS_OTHER_TYPE, /* the host has keys, but of other types */
    KNOWN_HOSTS_CHANGED,    /* the host has another key of this type */
    KNOWN_HOSTS_FOUND,
    KNOWN_HOSTS_IS_REVOKED, /* this very key is marked @revoked for this host */
};

struct known_hosts_verdict {
    enum known_hosts_result result;
    /* the line that says so, from 1; 0 for NEW */
    unsigned line;
    /* OTHER_TYPE and CHANGED: the type on that line, lent from the file */
    struct slice type;
};

/* What the text of one file says of the key (in SSH form) of name. */
struct known_hosts_verdict known_hosts_judge(struct slice file, const char *name, struct slice key);

/* Calls visit for every KEY line of name: its number and type. For the order in which host key
 * algorithms are offered, and to say what is known. */
void known_hosts_each(struct slice file, const char *name,
                      void (*visit)(void *ctx, unsigned line, const struct keytext *key),
                      void *ctx);

/*
 * A line to append, with its line end and a NUL; its length. With salt_source the name is hashed.
 * 0: the key is no key, or the name holds a byte that would make it a pattern, a list or two lines.
 */
size_t known_hosts_format(const char *name, struct slice key, const struct entropy *salt_source,
                          char ret_line[KNOWN_HOSTS_LINE_SIZE]);

#endif
