/*
 * Fuzzes the identification line: the first byte says whose and how it is cut, the rest is the
 * stream. Every cut must give the same.
 */
#include <assert.h>
#include <string.h>

#include "proto/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return 0;
    }
    struct version_in whole = {.lines_before_allowed = bytes[0] & 1};
    struct version_in cut = whole;
    size_t piece = 1 + (bytes[0] >> 1);
    bytes++;
    len--;
    size_t used = 0;
    enum err err = version_feed(&whole, bytes, len, &used);
    assert(used <= len && (used == len || whole.done || err != ERR_OK));
    size_t total = 0;
    enum err slow = ERR_OK;
    while (total < len && slow == ERR_OK && !cut.done) {
        size_t here = piece < len - total ? piece : len - total;
        size_t now = 0;
        slow = version_feed(&cut, bytes + total, here, &now);
        assert(now <= here);
        total += now;
    }
    assert(slow == err && total == used && cut.done == whole.done);
    assert(strcmp(cut.line, whole.line) == 0);
    assert(!whole.done || err != ERR_OK || strlen(whole.line) <= LIMIT_VERSION_LINE - 1);
    return 0;
}
