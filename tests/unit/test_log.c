/*
 * engine/log: levels, the look of a line, escaping, and that a stalled or closed stderr hurts
 * nobody.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log.h"

/* Sends stderr into a pipe; its reading end, which never blocks. */
static int catch_stderr(void)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    return ends[0];
}

static const char *caught(int fd)
{
    static char text[1 << 17];
    ssize_t len = read(fd, text, sizeof(text) - 1);

    text[len < 0 ? 0 : len] = 0;
    return text;
}

Test(log, level_words)
{
    enum log_level level = LEVEL_QUIET;

    cr_assert(log_level_parse("INFO", &level));
    cr_assert_eq(level, LEVEL_INFO);
    cr_assert(log_level_parse("debug", &level));
    cr_assert_eq(level, LEVEL_DEBUG1);
    cr_assert(log_level_parse("Debug1", &level));
    cr_assert_eq(level, LEVEL_DEBUG1);
    cr_assert(log_level_parse("DEBUG3", &level));
    cr_assert_eq(level, LEVEL_DEBUG3);
    cr_assert_not(log_level_parse("DEBUG4", &level));
    cr_assert_not(log_level_parse("", &level));
    cr_assert_not(log_level_parse("INFO ", &level));
    cr_assert_eq(level, LEVEL_DEBUG3);
    for (int i = LEVEL_QUIET; i <= LEVEL_DEBUG3; i++) {
        cr_assert(log_level_parse(log_level_name((enum log_level)i), &level));
        cr_assert_eq((int)level, i);
    }
    cr_assert_str_eq(log_level_name(LEVEL_DEBUG1), "DEBUG");
}

Test(log, levels_and_words)
{
    int fd = catch_stderr();

    log_line(LEVEL_VERBOSE, "hidden");
    log_line(LEVEL_INFO, "shown %d", 1);
    log_line(LEVEL_ERROR, "wrong");
    cr_assert_str_eq(caught(fd), "shown 1\nwrong\n");
    log_set_level(LEVEL_DEBUG2);
    cr_assert(log_enabled(LEVEL_DEBUG2));
    cr_assert_not(log_enabled(LEVEL_DEBUG3));
    log_line(LEVEL_DEBUG1, "one");
    log_line(LEVEL_DEBUG2, "two");
    log_line(LEVEL_DEBUG3, "three");
    log_line(LEVEL_VERBOSE, "v");
    cr_assert_str_eq(caught(fd), "debug1: one\ndebug2: two\nv\n");
    log_set_level(LEVEL_QUIET);
    log_line(LEVEL_FATAL, "x");
    log_line(LEVEL_QUIET, "x");
    log_raw(LEVEL_FATAL, "x");
    cr_assert_str_eq(caught(fd), "");
    log_set_level(LEVEL_DEBUG3);
    log_line(LEVEL_QUIET, "x");
    cr_assert_str_eq(caught(fd), "");
}

Test(log, prefix)
{
    int fd = catch_stderr();

    log_set_prefix("culvertd[7]: ");
    log_set_level(LEVEL_DEBUG1);
    log_line(LEVEL_DEBUG1, "a");
    log_set_prefix("");
    log_line(LEVEL_INFO, "b");
    cr_assert_str_eq(caught(fd), "culvertd[7]: debug1: a\nb\n");
}

Test(log, odd_bytes_are_escaped)
{
    int fd = catch_stderr();

    log_line(LEVEL_INFO, "%s|", "a\nb\r\t\033[2J\x7f\xc3\xa9~ %n\\");
    cr_assert_str_eq(caught(fd), "a\\012b\\015\\011\\033[2J\\177\\303\\251~ %n\\|\n");
}

static size_t length_of(int fd, enum log_level level, const char *text)
{
    const char *line;

    log_line(level, "%s", text);
    line = caught(fd);
    cr_assert_eq(line[strlen(line) - 1], '\n');
    return strlen(line);
}

