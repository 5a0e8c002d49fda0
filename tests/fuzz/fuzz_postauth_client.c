/*
 * Fuzzes a client session behind its login: the input is a script of what the peer sends under
 * valid keys and of what our own side does meanwhile.
 */
/* a harness is one file to the build */
#include "tests/support/end.c"
#include "tests/support/peer.c"
#include "tests/support/play.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct script script = {bytes, len};
    play_run(&script, SESSION_CLIENT);
    return 0;
}
