/*
 * Published vectors are hexadecimal text: how tests read and compare them.
 */
#ifndef CULVERT_TESTS_UNIT_VECTOR_H
#define CULVERT_TESTS_UNIT_VECTOR_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/encode.h"

/* Exactly len bytes from 2 * len hexadecimal digits. */
static inline void vector_read(const char *hex, uint8_t *ret_bytes, size_t len)
{
    cr_assert_eq(strlen(hex), 2 * len, "the vector has another length: %s", hex);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        char *end;
        ret_bytes[i] = (uint8_t)strtoul(digits, &end, 16);
        cr_assert(*end == '\0', "no hexadecimal: %s", hex);
    }
}

static inline void vector_expect(const uint8_t *bytes, size_t len, const char *hex)
{
    char *text = (char *)malloc(2 * len + 1);
    cr_assert(text != NULL);
    encode_hex(bytes, len, text);
    cr_assert_str_eq(text, hex);
    free(text);
}

#endif
