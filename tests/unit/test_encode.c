/*
 * Base64 both ways and hex: RFC 4648's vectors, and everything a decoder must not swallow.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto/provider.h"

static void start(void)
{
    cr_assert(provider_start());
}

TestSuite(encode, .init = start);

struct base64_vector {
    const char *clear;
    const char *padded;
    const char *bare;
};

static const struct base64_vector vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
};

Test(encode, base64_rfc_4648)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct base64_vector *vector = &vectors[i];
        char text[ENCODE_BASE64_LEN(6)];
        char back[6];
        size_t len;
        encode_base64(vector->clear, strlen(vector->clear), true, text);
        cr_assert_str_eq(text, vector->padded);
        encode_base64(vector->clear, strlen(vector->clear), false, text);
        cr_assert_str_eq(text, vector->bare);
        cr_assert(
            encode_base64_decode(vector->padded, strlen(vector->padded), back, sizeof(back), &len));
        cr_assert_eq(len, strlen(vector->clear));
        cr_assert_eq(memcmp(back, vector->clear, len), 0);
    }
}

Test(encode, base64_there_and_back)
{
    uint8_t bytes[260];
    uint8_t back[sizeof(bytes)];
    char text[ENCODE_BASE64_LEN(sizeof(bytes))];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 167 + 13);
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        size_t back_len;
        encode_base64(bytes, len, true, text);
        cr_assert_eq(strlen(text) + 1, ENCODE_BASE64_LEN(len));
        cr_assert(encode_base64_decode(text, strlen(text), back, len, &back_len));
        cr_assert_eq(back_len, len);
        cr_assert_eq(memcmp(back, bytes, len), 0);
    }
}

static bool decodes(const char *text, size_t text_len)
{
    char bytes[64];
    size_t len = 99;
    bool ok = encode_base64_decode(text, text_len, bytes, sizeof(bytes), &len);
    cr_assert(ok || len == 0, "a failure leaves no length");
    return ok;
}

Test(encode, base64_skips_blanks_and_line_ends_only)
{
    static const char text[] = " Zm9v\r\n\tYm\nFy \n";
    char bytes[6];
    size_t len;
    cr_assert(encode_base64_decode(text, strlen(text), bytes, sizeof(bytes), &len));
    cr_assert_eq(len, 6);
    cr_assert_arr_eq(bytes, "foobar", 6);
    cr_assert(decodes("Zg=\n=\n", 6));
    cr_assert(decodes("Zm9v\n", 5));
}

Test(encode, base64_refuses_every_foreign_character)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int c = 0; c < 256; c++) {
        bool digit = c != 0 && strchr(alphabet, c) != NULL;
        for (size_t at = 0; at < 8; at++) {
            char text[9] = "Zm9vYmFy";
            text[at] = (char)c;
            /* a blank is skipped: 7 digits are left, no whole number of bytes; "F=" would leave a
             * bit over */
            cr_assert_eq(decodes(text, 8), digit, "%d at %zu", c, at);
        }
    }
}

Test(encode, base64_refuses_bad_padding)
{
    static const char *const texts[] = {
        "=",     "==",       "===",      "====",     "Z",         "Zg",   "Zg=",   "Zm8",
        "Zg===", "Z===",     "A",        "A===",     "AAAAA===",  "Z=g=", "Zg=g",  "Zm9v=",
        "Zm8==", "Zg==Zg==", "Zm8=Zg==", "Zm9vYmE",  "Zm9vYg=",   "=Zg=", "Zg==A", "Zm8=A",
        "Z g",   "Zg= ",     "Zm9vZ",    "Zm9v====", "Zm9v\nZg=",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_not(decodes(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}

/* "Zg==" is the only way to write one byte 'f': the 4 bits that are left over must be zero. */
Test(encode, base64_refuses_leftover_bits)
{
    static const char *const texts[] = {"Zh==", "Zi==", "Zk==", "Zo==", "Zm9=", "Zm+=", "Zm/="};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_not(decodes(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}

Test(encode, base64_truncated_at_every_byte)
{
    static const char text[] = "Zm9vYmFyZm9vYmE=";
    for (size_t len = 0; len < strlen(text); len++) {
        cr_assert_eq(decodes(text, len), len % 4 == 0, "%zu characters", len);
    }
}

Test(encode, base64_never_writes_past_the_end)
{
    char bytes[6];
    size_t len;
    for (size_t size = 0; size < 6; size++) {
        memset(bytes, 0x7e, sizeof(bytes));
        cr_assert_not(encode_base64_decode("Zm9vYmFy", 8, bytes, size, &len));
        for (size_t i = size; i < sizeof(bytes); i++) {
            cr_assert_eq(bytes[i], 0x7e);
        }
    }
    cr_assert(encode_base64_decode("Zm9vYmFy", 8, bytes, 6, &len));
    cr_assert_eq(len, 6);
}

Test(encode, hex_is_lower_case)
{
    char text[9];
    encode_hex("\x00\x9a\xff\x01", 4, text);
    cr_assert_str_eq(text, "009aff01");
    encode_hex("", 0, text);
    cr_assert_str_eq(text, "");
}
