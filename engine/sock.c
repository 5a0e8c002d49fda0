/*
 * Sockets with the options that this project wants.
 */
#include "engine/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int make(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int bind_and_listen(int fd, const struct sockaddr *addr, socklen_t len)
{
    int r = 0;
    if (addr->sa_family == AF_INET || addr->sa_family == AF_INET6) {
        r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (r == 0 && addr->sa_family == AF_INET6) {
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (r < 0) {
        return r;
    }
    if (bind(fd, addr, len) < 0 || listen(fd, SOMAXCONN) < 0) {
        return -errno;
    }
    return 0;
}

int sock_listen(const struct sockaddr *addr, socklen_t len)
{
    int fd = make(addr->sa_family);
    if (fd < 0) {
        return fd;
    }
    int r = bind_and_listen(fd, addr, len);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

int sock_for_connect(int family, const struct sockaddr *bind_addr, socklen_t bind_len)
{
    int fd = make(family);
    if (fd < 0 || bind_addr == NULL) {
        return fd;
    }
    if (bind(fd, bind_addr, bind_len) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int sock_local(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
    *ret_len = sizeof(*ret_addr);
    return getsockname(fd, (struct sockaddr *)ret_addr, ret_len) < 0 ? -errno : 0;
}

int sock_peer(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
    *ret_len = sizeof(*ret_addr);
    return getpeername(fd, (struct sockaddr *)ret_addr, ret_len) < 0 ? -errno : 0;
}

int sock_set_nodelay(int fd)
{
    int r = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return r == -EOPNOTSUPP || r == -ENOPROTOOPT ? 0 : r;
}

int sock_set_keepalive(int fd, bool on)
{
    return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
}

int sock_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

int sock_shutdown(int fd)
{
    return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
}

int sock_set_abort(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ? -errno : 0;
}
