/*
 * Sentences built without stdio: appended piece by piece into a fixed buffer, cut at its end,
 * always NUL-terminated.
 */
#ifndef CULVERT_PROTO_TEXT_H
#define CULVERT_PROTO_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *start;
    size_t len;
    size_t size;
};

/* size counts the NUL and is at least 1. */
static inline struct text text_make(char *buf, size_t size)
{
    buf[0] = '\0';
    return (struct text){.start = buf, .len = 0, .size = size};
}

static inline void text_add_bytes(struct text *text, const void *bytes, size_t len)
{
    size_t room = text->size - 1 - text->len;
    size_t n = len < room ? len : room;
    memcpy(text->start + text->len, bytes, n);
    text->len += n;
    text->start[text->len] = '\0';
}

static inline void text_add(struct text *text, const char *words)
{
    text_add_bytes(text, words, strlen(words));
}

static inline void text_add_u32(struct text *text, uint32_t value)
{
    char digits[10];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text_add_bytes(text, digits + at, sizeof digits - at);
}

#endif
