/*
 * The packet ciphers by OpenSSL's libcrypto, which has faster code for long packets than libsodium;
 * for short ones the way through EVP costs more than it saves, so those stay with libsodium. Both
 * libraries give the same bytes. cipher_chacha.c and cipher_aesgcm.c show the layouts.
 *
 * libcrypto allocates in cipher_init alone. After it no call may fail, so one that does is our bug.
 *
 * Compiled without libcrypto, this file has no rows to offer.
 */
#include "crypto/cipher_rows.h"

#ifdef CULVERT_WITH_OPENSSL

#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "crypto/secret.h"

enum {
    KEY_LEN = 32,
    TAG_LEN = 16,
    BLOCK = 64,
};

/* What was fetched at the start, never given back: workers may run until the process ends. */
static struct {
    enum { UNTRIED, READY, UNUSABLE } stage;
    EVP_CIPHER *chacha;
    EVP_CIPHER *aes128;
    EVP_CIPHER *aes256;
    EVP_MAC *poly1305;
    size_t batch;
} lib;

static void must(int done)
{
    assert(done == 1);
}

static int int_of(size_t len)
{
    assert(len <= INT_MAX);
    return (int)len;
}

/* ---- chacha20-poly1305@openssh.com -------------------------------------------------------------
 */

/*
 * libcrypto's vector code takes 1024 bytes at once with AVX-512 and 512 with AVX2, and is as slow
 * for half of that (measured: 147 and 250 ns for 1024 and 512 bytes with AVX-512). So, as in
 * cipher_chacha.c, the key stream for the Poly1305 key and the start of the body is made in one
 * batch, and what is left behind the last whole batch in one more unless it is short.
 */
enum {
    BATCH_WIDE = 1024,
    BATCH_NARROW = 512,
    /* up to here libsodium makes the key stream as fast, and with less ado */
    BODY_SHORT = 192,
    REST_SHORT = 256,
    /* libcrypto's Poly1305 prepares powers of its key first */
    POLY_SHORT = 320,
};

struct chacha {
    /* first, and all that the short packets need */
    struct cipher_chacha_keys keys;
    EVP_CIPHER_CTX *body;
    EVP_MAC_CTX *poly1305;
};

/* What one packet needs; it holds secrets: wipe it. */
struct run {
    uint8_t tag_key[KEY_LEN];
    _Alignas(64) uint8_t stream[BATCH_WIDE];
};

static_assert(sizeof(struct chacha) <= CIPHER_STATE_LEN, "the keys fit the state");

static void chacha_wipe(void *state)
{
    struct chacha *self = (struct chacha *)state;
    EVP_CIPHER_CTX_free(self->body);
    EVP_MAC_CTX_free(self->poly1305);
}

static bool chacha_init(void *state, const uint8_t *key, const uint8_t *iv)
{
    struct chacha *self = (struct chacha *)state;

    (void)iv;
    memcpy(&self->keys, key, sizeof(self->keys));
    self->body = EVP_CIPHER_CTX_new();
    self->poly1305 = EVP_MAC_CTX_new(lib.poly1305);
    if (self->body == NULL || self->poly1305 == NULL ||
        EVP_EncryptInit_ex2(self->body, lib.chacha, self->keys.body, NULL, NULL) != 1) {
        chacha_wipe(self);
        return false;
    }
    return true;
}

static uint32_t chacha_peek(const void *state, uint32_t sequence, const uint8_t *head)
{
    const struct chacha *self = (const struct chacha *)state;
    return cipher_chacha_spec.peek(&self->keys, sequence, head);
}

static void batch_make(struct run *run, const struct chacha *self)
{
    static const uint8_t zeros[BATCH_WIDE];
    int made;
    must(EVP_EncryptUpdate(self->body, run->stream, &made, zeros, (int)lib.batch));
}

/* The IV is the number of the first block, little-endian, and the sequence number, big-endian. */
static void run_start(struct run *run, const struct chacha *self, uint32_t sequence)
{
    uint8_t iv[16] = {0};

    iv[12] = (uint8_t)(sequence >> 24);
    iv[13] = (uint8_t)(sequence >> 16);
    iv[14] = (uint8_t)(sequence >> 8);
    iv[15] = (uint8_t)sequence;
    must(EVP_EncryptInit_ex2(self->body, NULL, NULL, iv, NULL));
    batch_make(run, self);
    memcpy(run->tag_key, run->stream, KEY_LEN);
}

