/*
 * Fuzzes a server session from its first byte: the input is the peer's stream, cut as its first
 * byte says. The session's randomness is fixed, so recorded streams lead through the whole login.
 */
/* a harness is one file to the build */
#include "tests/support/end.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct end end;
    struct bytes sent = {.at = NULL};
    size_t piece = len > 0 && bytes[0] != 0 ? bytes[0] * 16U : SIZE_MAX;
    end_make(&end, SESSION_SERVER, 11);
    end.config.ciphers = "chacha20-poly1305@openssh.com";
    end_start(&end);
    for (size_t at = 1; at < len && !session_failed(end.session);) {
        size_t here = len - at < piece ? len - at : piece;
        end_feed(&end, bytes + at, here);
        end_output(&end, &sent, SIZE_MAX);
        at += here;
    }
    session_feed_eof(end.session);
    end_events(&end);
    assert(session_failed(end.session) && end.seen[SESSION_EV_FAILED] == 1);
    bytes_free(&sent);
    end_free(&end);
    return 0;
}