Test(log, long_lines_are_cut)
{
    int fd = catch_stderr();
    char text[10001];
    const char *line;

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    cr_assert_eq(length_of(fd, LEVEL_INFO, text), 1024);
    cr_assert_leq(length_of(fd, LEVEL_ERROR, text), 4096);
    cr_assert_geq(length_of(fd, LEVEL_ERROR, text), 4095);
    text[1023] = 0;
    cr_assert_eq(length_of(fd, LEVEL_INFO, text), 1024);
    text[1022] = 0;
    cr_assert_eq(length_of(fd, LEVEL_INFO, text), 1023);
    /* no half escape at the cut */
    memset(text, '\n', sizeof(text) - 1);
    log_line(LEVEL_INFO, "%s", text);
    line = caught(fd);
    cr_assert_eq(strlen(line) % 4, 1);
    cr_assert_leq(strlen(line), 1024);
    cr_assert_gt(strlen(line), 1016);
}

Test(log, raw_keeps_its_lines)
{
    int fd = catch_stderr();

    log_raw(LEVEL_ERROR, "@@@@\n@  @\n\xc3\xa9\n");
    cr_assert_str_eq(caught(fd), "@@@@\n@  @\n\xc3\xa9\n");
}

Test(log, file)
{
    int fd = catch_stderr();
    char path[] = "/tmp/culvert-log-XXXXXX";
    int file = mkstemp(path);
    char text[64] = {0};

    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, "old\n", 4), 4);
    cr_assert_eq(log_open_file(path), 0);
    log_line(LEVEL_INFO, "new");
    cr_assert_eq(log_open_file("/nonexistent/log"), -ENOENT);
    log_line(LEVEL_INFO, "still");
    cr_assert_eq(log_open_file(path), 0);
    log_line(LEVEL_INFO, "again");
    cr_assert_gt(pread(file, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "old\nnew\nstill\nagain\n");
    cr_assert_str_eq(caught(fd), "");
    close(file);
    unlink(path);
}

Test(log, file_is_private)
{
    char path[] = "/tmp/culvert-log-XXXXXX";
    struct stat info;

    close(mkstemp(path));
    unlink(path);
    umask(0);
    cr_assert_eq(log_open_file(path), 0);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    unlink(path);
}

/* Nobody reads: lines are dropped, not waited for, and the loss is told. */
Test(log, full_pipe_does_not_block, .timeout = 10)
{
    int fd = catch_stderr();
    const char *text;

    for (int i = 0; i < 20000; i++) {
        log_line(LEVEL_INFO, "line %d of very many that nobody reads", i);
    }
    log_raw(LEVEL_INFO, "raw\n");
    while (*caught(fd)) {
    }
    log_line(LEVEL_INFO, "back");
    text = caught(fd);
    cr_assert(text[0] == '(' && strstr(text, "log lines lost)\nback\n"), "%s", text);
    log_line(LEVEL_INFO, "more");
    cr_assert_str_eq(caught(fd), "more\n");
}

Test(log, closed_stderr_is_harmless)
{
    int fd = catch_stderr();

    signal(SIGPIPE, SIG_DFL);
    close(fd);
    log_line(LEVEL_INFO, "to nobody");
    log_raw(LEVEL_INFO, "to nobody\n");
    close(STDERR_FILENO);
    errno = EXDEV;
    log_line(LEVEL_INFO, "to nowhere");
    log_raw(LEVEL_INFO, "to nowhere\n");
    cr_assert_eq(errno, EXDEV);
}

Test(log, syslog_is_harmless)
{
    int fd = catch_stderr();

    log_use_syslog("culvert-test");
    log_line(LEVEL_DEBUG1, "hidden");
    log_line(LEVEL_ERROR, "a\nb");
    log_raw(LEVEL_ERROR, "one\ntwo");
    cr_assert_str_eq(caught(fd), "");
}

enum { THREADS = 4, LINES = 200 };

static void *many_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        log_line(LEVEL_INFO, "%s%s", (const char *)arg, (const char *)arg);
    }
    return NULL;
}

Test(log, threads_do_not_mix_lines)
{
    static const char *const words[THREADS] = {"aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc",
                                               "dddddddddd"};
    int fd = catch_stderr();
    pthread_t threads[THREADS];
    const char *text;
    size_t lines = 0;

    for (int i = 0; i < THREADS; i++) {
        void *arg = (void *)(uintptr_t)words[i];

        cr_assert_eq(pthread_create(&threads[i], NULL, many_lines, arg), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (text = caught(fd); *text; text += 21) {
        char want[21];

        memset(want, text[0], 20);
        cr_assert_arr_eq(text, want, 20);
        cr_assert_eq(text[20], '\n');
        lines++;
    }
    cr_assert_eq(lines, THREADS * LINES);
}
