/*
 * Log lines as OpenSSH's users know them: levels by its names, "debug1: " in front of debug lines,
 * one line an event, to stderr or a file. Text from the network is escaped here and nowhere else.
 */
#ifndef CULVERT_ENGINE_LOG_H
#define CULVERT_ENGINE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LEVEL_QUIET,
    LEVEL_FATAL,
    LEVEL_ERROR,
    LEVEL_INFO,
    LEVEL_VERBOSE,
    LEVEL_DEBUG1,
    LEVEL_DEBUG2,
    LEVEL_DEBUG3,
};

/* The level of a LogLevel word ("INFO", "debug" = DEBUG1 ...), any case; false: no such word. */
bool log_level_parse(const char *word, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

/* Lines above this level are dropped. Starts at INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Where lines go: a file opened for append (-E), 0 or a negative errno; stderr before that. */
int log_open_file(const char *path);
/* To syslog with that identity and facility auth (a daemon without -e). */
void log_use_syslog(const char *identity);
/* Server style: "name[pid]: " is not printed; kept for -E files that several processes share. */
void log_set_prefix(const char *prefix);

/*
 * One line; the newline is added. Bytes below 0x20, 0x7f and above 0x7e that come from %s are
 * written as \ooo, so a peer can't forge lines or drive a terminal. Lines are cut at 1024 bytes
 * (LEVEL_FATAL and LEVEL_ERROR at 4096). Any thread.
 */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Several lines of our own making, newlines kept (the host key warning). Not escaped. */
void log_raw(enum log_level level, const char *text);

#endif
