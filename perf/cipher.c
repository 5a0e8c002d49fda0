/*
 * How fast the packet ciphers seal and open on this machine, one core, memory in cache:
 *
 *     cipher [PROVIDER...]     libsodium, libcrypto; without a name both, as far as they are there
 *
 * Takes about two seconds for each row. Opening includes the peek at the length that the transport
 * does first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/cipher.h"
#include "crypto/provider.h"

enum {
    /* packets sealed, then opened, between two looks at the clock */
    BATCH_MAX = 64,
    BODY_MAX = 32768,
    SLOT = CIPHER_LENGTH_LEN + BODY_MAX + CIPHER_TAG_MAX + 44,
    /* the packets of a batch together stay within a second-level cache */
    BATCH_BYTES = 256 * 1024,
    BUDGET_NS = 200 * 1000 * 1000,
};

static _Alignas(64) uint8_t arena[BATCH_BYTES + BATCH_MAX * 64 + SLOT];

struct result {
    uint64_t packets;
    int64_t seal_ns;
    int64_t open_ns;
};

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void head_write(uint8_t *packet, uint32_t body_len)
{
    packet[0] = (uint8_t)(body_len >> 24);
    packet[1] = (uint8_t)(body_len >> 16);
    packet[2] = (uint8_t)(body_len >> 8);
    packet[3] = (uint8_t)body_len;
}

/* False when a packet doesn't open: then the numbers mean nothing. */
static bool batch_run(struct cipher ends[2], uint32_t body_len, struct result *result)
{
    size_t len = CIPHER_LENGTH_LEN + body_len;
    size_t slot = (len + CIPHER_TAG_MAX + 63) / 64 * 64;
    uint32_t count = BATCH_BYTES / (uint32_t)slot;
    count = count > BATCH_MAX ? BATCH_MAX : count;
    uint32_t sequence = (uint32_t)result->packets;
    bool ok = true;

    int64_t start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        head_write(arena + i * slot, body_len);
        cipher_seal(&ends[0], sequence + i, arena + i * slot, len);
    }
    int64_t sealed = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *packet = arena + i * slot;
        ok = ok && cipher_peek(&ends[1], sequence + i, packet) == body_len;
        ok = ok && cipher_open(&ends[1], sequence + i, packet, len);
    }
    int64_t opened = now_ns();

    result->packets += count;
    result->seal_ns += sealed - start;
    result->open_ns += opened - sealed;
    return ok;
}

static void print_direction(const char *what, const struct result *result, uint32_t body_len,
                            int64_t ns)
{
    double packets = (double)result->packets;
    printf("  %s %6.2f GB/s %9.0f packets/s", what, packets * body_len / (double)ns,
           packets * 1e9 / (double)ns);
}

static bool measure(const struct cipher_spec *spec, uint32_t body_len)
{
    uint8_t key[CIPHER_KEY_MAX];
    uint8_t iv[CIPHER_IV_MAX] = {0};
    struct cipher ends[2];
    struct result result = {0};

    memset(key, 0x5a, sizeof(key));
    if (!cipher_init(&ends[0], spec, key, iv) || !cipher_init(&ends[1], spec, key, iv)) {
        fprintf(stderr, "%s: no memory\n", spec->name);
        return false;
    }
    bool ok = true;
    while (ok && result.seal_ns + result.open_ns < BUDGET_NS) {
        ok = batch_run(ends, body_len, &result);
    }
    cipher_wipe(&ends[0]);
    cipher_wipe(&ends[1]);
    if (!ok) {
        fprintf(stderr, "%s: a packet of %" PRIu32 " bytes did not open\n", spec->name, body_len);
        return false;
    }

    printf("%-30s %6" PRIu32, spec->name, body_len);
    print_direction("seal", &result, body_len, result.seal_ns);
    print_direction("open", &result, body_len, result.open_ns);
    printf("\n");
    return true;
}

static bool measure_all(void)
{
    static const uint32_t lens[] = {32, 64, 128, 192, 256, 512, 1024, 1472, 4096, BODY_MAX};
    const struct cipher_spec *spec;
    for (size_t i = 0; (spec = cipher_at(i)) != NULL; i++) {
        for (size_t j = 0; j < sizeof(lens) / sizeof(lens[0]); j++) {
            if (!measure(spec, lens[j])) {
                return false;
            }
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"libsodium", "libcrypto"};
    size_t count = argc > 1 ? (size_t)argc - 1 : 2;

    if (!provider_start()) {
        fprintf(stderr, "the crypto library does not start\n");
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = argc > 1 ? argv[i + 1] : all[i];
        if (!provider_select(name)) {
            fprintf(stderr, "%s: no such crypto provider in this program\n", name);
            if (argc > 1) {
                return 1;
            }
            continue;
        }
        printf("%s\n", provider_describe());
        if (!measure_all()) {
            return 1;
        }
    }
    return 0;
}