/* Only a batch's worth of the stream was ever written. */
static void run_wipe(struct run *run)
{
    secret_wipe(run, offsetof(struct run, stream) + lib.batch);
}

/* bytes ^= stream, over len. */
static void xor_bytes(uint8_t *bytes, const uint8_t *stream, size_t len)
{
    typedef uint64_t lane __attribute__((vector_size(16)));
    size_t i = 0;

    for (; i + sizeof(lane) <= len; i += sizeof(lane)) {
        lane a;
        lane b;
        memcpy(&a, bytes + i, sizeof(a));
        memcpy(&b, stream + i, sizeof(b));
        a ^= b;
        memcpy(bytes + i, &a, sizeof(a));
    }
    for (; i < len; i++) {
        bytes[i] ^= stream[i];
    }
}

static void body_xor(struct run *run, const struct chacha *self, uint8_t *body, size_t len)
{
    size_t first = lib.batch - BLOCK;
    if (len <= first) {
        xor_bytes(body, run->stream + BLOCK, len);
        return;
    }
    xor_bytes(body, run->stream + BLOCK, first);
    body += first;
    len -= first;

    size_t rest = len % lib.batch;
    if (rest <= REST_SHORT) {
        rest = 0;
    }
    size_t direct = len - rest;
    if (direct > 0) {
        int done;
        must(EVP_EncryptUpdate(self->body, body, &done, body, int_of(direct)));
    }
    if (rest > 0) {
        batch_make(run, self);
        xor_bytes(body + direct, run->stream, rest);
    }
}

static void tag_make(const struct run *run, const struct chacha *self, const uint8_t *packet,
                     size_t len, uint8_t tag[TAG_LEN])
{
    if (len < POLY_SHORT) {
        crypto_onetimeauth_poly1305(tag, packet, len, run->tag_key);
        return;
    }
    size_t tag_len;
    must(EVP_MAC_init(self->poly1305, run->tag_key, KEY_LEN, NULL));
    must(EVP_MAC_update(self->poly1305, packet, len));
    must(EVP_MAC_final(self->poly1305, tag, &tag_len, TAG_LEN));
}

static void chacha_seal(void *state, uint32_t sequence, uint8_t *packet, size_t len)
{
    const struct chacha *self = (const struct chacha *)state;
    size_t body_len = len - CIPHER_LENGTH_LEN;
    if (body_len <= BODY_SHORT) {
        cipher_chacha_spec.seal(state, sequence, packet, len);
        return;
    }

    uint8_t nonce[8] = {0, 0, 0, 0};
    struct run run;
    nonce[4] = (uint8_t)(sequence >> 24);
    nonce[5] = (uint8_t)(sequence >> 16);
    nonce[6] = (uint8_t)(sequence >> 8);
    nonce[7] = (uint8_t)sequence;
    run_start(&run, self, sequence);
    crypto_stream_chacha20_xor(packet, packet, CIPHER_LENGTH_LEN, nonce, self->keys.header);
    body_xor(&run, self, packet + CIPHER_LENGTH_LEN, body_len);
    tag_make(&run, self, packet, len, packet + len);
    run_wipe(&run);
}

static bool chacha_open(void *state, uint32_t sequence, uint8_t *packet, size_t len)
{
    const struct chacha *self = (const struct chacha *)state;
    size_t body_len = len - CIPHER_LENGTH_LEN;
    if (body_len <= BODY_SHORT) {
        return cipher_chacha_spec.open(state, sequence, packet, len);
    }

    struct run run;
    uint8_t tag[TAG_LEN];
    run_start(&run, self, sequence);
    tag_make(&run, self, packet, len, tag);
    bool genuine = secret_equal(tag, packet + len, TAG_LEN);
    if (genuine) {
        /* the length is known by now: the caller has peeked at it to find len */
        packet[0] = (uint8_t)(body_len >> 24);
        packet[1] = (uint8_t)(body_len >> 16);
        packet[2] = (uint8_t)(body_len >> 8);
        packet[3] = (uint8_t)body_len;
        body_xor(&run, self, packet + CIPHER_LENGTH_LEN, body_len);
    }
    run_wipe(&run);
    /* the tag that a forged packet would have needed */
    secret_wipe(tag, sizeof(tag));
    return genuine;
}

