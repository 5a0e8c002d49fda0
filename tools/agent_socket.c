/*
 * Talks to ssh-agent. Runs at the start and on broker threads, so it may wait, but not for ever.
 */
#include "tools/agent_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/agent.h"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        if (left <= 0) {
            return -ETIMEDOUT;
        }
        struct pollfd wait = {.fd = fd, .events = events};
        int ready = poll(&wait, 1, (int)left);
        if (ready > 0) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return -errno;
        }
    }
}

/* The whole buffer, in or out. */
static int move_all(int fd, uint8_t *in, const uint8_t *out, size_t len, int64_t deadline)
{
    while (len > 0) {
        int error = wait_for(fd, out != NULL ? POLLOUT : POLLIN, deadline);
        if (error < 0) {
            return error;
        }
        ssize_t n = out != NULL ? send(fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT)
                                : recv(fd, in, len, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EPIPE;
        }
        in = in != NULL ? in + n : NULL;
        out = out != NULL ? out + n : NULL;
        len -= (size_t)n;
    }
    return 0;
}

static int talk(int fd, const uint8_t *request, size_t len, int64_t deadline, uint8_t **ret_body,
                size_t *ret_len)
{
    uint8_t head[AGENT_HEAD_LEN];
    int error = move_all(fd, NULL, request, len, deadline);
    if (error == 0) {
        error = move_all(fd, head, NULL, sizeof head, deadline);
    }
    if (error < 0) {
        return error;
    }
    if (!agent_body_len(head, ret_len)) {
        return -EPROTO;
    }
    *ret_body = malloc(*ret_len);
    if (*ret_body == NULL) {
        return -ENOMEM;
    }
    error = move_all(fd, *ret_body, NULL, *ret_len, deadline);
    if (error < 0) {
        free(*ret_body);
        *ret_body = NULL;
    }
    return error;
}

int agent_socket_ask(const char *path, const uint8_t *request, size_t len, int timeout_ms,
                     uint8_t **ret_body, size_t *ret_len)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    *ret_body = NULL;
    *ret_len = 0;
    if (strlen(path) >= sizeof addr.sun_path) {
        return -ENAMETOOLONG;
    }
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    /* on a unix socket, connect never stays in progress: it is done, or the backlog is full */
    int error = connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
    if (error == 0) {
        error = talk(fd, request, len, now_ms() + timeout_ms, ret_body, ret_len);
    }
    close(fd);
    return error;
}
