/*
 * OpenSSH's patterns (ssh_config(5), PATTERNS): '*' is any run of bytes, '?' one byte; lists of
 * patterns between commas, where "!pattern" takes away what others give; lists of addresses.
 */
#ifndef CULVERT_PROTO_PATTERN_H
#define CULVERT_PROTO_PATTERN_H

#include <stdbool.h>

#include "proto/wire.h"

/* Case counts; lower both sides first where it must not. */
bool pattern_match(struct slice text, struct slice pattern);

enum pattern_verdict {
    PATTERN_NO,
    PATTERN_YES,
    /* a negated pattern matched: no, whatever else the list says */
    PATTERN_DENIED,
    /* the list or the address can't be understood: treat as no */
    PATTERN_BAD,
};

/* Never PATTERN_BAD. ignore_case folds A-Z on both sides, for host names. */
enum pattern_verdict pattern_match_list(struct slice text, struct slice list, bool ignore_case);

/*
 * An address in text form against a list of addresses, networks (address/bits) and wildcard
 * patterns, as in from="...". A v4-mapped address is its v4 address, on both sides. A network with
 * bits set behind its mask, an impossible mask and an empty element make the list bad. Names are
 * not looked up: a name in the list matches nothing.
 */
enum pattern_verdict pattern_match_address(const char *address, struct slice list);

#endif
