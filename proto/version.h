/*
 * Identification lines (RFC 4253 section 4.2): read the peer's, byte by byte if need be, within a
 * bound and without keeping more than one line.
 */
#ifndef CULVERT_PROTO_VERSION_H
#define CULVERT_PROTO_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/limits.h"

struct version_in {
    /* a server may send other lines first; a client may not */
    bool lines_before_allowed;
    bool done;
    uint32_t lines_before;
    /* bytes of the current line, also those beyond what is kept */
    uint32_t line_len;
    /* the line without CR LF, as it enters the exchange hash; NUL-terminated */
    char line[LIMIT_VERSION_LINE + 1];
    /* the first line that was none, cut; it tells what else the peer is */
    char stray[LIMIT_VERSION_LINE + 1];
};

/*
 * Takes bytes until the identification line is complete (done) or all are used. *ret_used says how
 * many; what follows the line belongs to the first packet.
 */
enum err version_feed(struct version_in *in, const uint8_t *bytes, size_t len, size_t *ret_used);

#endif
