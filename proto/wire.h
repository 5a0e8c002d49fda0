/*
 * Cursors over SSH's data types (RFC 4251 section 5), with a sticky error: read or write all fields
 * of a message in its own order, then ask once whether that went well. After a failure reads give
 * zeros and empty strings, writes do nothing.
 */
#ifndef CULVERT_PROTO_WIRE_H
#define CULVERT_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that live elsewhere. */
struct slice {
    const uint8_t *bytes;
    size_t len;
};

struct wire_in {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct wire_in wire_in_make(const void *bytes, size_t len);
uint8_t wire_get_u8(struct wire_in *in);
bool wire_get_bool(struct wire_in *in);
uint32_t wire_get_u32(struct wire_in *in);
uint64_t wire_get_u64(struct wire_in *in);
/* The string's bytes, lent from the input; longer than max fails. */
struct slice wire_get_string(struct wire_in *in, size_t max);
/* A string that must be exactly len bytes; NULL on failure. */
const uint8_t *wire_get_exact(struct wire_in *in, size_t len);
/* Copies a string as C text: fails when it has a NUL or more than size - 1 bytes. */
void wire_get_text(struct wire_in *in, char *ret_text, size_t size);
/* A name-list: commas, printable US-ASCII, no empty names (but a comma behind the
 * last one is borne), at most LIMIT_NAMES names. */
struct slice wire_get_names(struct wire_in *in);
/* len raw bytes without a length in front; NULL on failure. */
const uint8_t *wire_get_raw(struct wire_in *in, size_t len);
size_t wire_left(const struct wire_in *in);
/* All was there and nothing is left over. */
bool wire_in_done(const struct wire_in *in);

struct wire_out {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

struct wire_out wire_out_make(void *bytes, size_t size);
void wire_put_u8(struct wire_out *out, uint8_t value);
void wire_put_bool(struct wire_out *out, bool value);
void wire_put_u32(struct wire_out *out, uint32_t value);
void wire_put_u64(struct wire_out *out, uint64_t value);
void wire_put_raw(struct wire_out *out, const void *bytes, size_t len);
void wire_put_string(struct wire_out *out, const void *bytes, size_t len);
void wire_put_text(struct wire_out *out, const char *text);
/* The unsigned big-endian number bytes[0..len) as mpint: leading zeros dropped, sign byte added. */
void wire_put_mpint(struct wire_out *out, const uint8_t *bytes, size_t len);
/* Bytes written so far; 0 after a failure. */
size_t wire_out_len(const struct wire_out *out);

/* True when the slice and the text are the same bytes. */
bool slice_is(struct slice slice, const char *text);
/* The next name of a comma list, advancing it; len 0 at the end. */
struct slice names_next(struct slice *names);
bool names_have(struct slice names, struct slice name);

#endif
