/*
 * proto/packet: in clear and under each cipher, every length there and back, every bit that a peer
 * can get wrong.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "crypto/provider.h"
#include "proto/packet.h"

enum { PLAIN, CHACHA, AESGCM, MODES };

static struct packet_way way_make(int mode)
{
    static const char *const names[] = {"", "chacha20-poly1305@openssh.com",
                                        "aes256-gcm@openssh.com"};
    struct packet_way way = {.sequence = 3};
    /* its ciphers own no memory: the ways here are plain copies that nobody wipes */
    cr_assert(provider_start() && provider_select("libsodium"));
    if (mode != PLAIN) {
        uint8_t key[CIPHER_KEY_MAX];
        uint8_t iv[CIPHER_IV_MAX];
        memset(key, 5, sizeof key);
        memset(iv, 6, sizeof iv);
        const struct cipher_spec *spec = cipher_find(names[mode], strlen(names[mode]));
        cr_assert_not_null(spec);
        cr_assert(packet_rekey(&way, spec, key, iv, false));
    }
    return way;
}

/* A sealed packet in a block of exactly its length. */
static uint8_t *seal(struct packet_way *way, size_t len, size_t *ret_len)
{
    uint8_t *block = malloc(PACKET_HEAD + len + PACKET_TAIL);
    for (size_t i = 0; i < len; i++) {
        block[PACKET_HEAD + i] = (uint8_t)(i * 7 + 1);
    }
    *ret_len = packet_seal(way, block + PACKET_HEAD, len);
    cr_assert_leq(*ret_len, PACKET_HEAD + len + PACKET_TAIL);
    return realloc(block, *ret_len);
}

Test(packet, there_and_back_at_every_length)
{
    for (int mode = 0; mode < MODES; mode++) {
        struct packet_way out = way_make(mode);
        struct packet_way in = way_make(mode);
        uint64_t bytes = 0;
        uint64_t packets = 0;
        for (size_t len = 1; len < 33000; len += len < 300 ? 1 : 1021) {
            size_t wire_len = 0;
            uint8_t *wire = seal(&out, len, &wire_len);
            struct packet packet;
            cr_assert_eq(packet_open(&in, wire, wire_len, &packet), ERR_OK);
            cr_assert_not_null(packet.payload);
            cr_assert_eq(packet.len, len);
            cr_assert_eq(packet.wire_len, wire_len);
            cr_assert_eq(packet.sequence, 3 + packets);
            for (size_t i = 0; i < len; i++) {
                cr_assert_eq(packet.payload[i], (uint8_t)(i * 7 + 1));
            }
            bytes += wire_len;
            packets++;
            cr_assert_eq(in.bytes, bytes);
            cr_assert_eq(out.packets, packets);
            free(wire);
        }
        cr_assert(packet_rekey(&in, cipher_at(0), (const uint8_t[CIPHER_KEY_MAX]){0},
                               (const uint8_t[CIPHER_IV_MAX]){0}, mode == CHACHA));
        cr_assert_eq(in.sequence, mode == CHACHA ? 0 : 3 + packets);
        cr_assert_eq(in.packets + in.bytes, 0);
    }
}

Test(packet, incomplete_at_every_byte)
{
    for (int mode = 0; mode < MODES; mode++) {
        struct packet_way out = way_make(mode);
        struct packet_way in = way_make(mode);
        size_t wire_len = 0;
        uint8_t *wire = seal(&out, 100, &wire_len);
        for (size_t len = 0; len < wire_len; len++) {
            uint8_t *part = malloc(len > 0 ? len : 1);
            memcpy(part, wire, len);
            struct packet packet;
            cr_assert_eq(packet_open(&in, part, len, &packet), ERR_OK);
            cr_assert_null(packet.payload);
            free(part);
        }
        struct packet packet;
        cr_assert_eq(packet_open(&in, wire, wire_len, &packet), ERR_OK);
        cr_assert_eq(packet.len, 100);
        free(wire);
    }
}

Test(packet, every_bit_is_authentic)
{
    for (int mode = CHACHA; mode < MODES; mode++) {
        struct packet_way out = way_make(mode);
        size_t wire_len = 0;
        uint8_t *wire = seal(&out, 20, &wire_len);
        for (size_t bit = 0; bit < 8 * wire_len; bit++) {
            struct packet_way in = way_make(mode);
            uint8_t *copy = malloc(wire_len);
            memcpy(copy, wire, wire_len);
            copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
            struct packet packet;
            enum err err = packet_open(&in, copy, wire_len, &packet);
            cr_assert_null(packet.payload);
            /* a length that grew legally just waits for more */
            cr_assert(err == ERR_MAC || bit < 32, "bit %zu", bit);
            uint32_t clear = 0;
            for (size_t i = 0; i < 20; i++) {
                clear += copy[PACKET_HEAD + i] == (uint8_t)(i * 7 + 1);
            }
            cr_assert_lt(clear, 10, "decrypted before it was checked");
            free(copy);
        }
        free(wire);
    }
}

