/*
 * proto/wire: every field type, both ways, at its bounds, and cut off at every byte.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/wire.h"

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* One of everything, as the tests below read it back. */
static size_t write_all(uint8_t *bytes, size_t size)
{
    struct wire_out out = wire_out_make(bytes, size);
    const uint8_t number[] = {0, 0, 0x80, 1};

    wire_put_u8(&out, 0xfe);
    wire_put_bool(&out, true);
    wire_put_u32(&out, 0x01020304);
    wire_put_u64(&out, 0x0102030405060708);
    wire_put_string(&out, "a\0b", 3);
    wire_put_text(&out, "name");
    wire_put_text(&out, "one,two");
    wire_put_string(&out, "12345", 5);
    wire_put_raw(&out, "raw", 3);
    wire_put_mpint(&out, number, sizeof(number));
    return wire_out_len(&out);
}

static bool read_all(const uint8_t *bytes, size_t len)
{
    struct wire_in in = wire_in_make(bytes, len);
    char text[8];
    bool good = true;

    good &= wire_get_u8(&in) == 0xfe;
    good &= wire_get_bool(&in);
    good &= wire_get_u32(&in) == 0x01020304;
    good &= wire_get_u64(&in) == 0x0102030405060708;
    good &= wire_get_string(&in, 3).len == 3;
    wire_get_text(&in, text, sizeof(text));
    good &= strcmp(text, "name") == 0;
    good &= slice_is(wire_get_names(&in), "one,two");
    good &= wire_get_exact(&in, 5) != NULL;
    good &= wire_get_raw(&in, 3) != NULL;
    good &= slice_is(wire_get_string(&in, 3), "") == false;
    cr_assert_eq(good, wire_in_done(&in));
    return good;
}

Test(wire, round_trip_and_every_truncation)
{
    uint8_t bytes[128];
    size_t len = write_all(bytes, sizeof(bytes));

    cr_assert_gt(len, 0);
    cr_assert(read_all(bytes, len));
    for (size_t cut = 0; cut < len; cut++) {
        /* a block of exactly that size, so that a sanitizer sees a read behind it */
        uint8_t *copy = malloc(cut + 1);

        memcpy(copy + 1, bytes, cut);
        cr_assert_not(read_all(copy + 1, cut), "cut at %zu", cut);
        free(copy);
    }
    for (size_t size = 0; size < len; size++) {
        cr_assert_eq(write_all(bytes, size), 0, "room for %zu", size);
    }
    cr_assert_eq(write_all(bytes, len), len);
}

Test(wire, failure_sticks_and_reads_give_nothing)
{
    const uint8_t bytes[] = {0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8};
    struct wire_in in = wire_in_make(bytes, sizeof(bytes));
    char text[4] = "old";

    cr_assert_eq(wire_get_string(&in, 100).len, 0);
    cr_assert(in.failed);
    cr_assert_eq(wire_left(&in), 0);
    cr_assert_eq(wire_get_u8(&in), 0);
    cr_assert_eq(wire_get_u32(&in), 0);
    cr_assert_eq(wire_get_u64(&in), 0);
    cr_assert_not(wire_get_bool(&in));
    cr_assert_null(wire_get_raw(&in, 0));
    cr_assert_null(wire_get_exact(&in, 0));
    cr_assert_eq(wire_get_names(&in).len, 0);
    wire_get_text(&in, text, sizeof(text));
    cr_assert_str_eq(text, "");
    cr_assert_not(wire_in_done(&in));
}

Test(wire, empty_input)
{
    struct wire_in in = wire_in_make(NULL, 0);

    cr_assert(wire_in_done(&in));
    cr_assert_not_null(wire_get_raw(&in, 0));
    cr_assert_eq(wire_get_u8(&in), 0);
    cr_assert_not(wire_in_done(&in));
}

Test(wire, leftover_is_not_done)
{
    const uint8_t bytes[] = {1, 2};
    struct wire_in in = wire_in_make(bytes, sizeof(bytes));

    cr_assert_eq(wire_get_u8(&in), 1);
    cr_assert_eq(wire_left(&in), 1);
    cr_assert_not(wire_in_done(&in));
    cr_assert_eq(wire_get_u8(&in), 2);
    cr_assert(wire_in_done(&in));
}

Test(wire, string_bounds)
{
    const uint8_t bytes[] = {0, 0, 0, 3, 'a', 'b', 'c'};
    const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    struct wire_in in = wire_in_make(bytes, sizeof(bytes));

    cr_assert(slice_is(wire_get_string(&in, 3), "abc"));
    in = wire_in_make(bytes, sizeof(bytes));
    cr_assert_eq(wire_get_string(&in, 2).len, 0);
    cr_assert(in.failed);
    in = wire_in_make(bytes, sizeof(bytes));
    cr_assert_null(wire_get_exact(&in, 2));
    in = wire_in_make(bytes, sizeof(bytes));
    cr_assert_null(wire_get_exact(&in, 4));
    in = wire_in_make(huge, sizeof(huge));
    cr_assert_eq(wire_get_string(&in, SIZE_MAX).len, 0);
    cr_assert(in.failed);
}

