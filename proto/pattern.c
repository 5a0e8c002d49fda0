/*
 * Wildcard patterns, their lists, and address lists.
 */
#include "proto/pattern.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

enum {
    /* the longest form of an IPv6 address (INET6_ADDRSTRLEN) fits, scope and mask come off first */
    ADDRESS_TEXT_MAX = 64,
    V4_LEN = 4,
    V6_LEN = 16,
};

struct address {
    uint8_t bytes[V6_LEN];
    size_t len;
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool byte_matches(uint8_t c, uint8_t pattern, bool ignore_case)
{
    return pattern == '?' || c == pattern || (ignore_case && lower(c) == lower(pattern));
}

static bool match(struct slice text, struct slice pattern, bool ignore_case)
{
    /* on a mismatch only the last '*' can give way, by one byte: no recursion, no blow-up */
    size_t t = 0;
    size_t p = 0;
    size_t star_p = SIZE_MAX;
    size_t star_t = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.bytes[p] == '*') {
            star_p = p++;
            star_t = t;
        } else if (p < pattern.len && byte_matches(text.bytes[t], pattern.bytes[p], ignore_case)) {
            t++;
            p++;
        } else if (star_p != SIZE_MAX) {
            p = star_p + 1;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.bytes[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

bool pattern_match(struct slice text, struct slice pattern)
{
    return match(text, pattern, false);
}

/* Takes the "!" off a list's element. */
static bool strip_negation(struct slice *element)
{
    if (element->len > 0 && element->bytes[0] == '!') {
        element->bytes++;
        element->len--;
        return true;
    }
    return false;
}

enum pattern_verdict pattern_match_list(struct slice text, struct slice list, bool ignore_case)
{
    enum pattern_verdict verdict = PATTERN_NO;

    while (list.len > 0) {
        struct slice element = names_next(&list);
        bool negated = strip_negation(&element);

        if (element.len == 0 || !match(text, element, ignore_case)) {
            continue;
        }
        if (negated) {
            return PATTERN_DENIED;
        }
        verdict = PATTERN_YES;
    }
    return verdict;
}

/* An address without scope or mask. v4-mapped ones come out as v4. */
static bool address_parse(struct slice text, struct address *ret)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char copy[ADDRESS_TEXT_MAX];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.bytes, 0, text.len)) {
        return false;
    }
    memcpy(copy, text.bytes, text.len);
    copy[text.len] = 0;
    if (inet_pton(AF_INET, copy, ret->bytes) == 1) {
        ret->len = V4_LEN;
        return true;
    }
    if (inet_pton(AF_INET6, copy, ret->bytes) != 1) {
        return false;
    }
    ret->len = V6_LEN;
    if (memcmp(ret->bytes, mapped, sizeof(mapped)) == 0) {
        memmove(ret->bytes, ret->bytes + sizeof(mapped), V4_LEN);
        ret->len = V4_LEN;
    }
    return true;
}

/* Decimal digits only, at most max; -1 otherwise. */
static int small_number(struct slice text, int max)
{
    int value = 0;

    if (text.len == 0 || text.len > 3) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.bytes[i] - '0');
    }
    return value <= max ? value : -1;
}

static bool bit_of(const uint8_t *bytes, int bit)
{
    return bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* address in "net/bits"? PATTERN_BAD unless that is a network. */
static enum pattern_verdict match_network(const struct address *address, struct slice net,
                                          struct slice mask)
{
    struct address base;
    bool written_v6 = memchr(net.bytes, ':', net.len) != NULL;
    int bits = small_number(mask, written_v6 ? 128 : 32);

    if (bits < 0 || !address_parse(net, &base)) {
        return PATTERN_BAD;
    }
    if (written_v6 && base.len == V4_LEN) {
        bits -= 96;
    }
    if (bits < 0) {
        return PATTERN_BAD;
    }
    for (int bit = bits; bit < (int)base.len * 8; bit++) {
        if (bit_of(base.bytes, bit)) {
            return PATTERN_BAD;
        }
    }
    if (base.len != address->len) {
        return PATTERN_NO;
    }
    for (int bit = 0; bit < bits; bit++) {
        if (bit_of(base.bytes, bit) != bit_of(address->bytes, bit)) {
            return PATTERN_NO;
        }
    }
    return PATTERN_YES;
}

static enum pattern_verdict match_element(const struct address *address, struct slice text,
                                          struct slice element)
{
    const uint8_t *slash = memchr(element.bytes, '/', element.len);
    struct address exact;

    if (element.len == 0) {
        return PATTERN_BAD;
    }
    if (slash) {
        size_t net_len = (size_t)(slash - element.bytes);

        return match_network(address, (struct slice){element.bytes, net_len},
                             (struct slice){slash + 1, element.len - net_len - 1});
    }
    if (address_parse(element, &exact)) {
        return exact.len == address->len && memcmp(exact.bytes, address->bytes, exact.len) == 0
                   ? PATTERN_YES
                   : PATTERN_NO;
    }
    return match(text, element, true) ? PATTERN_YES : PATTERN_NO;
}

enum pattern_verdict pattern_match_address(const char *address, struct slice list)
{
    enum pattern_verdict verdict = PATTERN_NO;
    bool denied = false;
    struct address parsed;
    char canonical[ADDRESS_TEXT_MAX];
    const char *shown;
    struct slice text = {(const uint8_t *)address, strcspn(address, "%")};

    if (!address_parse(text, &parsed) || list.len == 0 || list.bytes[list.len - 1] == ',') {
        return PATTERN_BAD;
    }
    shown = inet_ntop(parsed.len == V4_LEN ? AF_INET : AF_INET6, parsed.bytes, canonical,
                      sizeof(canonical));
    assert(shown);
    text = (struct slice){(const uint8_t *)shown, strlen(shown)};
    while (list.len > 0) {
        struct slice element = names_next(&list);
        bool negated = strip_negation(&element);
        enum pattern_verdict one = match_element(&parsed, text, element);

        if (one == PATTERN_BAD) {
            return PATTERN_BAD;
        }
        if (one == PATTERN_YES) {
            denied |= negated;
            verdict = PATTERN_YES;
        }
    }
    return denied ? PATTERN_DENIED : verdict;
}