static const struct cipher_spec chacha_spec = {
    .name = "chacha20-poly1305@openssh.com",
    .key_len = sizeof(struct cipher_chacha_keys),
    .iv_len = 0,
    .tag_len = TAG_LEN,
    .block_len = 8,
    /* OpenSSH's: 2^27 blocks of 8 bytes, 1 GiB */
    .rekey_bytes = (uint64_t)1 << 30,
    .needs_strict_kex = true,
    .init = chacha_init,
    .wipe = chacha_wipe,
    .peek = chacha_peek,
    .open = chacha_open,
    .seal = chacha_seal,
};

/* ---- aes128-gcm@openssh.com, aes256-gcm@openssh.com --------------------------------------------
 */

enum {
    IV_LEN = 12,
    FIXED_LEN = 4,
    /* up to here libsodium is faster, which has no AES-128 */
    GCM_SHORT = 256,
};

struct gcm {
    EVP_CIPHER_CTX *ctx;
    uint8_t nonce[IV_LEN];
    /* short packets go to libsodium */
    bool shared;
    crypto_aead_aes256gcm_state short_key;
};

static_assert(sizeof(struct gcm) <= CIPHER_STATE_LEN, "the expanded key fits the state");
static_assert(_Alignof(struct gcm) <= 64, "the state is aligned");

static void gcm_wipe(void *state)
{
    struct gcm *self = (struct gcm *)state;
    EVP_CIPHER_CTX_free(self->ctx);
}

static bool gcm_init(struct gcm *self, const EVP_CIPHER *cipher, const uint8_t *key,
                     const uint8_t *iv)
{
    self->shared = false;
    memcpy(self->nonce, iv, IV_LEN);
    self->ctx = EVP_CIPHER_CTX_new();
    if (self->ctx == NULL || EVP_EncryptInit_ex2(self->ctx, cipher, key, NULL, NULL) != 1) {
        gcm_wipe(self);
        return false;
    }
    return true;
}

static bool aes128gcm_init(void *state, const uint8_t *key, const uint8_t *iv)
{
    return gcm_init((struct gcm *)state, lib.aes128, key, iv);
}

static bool aes256gcm_init(void *state, const uint8_t *key, const uint8_t *iv)
{
    struct gcm *self = (struct gcm *)state;
    if (!gcm_init(self, lib.aes256, key, iv)) {
        return false;
    }
    self->shared = cipher_aesgcm_runs();
    if (self->shared) {
        crypto_aead_aes256gcm_beforenm(&self->short_key, key);
    }
    return true;
}

static void nonce_next(uint8_t nonce[IV_LEN])
{
    for (size_t i = IV_LEN; i > FIXED_LEN; i--) {
        nonce[i - 1]++;
        if (nonce[i - 1] != 0) {
            return;
        }
    }
}

