/*
 * SHA-1, written for size: a host name and a salt are all it ever hashes.
 */
#include "crypto/sha1.h"

#include <string.h>

#include "crypto/secret.h"

enum { ROUNDS = 80, LENGTH_LEN = 8 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t read_word(const uint8_t at[4])
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The round's function and constant (FIPS 180-4 4.1.1, 4.2.1). */
static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20) {
        return ((b & c) | (~b & d)) + 0x5a827999;
    }
    if (round < 40) {
        return (b ^ c ^ d) + 0x6ed9eba1;
    }
    if (round < 60) {
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    }
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void compress(uint32_t chain[5], const uint8_t block[SHA1_BLOCK_LEN])
{
    uint32_t word[ROUNDS];
    for (size_t i = 0; i < 16; i++) {
        word[i] = read_word(block + 4 * i);
    }
    for (size_t i = 16; i < ROUNDS; i++) {
        word[i] = rotate(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
    }

    uint32_t a = chain[0];
    uint32_t b = chain[1];
    uint32_t c = chain[2];
    uint32_t d = chain[3];
    uint32_t e = chain[4];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + word[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    chain[0] += a;
    chain[1] += b;
    chain[2] += c;
    chain[3] += d;
    chain[4] += e;
    secret_wipe(word, sizeof(word));
}

void sha1_start(struct sha1 *sha1)
{
    *sha1 = (struct sha1){
        .chain = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0},
    };
}

void sha1_add(struct sha1 *sha1, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t used = sha1->total % SHA1_BLOCK_LEN;
        size_t take = SHA1_BLOCK_LEN - used < len ? SHA1_BLOCK_LEN - used : len;
        memcpy(sha1->block + used, bytes, take);
        sha1->total += take;
        bytes += take;
        len -= take;
        if (used + take == SHA1_BLOCK_LEN) {
            compress(sha1->chain, sha1->block);
        }
    }
}

void sha1_finish(struct sha1 *sha1, uint8_t ret_digest[SHA1_LEN])
{
    static const uint8_t padding[SHA1_BLOCK_LEN] = {0x80};
    uint64_t bits = sha1->total * 8;
    size_t used = sha1->total % SHA1_BLOCK_LEN;
    size_t room = SHA1_BLOCK_LEN - LENGTH_LEN;
    uint8_t length[LENGTH_LEN];
    for (size_t i = 0; i < LENGTH_LEN; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }

    sha1_add(sha1, padding, used < room ? room - used : SHA1_BLOCK_LEN + room - used);
    sha1_add(sha1, length, LENGTH_LEN);
    for (size_t i = 0; i < SHA1_LEN; i++) {
        ret_digest[i] = (uint8_t)(sha1->chain[i / 4] >> (24 - 8 * (i % 4)));
    }
}
