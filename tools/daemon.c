/*
 * Background, PID file, signals and limits.
 */
#include "tools/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/log.h"
#include "tools/paths.h"

/* Signal handlers reach nothing else. */
static _Atomic(struct worker *) signal_worker;
static volatile sig_atomic_t waiting_for;

static char pid_path[PATHS_MAX];

void daemon_own_stdio(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
}

void daemon_no_stdin(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd > 2) {
        dup2(fd, STDIN_FILENO);
        close(fd);
    }
}

/* ---- background ---------------------------------------------------------------------------- */

static void pass_on(int number)
{
    if (waiting_for > 0) {
        kill((pid_t)waiting_for, number);
    }
}

/* The parent: its exit status is the child's word, or that of its death. */
static _Noreturn void wait_for_child(pid_t child, int fd)
{
    struct sigaction action = {.sa_handler = pass_on};
    waiting_for = (sig_atomic_t)child;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (;;) {
        char byte;
        ssize_t n = read(fd, &byte, 1);
        if (n == 1) {
            _exit(0);
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        break;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    /* gone before it was ready; a clean end on a signal is not what the caller asked for either */
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
    _exit(code);
}

int daemon_fork(struct daemon *daemon, bool keep_stderr)
{
    int fds[2];
    *daemon = (struct daemon){.ready_fd = -1, .keep_stderr = keep_stderr};
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return -errno;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(fds[0]);
        close(fds[1]);
        return -error;
    }
    if (child > 0) {
        close(fds[1]);
        wait_for_child(child, fds[0]);
    }
    close(fds[0]);
    daemon->ready_fd = fds[1];
    return 0;
}

void daemon_ready(struct daemon *daemon)
{
    if (daemon->ready_fd < 0) {
        return;
    }
    fflush(NULL);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        if (!daemon->keep_stderr) {
            dup2(null, STDERR_FILENO);
        }
        if (null > 2) {
            close(null);
        }
    }
    char byte = 0;
    while (write(daemon->ready_fd, &byte, 1) < 0 && errno == EINTR) {
    }
    close(daemon->ready_fd);
    daemon->ready_fd = -1;
}

/* ---- PID file ------------------------------------------------------------------------------ */

bool daemon_write_pid(const char *path)
{
    char text[32];
    if (path == NULL) {
        return true;
    }
    /* kept absolute, since it must still be found at the end */
    char folder[PATHS_MAX] = "";
    bool absolute = path[0] == '/';
    if (!absolute && getcwd(folder, sizeof folder) == NULL) {
        folder[0] = '\0';
    }
    int used = snprintf(pid_path, sizeof pid_path, "%s%s%s", absolute ? "" : folder,
                        absolute ? "" : "/", path);
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int fd = -1;
    if (used > 0 && (size_t)used < sizeof pid_path) {
        fd = open(pid_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    } else {
        errno = ENAMETOOLONG;
    }
    bool good = fd >= 0 && write(fd, text, (size_t)len) == len;
    if (!good) {
        log_line(LEVEL_ERROR, "Couldn't create pid file \"%s\": %s", path, strerror(errno));
        pid_path[0] = '\0';
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

void daemon_remove_pid(void)
{
    struct stat status;
    /* a device that somebody named as PID file is not ours to remove */
    if (pid_path[0] != '\0' && lstat(pid_path, &status) == 0 && S_ISREG(status.st_mode)) {
        unlink(pid_path);
    }
    pid_path[0] = '\0';
}

/* ---- signals ------------------------------------------------------------------------------- */

static void tell_worker(int number)
{
    int error = errno;
    struct worker *worker = atomic_load(&signal_worker);
    if (worker != NULL) {
        worker_signal(worker, number);
    }
    errno = error;
}

void daemon_signals(struct worker *worker)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = worker != NULL ? tell_worker : SIG_DFL};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    sigemptyset(&ignore.sa_mask);
    action.sa_flags = SA_RESTART;
    atomic_store(&signal_worker, worker);
    sigaction(SIGPIPE, &ignore, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* what nohup ignores stays ignored */
        bool spared = numbers[i] == SIGHUP && sigaction(numbers[i], NULL, &before) == 0 &&
                      before.sa_handler == SIG_IGN;
        if (!spared) {
            sigaction(numbers[i], &action, NULL);
        }
    }
}

void daemon_raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        log_line(LEVEL_DEBUG1, "can't raise the limit of descriptors: %s", strerror(errno));
    }
}