Test(wire, text_refuses_nul_and_length)
{
    const uint8_t with_nul[] = {0, 0, 0, 3, 'a', 0, 'c'};
    const uint8_t plain[] = {0, 0, 0, 3, 'a', 'b', 'c'};
    char text[4];
    struct wire_in in = wire_in_make(with_nul, sizeof(with_nul));

    wire_get_text(&in, text, sizeof(text));
    cr_assert(in.failed);
    cr_assert_str_eq(text, "");
    in = wire_in_make(plain, sizeof(plain));
    wire_get_text(&in, text, 4);
    cr_assert_str_eq(text, "abc");
    cr_assert(wire_in_done(&in));
    in = wire_in_make(plain, sizeof(plain));
    wire_get_text(&in, text, 3);
    cr_assert(in.failed);
    cr_assert_str_eq(text, "");
}

static bool names_accepted(const void *list, size_t len)
{
    static uint8_t bytes[1 << 18];
    struct wire_out out = wire_out_make(bytes, sizeof(bytes));
    struct wire_in in;

    wire_put_string(&out, list, len);
    in = wire_in_make(bytes, wire_out_len(&out));
    wire_get_names(&in);
    return wire_in_done(&in);
}

Test(wire, names_grammar)
{
    char many[3 * LIMIT_NAMES + 3];
    char name[LIMIT_NAME + 2];

    cr_assert(names_accepted("", 0));
    cr_assert(names_accepted("a", 1));
    cr_assert(names_accepted("a,b", 3));
    cr_assert(names_accepted("~!", 2));
    cr_assert_not(names_accepted(",", 1));
    cr_assert(names_accepted("a,", 2));
    cr_assert_not(names_accepted(",a", 2));
    cr_assert_not(names_accepted("a,,b", 4));
    cr_assert_not(names_accepted("a b", 3));
    cr_assert_not(names_accepted("a\0b", 3));
    cr_assert_not(names_accepted("a\x7f", 2));
    cr_assert_not(names_accepted("a\xc3", 2));
    for (size_t i = 0; i <= LIMIT_NAMES; i++) {
        memcpy(many + 3 * i, "ab,", 3);
    }
    cr_assert(names_accepted(many, 3 * LIMIT_NAMES - 1));
    cr_assert_not(names_accepted(many, 3 * (LIMIT_NAMES + 1) - 1));
    memset(name, 'n', sizeof(name));
    cr_assert(names_accepted(name, LIMIT_NAME));
    cr_assert_not(names_accepted(name, LIMIT_NAME + 1));
}

Test(wire, names_walk)
{
    struct slice list = text_slice("one,two,three");
    struct slice rest = list;

    cr_assert(slice_is(names_next(&rest), "one"));
    cr_assert(slice_is(names_next(&rest), "two"));
    cr_assert(slice_is(names_next(&rest), "three"));
    cr_assert_eq(names_next(&rest).len, 0);
    cr_assert_eq(names_next(&rest).len, 0);
    cr_assert(names_have(list, text_slice("one")));
    cr_assert(names_have(list, text_slice("three")));
    cr_assert_not(names_have(list, text_slice("thre")));
    cr_assert_not(names_have(list, text_slice("three2")));
    cr_assert_not(names_have(list, text_slice("one,two")));
    cr_assert_not(names_have(list, text_slice("")));
    cr_assert_not(names_have(text_slice(""), text_slice("one")));
}

static void check_mpint(const char *number, size_t number_len, const char *want, size_t want_len)
{
    uint8_t bytes[32];
    struct wire_out out = wire_out_make(bytes, sizeof(bytes));

    wire_put_mpint(&out, (const uint8_t *)number, number_len);
    cr_assert_eq(wire_out_len(&out), want_len);
    cr_assert_arr_eq(bytes, want, want_len);
}

/* The non-negative examples of RFC 4251 section 5, and leading zeros. */
Test(wire, mpint)
{
    check_mpint("", 0, "\0\0\0\0", 4);
    check_mpint("\0\0", 2, "\0\0\0\0", 4);
    check_mpint("\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", 8, "\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7",
                12);
    check_mpint("\x80", 1, "\0\0\0\x02\0\x80", 6);
    check_mpint("\0\x80", 2, "\0\0\0\x02\0\x80", 6);
    check_mpint("\0\0\x7f", 3, "\0\0\0\x01\x7f", 5);
}

Test(wire, out_failure_sticks)
{
    uint8_t bytes[6];
    struct wire_out out = wire_out_make(bytes, sizeof(bytes));

    wire_put_u32(&out, 1);
    cr_assert_eq(wire_out_len(&out), 4);
    wire_put_u32(&out, 1);
    cr_assert(out.failed);
    wire_put_u8(&out, 1);
    cr_assert_eq(wire_out_len(&out), 0);
    out = wire_out_make(NULL, 0);
    cr_assert_eq(wire_out_len(&out), 0);
    cr_assert_not(out.failed);
    wire_put_u8(&out, 1);
    cr_assert(out.failed);
}

Test(wire, slice_is)
{
    cr_assert(slice_is(text_slice("abc"), "abc"));
    cr_assert_not(slice_is(text_slice("abc"), "abcd"));
    cr_assert_not(slice_is(text_slice("abc"), "ab"));
    cr_assert(slice_is((struct slice){NULL, 0}, ""));
}
