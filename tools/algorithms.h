/*
 * Algorithm lists as users write them: names we have, names that only OpenSSH has, and the
 * modifiers `+` (add), `-` (take away, wildcards allowed) and `^` (move to the front).
 */
#ifndef CULVERT_TOOLS_ALGORITHMS_H
#define CULVERT_TOOLS_ALGORITHMS_H

#include <stdbool.h>
#include <stddef.h>

enum algorithms_kind {
    ALGORITHMS_CIPHER,
    ALGORITHMS_MAC,
    ALGORITHMS_KEX,
    ALGORITHMS_HOSTKEY, /* what a server's key may be */
    ALGORITHMS_PUBKEY,  /* what a user's key may be */
};

enum { ALGORITHMS_LIST_MAX = 2048 };

/* Our own names in order of preference, as a comma list. */
void algorithms_default(enum algorithms_kind kind, char ret_list[ALGORITHMS_LIST_MAX]);

/*
 * The list that spec asks for. Names that OpenSSH knows and we lack are dropped, so that one
 * configuration serves both. False with one sentence in ret_why when a name is unknown to both, or
 * when nothing is left.
 */
__attribute__((warn_unused_result)) bool algorithms_select(enum algorithms_kind kind,
                                                           const char *spec,
                                                           char ret_list[ALGORITHMS_LIST_MAX],
                                                           char *ret_why, size_t why_len);

/* True when the name matches the pattern list; case does not count. */
bool algorithms_match(const char *patterns, const char *name, size_t name_len);

#endif
