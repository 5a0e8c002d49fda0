/*
 * Fuzzes tools/forward: what is accepted has ports and a host, what is refused says why.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *spec = malloc(len + 1);
    char error[FORWARD_ERROR_SIZE];
    struct forward forward;

    if (!spec) {
        return 0;
    }
    memcpy(spec, bytes, len);
    spec[len] = 0;
    if (forward_parse(spec, &forward, error)) {
        assert(forward.listen_port > 0 && forward.host_port > 0 && forward.host[0]);
        assert(forward.bind_given == (forward.bind != NULL));
        assert(!forward.bind || forward.bind[0]);
    } else {
        assert(strlen(error) > 0 && !forward.host && !forward.bind);
    }
    forward_free(&forward);
    free(spec);
    return 0;
}
