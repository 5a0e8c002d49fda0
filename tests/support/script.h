/*
 * Fuzz bytes as a script: a reader of choices.
 */
#ifndef CULVERT_TESTS_SUPPORT_SCRIPT_H
#define CULVERT_TESTS_SUPPORT_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

struct script {
    const uint8_t *at;
    size_t left;
};

/* Zeros when nothing is left. */
static inline uint8_t script_u8(struct script *script)
{
    if (script->left == 0) {
        return 0;
    }
    script->left--;
    return *script->at++;
}

static inline uint32_t script_u32(struct script *script)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value = value << 8 | script_u8(script);
    }
    return value;
}

/* A number that is often small and sometimes at an edge. */
static inline uint32_t script_number(struct script *script)
{
    static const uint32_t edges[] = {
        0x7fffffff,         0x80000000, 0xffffffff, LIMIT_CHANNEL_DATA, LIMIT_CHANNEL_DATA + 1,
        LIMIT_WINDOW_START, 65535,      65536};
    uint8_t choice = script_u8(script);
    if (choice < 200) {
        return choice % 100;
    }
    if (choice < 240) {
        return edges[choice % 8];
    }
    return script_u32(script);
}

/* Up to len bytes, lent; how many there are. */
static inline const uint8_t *script_bytes(struct script *script, size_t len, size_t *ret_len)
{
    const uint8_t *at = script->at;
    *ret_len = len < script->left ? len : script->left;
    script->at += *ret_len;
    script->left -= *ret_len;
    return at;
}

#endif
