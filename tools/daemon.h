/*
 * What a long-running process owes the system: background, PID file, signals, limits.
 */
#ifndef CULVERT_TOOLS_DAEMON_H
#define CULVERT_TOOLS_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/worker.h"

/* The way back to a parent that waits; all zero but ready_fd -1: there is none. */
struct daemon {
    int ready_fd;
    bool keep_stderr;
};

/* Opens 0, 1 and 2 on the null device where the caller closed them, so that no socket of ours ever
 * becomes standard output. */
void daemon_own_stdio(void);
/* Standard input is the null device from here on (-n). */
void daemon_no_stdin(void);

/*
 * Forks before anything is open that a fork would break. In the child it returns; the parent stays
 * until the child is ready or gone, passes SIGINT and SIGTERM on, and exits with the child's word.
 * 0 or a negative errno.
 */
__attribute__((warn_unused_result)) int daemon_fork(struct daemon *daemon, bool keep_stderr);
/* Cuts the child loose: own session, standard input and outputs to the null device, parent exits
 * with 0. Harmless without a parent and when called twice. */
void daemon_ready(struct daemon *daemon);

/* Writes our process id; false with an error line when it can't. path NULL: does nothing. */
bool daemon_write_pid(const char *path);
/* Removes what daemon_write_pid wrote. */
void daemon_remove_pid(void);

/* Sends SIGINT, SIGTERM and SIGHUP to the worker, and ignores SIGPIPE. NULL: back to the default
 * for SIGINT and SIGTERM; call it before the worker is freed. */
void daemon_signals(struct worker *worker);

/* As many descriptors as the system lets us have. */
void daemon_raise_limits(void);

#endif
