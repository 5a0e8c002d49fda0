/*
 * Log lines to stderr, a file or syslog.
 *
 * A log must never stop or end the program: a line is written with one write, and only when the
 * descriptor takes it at once. What a stalled reader would have got is counted and told later.
 */
#include "engine/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

enum {
    LINE_MAX_NORMAL = 1024,
    /* at most PIPE_BUF, so that a pipe that polls writable takes it whole */
    LINE_MAX_ERROR = 4096,
    PREFIX_MAX = 64,
};

struct level_row {
    const char *word;
    enum log_level level;
};

/* DEBUG before DEBUG1: it is the name that ssh shows for both */
static const struct level_row level_rows[] = {
    {"QUIET", LEVEL_QUIET},   {"FATAL", LEVEL_FATAL},     {"ERROR", LEVEL_ERROR},
    {"INFO", LEVEL_INFO},     {"VERBOSE", LEVEL_VERBOSE}, {"DEBUG", LEVEL_DEBUG1},
    {"DEBUG1", LEVEL_DEBUG1}, {"DEBUG2", LEVEL_DEBUG2},   {"DEBUG3", LEVEL_DEBUG3},
};

static atomic_int current_level = LEVEL_INFO;

/* where lines go; guarded by lock */
static struct {
    int fd;
    bool use_syslog;
    unsigned lost;
    char prefix[PREFIX_MAX];
    char identity[PREFIX_MAX];
} sink = {.fd = STDERR_FILENO};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool log_level_parse(const char *word, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof(level_rows) / sizeof(level_rows[0]); i++) {
        if (strcasecmp(word, level_rows[i].word) == 0) {
            *ret_level = level_rows[i].level;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    for (size_t i = 0; i < sizeof(level_rows) / sizeof(level_rows[0]); i++) {
        if (level_rows[i].level == level) {
            return level_rows[i].word;
        }
    }
    return "UNKNOWN";
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return level != LEVEL_QUIET &&
           (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

int log_open_file(const char *path)
{
    /* O_NONBLOCK: opening or filling a FIFO must not stop us either */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    int old;

    if (fd < 0) {
        return -errno;
    }
    pthread_mutex_lock(&lock);
    old = sink.fd;
    sink.fd = fd;
    sink.use_syslog = false;
    pthread_mutex_unlock(&lock);
    if (old != STDERR_FILENO) {
        close(old);
    }
    return 0;
}

void log_use_syslog(const char *identity)
{
    pthread_mutex_lock(&lock);
    /* openlog keeps the pointer */
    snprintf(sink.identity, sizeof(sink.identity), "%s", identity);
    openlog(sink.identity, LOG_PID, LOG_AUTH);
    sink.use_syslog = true;
    pthread_mutex_unlock(&lock);
}

void log_set_prefix(const char *prefix)
{
    pthread_mutex_lock(&lock);
    snprintf(sink.prefix, sizeof(sink.prefix), "%s", prefix ? prefix : "");
    pthread_mutex_unlock(&lock);
}

/* "debug1: " and so on; syslog, which shows no level, gets "error: " too, as from sshd. */
static const char *word_of(enum log_level level, bool to_syslog)
{
    switch (level) {
    case LEVEL_DEBUG1:
        return "debug1: ";
    case LEVEL_DEBUG2:
        return "debug2: ";
    case LEVEL_DEBUG3:
        return "debug3: ";
    case LEVEL_FATAL:
        return to_syslog ? "fatal: " : "";
    case LEVEL_ERROR:
        return to_syslog ? "error: " : "";
    case LEVEL_QUIET:
    case LEVEL_INFO:
    case LEVEL_VERBOSE:
        break;
    }
    return "";
}

static int priority_of(enum log_level level)
{
    switch (level) {
    case LEVEL_FATAL:
        return LOG_CRIT;
    case LEVEL_ERROR:
        return LOG_ERR;
    case LEVEL_INFO:
    case LEVEL_VERBOSE:
        return LOG_INFO;
    case LEVEL_QUIET:
    case LEVEL_DEBUG1:
    case LEVEL_DEBUG2:
    case LEVEL_DEBUG3:
        break;
    }
    return LOG_DEBUG;
}

/* Copies text with its odd bytes as \ooo, never cutting one of those in two; the length. */
static size_t escape(const char *text, char *ret_text, size_t size)
{
    size_t len = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c < 0x7f) {
            if (len + 1 >= size) {
                break;
            }
            ret_text[len++] = (char)c;
            continue;
        }
        if (len + 4 >= size) {
            break;
        }
        ret_text[len++] = '\\';
        ret_text[len++] = (char)('0' + (c >> 6));
        ret_text[len++] = (char)('0' + (c >> 3 & 7));
        ret_text[len++] = (char)('0' + (c & 7));
    }
    ret_text[len] = 0;
    return len;
}

/* Under lock. False: it would have to wait, or nobody reads any more. */
static bool write_now(const char *text, size_t len)
{
    struct pollfd ready = {.fd = sink.fd, .events = POLLOUT};
    ssize_t done;

    /* a pipe without a reader shows POLLERR: writing to it would raise SIGPIPE */
    if (poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) {
        return false;
    }
    do {
        done = write(sink.fd, text, len);
    } while (done < 0 && errno == EINTR);
    return done >= 0;
}

/* Under lock. Puts the line end on. */
static void write_line(char *line, size_t len)
{
    line[len++] = '\n';
    if (sink.lost > 0) {
        char note[64];
        int note_len = snprintf(note, sizeof(note), "(%u log lines lost)\n", sink.lost);

        if (!write_now(note, (size_t)note_len)) {
            sink.lost++;
            return;
        }
        sink.lost = 0;
    }
    if (!write_now(line, len)) {
        sink.lost++;
    }
}

void log_line(enum log_level level, const char *format, ...)
{
    size_t size = level <= LEVEL_ERROR ? LINE_MAX_ERROR : LINE_MAX_NORMAL;
    int saved = errno;
    char text[LINE_MAX_ERROR];
    char line[LINE_MAX_ERROR];
    size_t len;
    va_list args;

    if (!log_enabled(level)) {
        return;
    }
    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0) {
        text[0] = 0;
    }
    va_end(args);
    pthread_mutex_lock(&lock);
    if (sink.use_syslog) {
        escape(text, line, size);
        syslog(priority_of(level), "%s%s", word_of(level, true), line);
    } else {
        len = (size_t)snprintf(line, size, "%s%s", sink.prefix, word_of(level, false));
        /* the byte for the NUL becomes the line end */
        len += escape(text, line + len, size - len);
        write_line(line, len);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
}

/* Under lock: the lines of text to syslog, one by one. */
static void raw_to_syslog(enum log_level level, const char *text)
{
    while (*text) {
        int len = (int)strcspn(text, "\n");

        syslog(priority_of(level), "%s%.*s", word_of(level, true), len, text);
        text += len;
        text += *text == '\n';
    }
}

void log_raw(enum log_level level, const char *text)
{
    int saved = errno;
    size_t left = strlen(text);

    if (!log_enabled(level)) {
        return;
    }
    pthread_mutex_lock(&lock);
    if (sink.use_syslog) {
        raw_to_syslog(level, text);
        left = 0;
    }
    while (left > 0) {
        size_t len = left < LINE_MAX_ERROR ? left : LINE_MAX_ERROR;

        if (!write_now(text, len)) {
            sink.lost++;
            break;
        }
        text += len;
        left -= len;
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
}
