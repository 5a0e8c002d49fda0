/*
 * Identification lines: one state, one byte at a time, so that every split gives the same result.
 */
#include "proto/version.h"

#include <string.h>

static bool starts_with(const char *line, const char *prefix)
{
    return strncmp(line, prefix, strlen(prefix)) == 0;
}

/* A whole line is in in->line. Lines of other programs are told from ours by "SSH-". */
static enum err judge_line(struct version_in *in)
{
    size_t len = in->line_len;
    if (len > 0 && in->line[len - 1] == '\r') {
        len--;
    }
    in->line[len] = '\0';
    in->line_len = 0;
    if (starts_with(in->line, "SSH-")) {
        in->done = true;
        bool ours = starts_with(in->line, "SSH-2.0-") || starts_with(in->line, "SSH-1.99-");
        return ours ? ERR_OK : ERR_VERSION;
    }
    if (in->lines_before == 0) {
        memcpy(in->stray, in->line, len + 1);
    }
    if (!in->lines_before_allowed) {
        return ERR_VERSION;
    }
    in->lines_before++;
    return in->lines_before > LIMIT_VERSION_LINES_BEFORE ? ERR_VERSION : ERR_OK;
}

/* A byte of the current line. Only a line that can't be ours may be longer than LIMIT_VERSION_LINE,
 * and then its tail is counted and not kept. */
static enum err take_byte(struct version_in *in, char byte)
{
    if (byte == '\0') {
        return ERR_VERSION;
    }
    uint32_t at = in->line_len++;
    if (at < LIMIT_VERSION_LINE - 1) {
        in->line[at] = byte;
        in->line[at + 1] = '\0';
        return ERR_OK;
    }
    if (!in->lines_before_allowed || starts_with(in->line, "SSH-")) {
        return ERR_VERSION_LONG;
    }
    return in->line_len > LIMIT_VERSION_LINE_BEFORE ? ERR_VERSION_LONG : ERR_OK;
}

enum err version_feed(struct version_in *in, const uint8_t *bytes, size_t len, size_t *ret_used)
{
    size_t used = 0;
    enum err err = ERR_OK;
    while (used < len && err == ERR_OK && !in->done) {
        char byte = (char)bytes[used++];
        if (byte != '\n') {
            err = take_byte(in, byte);
            continue;
        }
        if (in->line_len >= LIMIT_VERSION_LINE) {
            in->line_len = LIMIT_VERSION_LINE - 1;
        }
        err = judge_line(in);
    }
    *ret_used = used;
    return err;
}