Test(packet, replayed_dropped_and_swapped)
{
    for (int mode = CHACHA; mode < MODES; mode++) {
        struct packet_way out = way_make(mode);
        struct packet_way in = way_make(mode);
        size_t lens[2];
        uint8_t *first = seal(&out, 20, &lens[0]);
        uint8_t *second = seal(&out, 20, &lens[1]);
        struct packet packet;
        struct packet_way dropped = way_make(mode);
        enum err err = packet_open(&dropped, second, lens[1], &packet);
        cr_assert(err == ERR_MAC || err == ERR_PACKET_LENGTH || packet.payload == NULL);
        uint8_t *again = malloc(lens[0]);
        memcpy(again, first, lens[0]);
        cr_assert_eq(packet_open(&in, first, lens[0], &packet), ERR_OK);
        err = packet_open(&in, again, lens[0], &packet);
        cr_assert(err == ERR_MAC || err == ERR_PACKET_LENGTH || packet.payload == NULL);
        free(first);
        free(second);
        free(again);
    }
}

static enum err open_plain(uint32_t length, uint8_t padding, size_t len, struct packet *ret)
{
    struct packet_way in = way_make(PLAIN);
    uint8_t *bytes = calloc(1, len > 5 ? len : 5);
    bytes[0] = (uint8_t)(length >> 24);
    bytes[1] = (uint8_t)(length >> 16);
    bytes[2] = (uint8_t)(length >> 8);
    bytes[3] = (uint8_t)length;
    bytes[4] = padding;
    enum err err = packet_open(&in, bytes, len, ret);
    free(bytes);
    return err;
}

Test(packet, lengths_are_judged_from_four_bytes)
{
    static const uint32_t bad[] = {
        0,       1,      2,          3,          4,          5,
        7,       8,      11,         13,         14,         LIMIT_PACKET_WIRE,
        0x40000, 262144, 0x7ffffffc, 0x80000004, 0xfffffffc, 0xffffffff};
    struct packet packet;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(open_plain(bad[i], 4, 4, &packet), ERR_PACKET_LENGTH, "%u", bad[i]);
    }
    cr_assert_eq(open_plain(12, 4, 4, &packet), ERR_OK);
    cr_assert_null(packet.payload);
    cr_assert_eq(open_plain(34996, 4, 4, &packet), ERR_OK);
    cr_assert_eq(open_plain(34996 + 8, 4, 4, &packet), ERR_PACKET_LENGTH);
}

Test(packet, paddings_that_cannot_be)
{
    struct packet packet;
    for (int padding = 0; padding < 256; padding++) {
        enum err err = open_plain(12, (uint8_t)padding, 16, &packet);
        bool good = padding >= LIMIT_PADDING_MIN && padding <= 10;
        cr_assert_eq(err, good ? ERR_OK : ERR_PACKET_LENGTH, "%d", padding);
        cr_assert(!good || packet.len == 11 - (size_t)padding);
    }
}

/* The same lengths and paddings with a valid tag: made with the cipher itself. */
Test(packet, impossible_ones_with_a_valid_tag)
{
    static const uint32_t lengths[] = {1, 2, 3, 4, 5, 8, 12, 16, 32, 35000, 40000};
    for (int mode = CHACHA; mode < MODES; mode++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            for (int padding = 0; padding < 256; padding += padding < 40 ? 1 : 43) {
                struct packet_way out = way_make(mode);
                struct packet_way in = way_make(mode);
                uint32_t length = lengths[i];
                uint8_t *bytes = calloc(1, 5 + (size_t)length + CIPHER_TAG_MAX);
                bytes[2] = (uint8_t)(length >> 8);
                bytes[3] = (uint8_t)length;
                bytes[4] = (uint8_t)padding;
                cipher_seal(&out.cipher, out.sequence, bytes, 4 + (size_t)length);
                struct packet packet;
                enum err err = packet_open(&in, bytes, 4 + length + CIPHER_TAG_MAX, &packet);
                uint32_t block = out.cipher.spec->block_len;
                bool good = length >= LIMIT_PACKET_MIN && length % block == 0 &&
                            length < LIMIT_PACKET_WIRE - 20 && padding >= LIMIT_PADDING_MIN &&
                            (uint32_t)padding + 2 <= length;
                cr_assert_eq(err, good ? ERR_OK : ERR_PACKET_LENGTH, "%u %d", length, padding);
                cr_assert_eq(packet.payload != NULL, good);
                free(bytes);
            }
        }
    }
}

Test(packet, worn_keys_open_and_seal_nothing)
{
    struct packet_way out = way_make(AESGCM);
    struct packet_way in = way_make(AESGCM);
    size_t wire_len = 0;
    uint8_t *wire = seal(&out, 20, &wire_len);
    in.packets = UINT32_MAX - 1;
    cr_assert(!packet_worn(&in));
    in.packets = UINT32_MAX;
    cr_assert(packet_worn(&in));
    struct packet packet;
    cr_assert_eq(packet_open(&in, wire, wire_len, &packet), ERR_KEYS_WORN);
    cr_assert_null(packet.payload);
    cr_assert(packet_rekey(&in, cipher_at(0), (const uint8_t[CIPHER_KEY_MAX]){0},
                           (const uint8_t[CIPHER_IV_MAX]){0}, true));
    cr_assert(!packet_worn(&in));
    free(wire);
}
