/*
 * Fuzzes the judgement of a KEXINIT: the first byte chooses our role and lists, the rest is the
 * peer's payload.
 */
#include <assert.h>
#include <string.h>

#include "crypto/provider.h"
#include "proto/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (!provider_start() || len == 0) {
        return 0;
    }
    struct session_config config = {.role = bytes[0] & 1 ? SESSION_SERVER : SESSION_CLIENT};
    if (bytes[0] & 2) {
        config.ciphers = "aes256-gcm@openssh.com,chacha20-poly1305@openssh.com";
    }
    if (bytes[0] & 4) {
        config.kex_algorithms = "curve25519-sha256@libssh.org";
    }
    struct negotiated chosen;
    struct slice payload = {bytes + 1, len - 1};
    enum err err = negotiate_choose(&config, payload, &chosen);
    if (err == ERR_OK) {
        assert(chosen.kex != NULL && chosen.hostkey != NULL);
        assert(chosen.in != NULL && chosen.out != NULL);
        struct slice kex = {(const uint8_t *)chosen.kex, strlen(chosen.kex)};
        assert(memmem(payload.bytes, payload.len, kex.bytes, kex.len) != NULL);
        assert(memmem(payload.bytes, payload.len, chosen.in->name, strlen(chosen.in->name)));
        assert(!(bytes[0] & 4) || slice_is(kex, config.kex_algorithms));
    } else {
        assert(err == ERR_MALFORMED || err == ERR_NO_COMMON);
        assert((err == ERR_NO_COMMON) == (chosen.failed_list != NULL));
    }
    return 0;
}