static uint32_t gcm_peek(const void *state, uint32_t sequence, const uint8_t *head)
{
    (void)state;
    (void)sequence;
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

static void gcm_seal(void *state, uint32_t sequence, uint8_t *packet, size_t len)
{
    struct gcm *self = (struct gcm *)state;
    uint8_t *body = packet + CIPHER_LENGTH_LEN;
    size_t body_len = len - CIPHER_LENGTH_LEN;

    (void)sequence;
    if (self->shared && body_len <= GCM_SHORT) {
        crypto_aead_aes256gcm_encrypt_detached_afternm(
            body, packet + len, NULL, body, body_len, packet, CIPHER_LENGTH_LEN, NULL, self->nonce,
            (const crypto_aead_aes256gcm_state *)&self->short_key);
    } else {
        int done;
        must(EVP_EncryptInit_ex2(self->ctx, NULL, NULL, self->nonce, NULL));
        must(EVP_EncryptUpdate(self->ctx, NULL, &done, packet, CIPHER_LENGTH_LEN));
        must(EVP_EncryptUpdate(self->ctx, body, &done, body, int_of(body_len)));
        must(EVP_EncryptFinal_ex(self->ctx, packet + len, &done));
        must(EVP_CIPHER_CTX_ctrl(self->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, packet + len));
    }
    nonce_next(self->nonce);
}

/* libcrypto decrypts while it computes the tag: what a forged packet became must not be seen. */
static bool gcm_open_long(const struct gcm *self, uint8_t *packet, size_t len)
{
    uint8_t *body = packet + CIPHER_LENGTH_LEN;
    size_t body_len = len - CIPHER_LENGTH_LEN;
    int done;

    must(EVP_DecryptInit_ex2(self->ctx, NULL, NULL, self->nonce, NULL));
    must(EVP_CIPHER_CTX_ctrl(self->ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, packet + len));
    must(EVP_DecryptUpdate(self->ctx, NULL, &done, packet, CIPHER_LENGTH_LEN));
    must(EVP_DecryptUpdate(self->ctx, body, &done, body, int_of(body_len)));
    if (EVP_DecryptFinal_ex(self->ctx, packet + len, &done) != 1) {
        secret_wipe(body, body_len);
        return false;
    }
    return true;
}

static bool gcm_open(void *state, uint32_t sequence, uint8_t *packet, size_t len)
{
    struct gcm *self = (struct gcm *)state;
    uint8_t *body = packet + CIPHER_LENGTH_LEN;
    size_t body_len = len - CIPHER_LENGTH_LEN;
    bool genuine;

    (void)sequence;
    if (self->shared && body_len <= GCM_SHORT) {
        genuine = crypto_aead_aes256gcm_decrypt_detached_afternm(
                      body, NULL, body, body_len, packet + len, packet, CIPHER_LENGTH_LEN,
                      self->nonce, (const crypto_aead_aes256gcm_state *)&self->short_key) == 0;
    } else {
        genuine = gcm_open_long(self, packet, len);
    }
    if (genuine) {
        nonce_next(self->nonce);
    }
    return genuine;
}

static const struct cipher_spec aes128gcm_spec = {
    .name = "aes128-gcm@openssh.com",
    .key_len = 16,
    .iv_len = IV_LEN,
    .tag_len = TAG_LEN,
    .block_len = 16,
    /* as for AES-256: RFC 4344 3.2 counts blocks, whatever the key */
    .rekey_bytes = (uint64_t)1 << 36,
    .needs_strict_kex = false,
    .init = aes128gcm_init,
    .wipe = gcm_wipe,
    .peek = gcm_peek,
    .open = gcm_open,
    .seal = gcm_seal,
};

static const struct cipher_spec aes256gcm_spec = {
    .name = "aes256-gcm@openssh.com",
    .key_len = 32,
    .iv_len = IV_LEN,
    .tag_len = TAG_LEN,
    .block_len = 16,
    /* OpenSSH's: 2^32 blocks of 16 bytes, 64 GiB (RFC 4344 3.2) */
    .rekey_bytes = (uint64_t)1 << 36,
    .needs_strict_kex = false,
    .init = aes256gcm_init,
    .wipe = gcm_wipe,
    .peek = gcm_peek,
    .open = gcm_open,
    .seal = gcm_seal,
};

/* ---- the table ---------------------------------------------------------------------------------
 */

/* Without it libcrypto's AES is constant-time but slow: not worth offering. */
static bool hardware_aes(void)
{
#ifdef __aarch64__
    unsigned long wanted = HWCAP_AES | HWCAP_PMULL;
    return (getauxval(AT_HWCAP) & wanted) == wanted;
#else
    return sodium_runtime_has_aesni() != 0 && sodium_runtime_has_pclmul() != 0;
#endif
}

/* No configuration file is read: it could only make us slower or different from what we tested. No
 * handler at exit either, since workers may still be running then. */
static bool start(void)
{
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        return false;
    }
    lib.chacha = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
    lib.aes128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    lib.aes256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    lib.poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    lib.batch = sodium_runtime_has_avx512f() ? BATCH_WIDE : BATCH_NARROW;
    return lib.chacha != NULL && lib.aes128 != NULL && lib.aes256 != NULL && lib.poly1305 != NULL;
}

bool cipher_libcrypto_start(void)
{
    if (lib.stage == UNTRIED) {
        lib.stage = start() ? READY : UNUSABLE;
    }
    return lib.stage == READY;
}

const char *cipher_libcrypto_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}

const struct cipher_spec *cipher_libcrypto_at(size_t index)
{
    static const struct cipher_spec *const rows[] = {
        &chacha_spec,
        &aes128gcm_spec,
        &aes256gcm_spec,
    };
    size_t count = hardware_aes() ? sizeof(rows) / sizeof(rows[0]) : 1;
    return index < count ? rows[index] : NULL;
}

#else

bool cipher_libcrypto_start(void)
{
    return false;
}

const char *cipher_libcrypto_version(void)
{
    return NULL;
}

const struct cipher_spec *cipher_libcrypto_at(size_t index)
{
    (void)index;
    return NULL;
}

#endif
