/*
 * Packet ciphers: one packet at a time, sealed and opened in place.
 *
 * A packet on the wire is
 *
 *     uint32 packet_length | padding_length, payload, padding | tag
 *     <------- 4 --------> <-------- packet_length ---------> <- tag_len ->
 *
 * chacha20-poly1305@openssh.com (draft-ietf-sshm-chacha20-poly1305) encrypts the length under a
 * key of its own and takes its nonce from the packet's sequence number. aes256-gcm@openssh.com
 * (RFC 5647, OpenSSH PROTOCOL 1.6) leaves the length in clear as additional data and counts
 * its own invocations inside the IV; aes128-gcm@openssh.com is the same with a shorter key. Each is
 * a row of a table, and each provider (see provider.h) has such a table.
 */
#ifndef CULVERT_CRYPTO_CIPHER_H
#define CULVERT_CRYPTO_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CIPHER_KEY_MAX = 64,
    CIPHER_IV_MAX = 12,
    CIPHER_TAG_MAX = 16,
    CIPHER_LENGTH_LEN = 4,
    CIPHER_STATE_LEN = 576,
};

/* A row of the table: what the transport must know of a cipher, and how to reach it. */
struct cipher_spec {
    const char *name;
    uint32_t key_len;
    uint32_t iv_len;
    uint32_t tag_len;
    /* packet_length is a multiple of this, the 4 length bytes not counted */
    uint32_t block_len;
    /* rekey after this many bytes in one direction when the user set nothing (RFC 4344 3.2) */
    uint64_t rekey_bytes;
    /* unsafe with a peer that lacks strict key exchange (CVE-2023-48795) */
    bool needs_strict_kex;
    /* private: the provider's calls; wipe frees, and may be NULL */
    bool (*init)(void *state, const uint8_t *key, const uint8_t *iv);
    void (*wipe)(void *state);
    uint32_t (*peek)(const void *state, uint32_t sequence, const uint8_t *head);
    bool (*open)(void *state, uint32_t sequence, uint8_t *packet, size_t len);
    void (*seal)(void *state, uint32_t sequence, uint8_t *packet, size_t len);
};

/* One direction's cipher with its keys, either to seal or to open. The owner calls cipher_wipe; it
 * may be moved, but only one copy of it may live on. */
struct cipher {
    const struct cipher_spec *spec;
    _Alignas(64) uint8_t state[CIPHER_STATE_LEN];
};

/* The row of that name when this machine can run it, otherwise NULL. */
const struct cipher_spec *cipher_find(const char *name, size_t name_len);

/* Row by position in our order of preference, NULL past the end; only rows this machine runs. */
const struct cipher_spec *cipher_at(size_t index);

/*
 * key has spec->key_len bytes, iv spec->iv_len (may be NULL when 0). What cipher held before is
 * overwritten: wipe it first. False: no memory, and cipher is as after cipher_wipe.
 */
__attribute__((warn_unused_result)) bool cipher_init(struct cipher *cipher,
                                                     const struct cipher_spec *spec,
                                                     const uint8_t *key, const uint8_t *iv);
/* Frees and zeroes. A zeroed cipher may be wiped, so it may be wiped twice. */
void cipher_wipe(struct cipher *cipher);

/* packet_length of the packet whose first 4 wire bytes are head. Not authenticated yet: bound
 * it. */
uint32_t cipher_peek(const struct cipher *cipher, uint32_t sequence,
                     const uint8_t head[CIPHER_LENGTH_LEN]);

/*
 * Checks the tag behind packet[0..len) and then decrypts in place; len counts the 4 length bytes
 * and packet_length. False: the packet is forged or damaged, nothing in it is clear text now, and
 * its bytes are undefined. The next packet can be opened as if this one had not been there.
 */
__attribute__((warn_unused_result)) bool cipher_open(struct cipher *cipher, uint32_t sequence,
                                                     uint8_t *packet, size_t len);

/* Encrypts packet[0..len) in place and writes tag_len bytes behind it. */
void cipher_seal(struct cipher *cipher, uint32_t sequence, uint8_t *packet, size_t len);

#endif
