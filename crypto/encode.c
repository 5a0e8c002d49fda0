/*
 * Base64 and hex. Private keys pass through here, so that no digit decides a branch or an address:
 * libsodium's encoders are made that way, and so is the decoder below. It is our own because
 * libsodium 1.0.18's takes bytes above 127 for digits and skips NULs.
 */
#include "crypto/encode.h"

#include <sodium.h>

void encode_base64(const void *bytes, size_t len, bool padding, char *ret_text)
{
    int variant =
        padding ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    sodium_bin2base64(ret_text, ENCODE_BASE64_LEN(len), (const uint8_t *)bytes, len, variant);
}

/* All ones when first <= c <= last, otherwise 0. */
static int within(int c, int first, int last)
{
    return ((first - 1 - c) & (c - last - 1)) >> 8;
}

/* 0 to 63, or -1 for a character that is no digit. */
static int digit_value(int c)
{
    int above = within(c, 'A', 'Z') & (c - 'A' + 1);
    above |= within(c, 'a', 'z') & (c - 'a' + 27);
    above |= within(c, '0', '9') & (c - '0' + 53);
    above |= within(c, '+', '+') & 63;
    above |= within(c, '/', '/') & 64;
    return above - 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct decoder {
    uint8_t *at;
    uint8_t *end;
    size_t digits;
    size_t padding;
    /* the digits' bits that make no whole byte yet, the lowest 0, 2, 4 or 6 */
    uint32_t bits;
};

static bool decode_char(struct decoder *decoder, char c)
{
    if (is_blank(c)) {
        return true;
    }
    if (c == '=') {
        decoder->padding++;
        return true;
    }
    int value = digit_value((uint8_t)c);
    if (value < 0 || decoder->padding > 0) {
        return false;
    }

    decoder->bits = decoder->bits << 6 | (uint32_t)value;
    size_t place = decoder->digits % 4;
    decoder->digits++;
    if (place == 0) {
        return true;
    }
    if (decoder->at == decoder->end) {
        return false;
    }
    size_t left = 6 - 2 * place;
    *decoder->at++ = (uint8_t)(decoder->bits >> left);
    decoder->bits &= ((uint32_t)1 << left) - 1;
    return true;
}

bool encode_base64_decode(const char *text, size_t text_len, void *ret_bytes, size_t size,
                          size_t *ret_len)
{
    uint8_t *start = (uint8_t *)ret_bytes;
    struct decoder decoder = {.at = start, .end = size > 0 ? start + size : start};

    *ret_len = 0;
    for (size_t i = 0; i < text_len; i++) {
        if (!decode_char(&decoder, text[i])) {
            return false;
        }
    }
    /* a last group of 1 digit would be no byte; bits left over in one of 2 or 3 must be zero, or
     * there were several texts for the same bytes */
    size_t last = decoder.digits % 4;
    if (last == 1 || decoder.padding != (4 - last) % 4 || decoder.bits != 0) {
        return false;
    }
    *ret_len = (size_t)(decoder.at - start);
    return true;
}

void encode_hex(const void *bytes, size_t len, char *ret_text)
{
    sodium_bin2hex(ret_text, 2 * len + 1, (const uint8_t *)bytes, len);
}
