/*
 * SSH's data types, read and written through cursors with a sticky error.
 */
#include "proto/wire.h"

#include <assert.h>
#include <string.h>

#include "proto/limits.h"

/* What empty slices point to, so that nobody ever does arithmetic on NULL. */
static const uint8_t nothing[1];

static const struct slice empty = {nothing, 0};

struct wire_in wire_in_make(const void *bytes, size_t len)
{
    const uint8_t *at = len == 0 ? nothing : bytes;

    return (struct wire_in){.at = at, .end = at + len};
}

size_t wire_left(const struct wire_in *in)
{
    return in->failed ? 0 : (size_t)(in->end - in->at);
}

bool wire_in_done(const struct wire_in *in)
{
    return !in->failed && in->at == in->end;
}

const uint8_t *wire_get_raw(struct wire_in *in, size_t len)
{
    const uint8_t *at = in->at;

    if (in->failed || len > (size_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    in->at += len;
    return at;
}

uint8_t wire_get_u8(struct wire_in *in)
{
    const uint8_t *at = wire_get_raw(in, 1);

    return at ? at[0] : 0;
}

bool wire_get_bool(struct wire_in *in)
{
    /* RFC 4251 5: every value but 0 is true */
    return wire_get_u8(in) != 0;
}

uint32_t wire_get_u32(struct wire_in *in)
{
    const uint8_t *at = wire_get_raw(in, 4);

    if (!at) {
        return 0;
    }
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t wire_get_u64(struct wire_in *in)
{
    const uint8_t *at = wire_get_raw(in, 8);
    uint64_t value = 0;

    for (size_t i = 0; at && i < 8; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

struct slice wire_get_string(struct wire_in *in, size_t max)
{
    uint32_t len = wire_get_u32(in);
    const uint8_t *at;

    if (len > max) {
        in->failed = true;
    }
    at = wire_get_raw(in, len);
    return at ? (struct slice){at, len} : empty;
}

const uint8_t *wire_get_exact(struct wire_in *in, size_t len)
{
    if (wire_get_u32(in) != len) {
        in->failed = true;
    }
    return wire_get_raw(in, len);
}

void wire_get_text(struct wire_in *in, char *ret_text, size_t size)
{
    struct slice text;

    assert(size > 0);
    text = wire_get_string(in, size - 1);
    if (memchr(text.bytes, 0, text.len)) {
        in->failed = true;
        text = empty;
    }
    memcpy(ret_text, text.bytes, text.len);
    ret_text[text.len] = 0;
}

/* Can this be a name-list: what its bytes may be and how many names, how long. */
static bool names_legal(struct slice list)
{
    size_t count = 1;
    size_t len = 0;

    for (size_t i = 0; i < list.len; i++) {
        uint8_t c = list.bytes[i];

        if (c == ',') {
            if (len == 0 || ++count > LIMIT_NAMES) {
                return false;
            }
            len = 0;
        } else if (c <= ' ' || c >= 0x7f || ++len > LIMIT_NAME) {
            return false;
        }
    }
    /* a comma behind the last name is an error that libssh 0.10 makes in each of its KEXINITs */
    return true;
}

struct slice wire_get_names(struct wire_in *in)
{
    struct slice list = wire_get_string(in, SIZE_MAX);

    if (!names_legal(list)) {
        in->failed = true;
        return empty;
    }
    return list;
}

struct wire_out wire_out_make(void *bytes, size_t size)
{
    uint8_t *start = bytes;

    return (struct wire_out){.start = start, .at = start, .end = size == 0 ? start : start + size};
}

void wire_put_raw(struct wire_out *out, const void *bytes, size_t len)
{
    if (out->failed || len > (size_t)(out->end - out->at)) {
        out->failed = true;
        return;
    }
    if (len == 0) {
        return;
    }
    memcpy(out->at, bytes, len);
    out->at += len;
}

void wire_put_u8(struct wire_out *out, uint8_t value)
{
    wire_put_raw(out, &value, 1);
}

void wire_put_bool(struct wire_out *out, bool value)
{
    wire_put_u8(out, value ? 1 : 0);
}

void wire_put_u32(struct wire_out *out, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                        (uint8_t)value};

    wire_put_raw(out, bytes, sizeof(bytes));
}

void wire_put_u64(struct wire_out *out, uint64_t value)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    }
    wire_put_raw(out, bytes, sizeof(bytes));
}

void wire_put_string(struct wire_out *out, const void *bytes, size_t len)
{
    if (len > UINT32_MAX) {
        out->failed = true;
        return;
    }
    wire_put_u32(out, (uint32_t)len);
    wire_put_raw(out, bytes, len);
}

void wire_put_text(struct wire_out *out, const char *text)
{
    wire_put_string(out, text, strlen(text));
}

void wire_put_mpint(struct wire_out *out, const uint8_t *bytes, size_t len)
{
    while (len > 0 && bytes[0] == 0) {
        bytes++;
        len--;
    }
    if (len > 0 && (bytes[0] & 0x80)) {
        if (len >= UINT32_MAX) {
            out->failed = true;
            return;
        }
        wire_put_u32(out, (uint32_t)len + 1);
        wire_put_u8(out, 0);
        wire_put_raw(out, bytes, len);
        return;
    }
    wire_put_string(out, bytes, len);
}

size_t wire_out_len(const struct wire_out *out)
{
    return out->failed ? 0 : (size_t)(out->at - out->start);
}

bool slice_is(struct slice slice, const char *text)
{
    size_t len = strlen(text);

    return slice.len == len && (len == 0 || memcmp(slice.bytes, text, len) == 0);
}

struct slice names_next(struct slice *names)
{
    struct slice name = *names;
    const uint8_t *comma;

    if (names->len == 0) {
        return empty;
    }
    comma = memchr(names->bytes, ',', names->len);
    if (comma) {
        name.len = (size_t)(comma - names->bytes);
        names->len -= name.len + 1;
        names->bytes = comma + 1;
    } else {
        *names = empty;
    }
    return name;
}

bool names_have(struct slice names, struct slice name)
{
    while (names.len > 0) {
        struct slice next = names_next(&names);

        if (next.len == name.len && name.len > 0 && memcmp(next.bytes, name.bytes, name.len) == 0) {
            return true;
        }
    }
    return false;
}
