/*
 * Sockets: the options that they must have, and errors that come back as numbers.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "engine/addr.h"
#include "engine/sock.h"

static int get_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    cr_assert_eq(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static void check_flags(int fd)
{
    cr_assert_geq(fd, 0);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static int listen_on(const char *host, uint16_t port)
{
    struct sockaddr_storage addr;
    socklen_t len;
    cr_assert(addr_parse(host, port, &addr, &len));
    return sock_listen((struct sockaddr *)&addr, len);
}

static uint16_t local_port(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len;
    cr_assert_eq(sock_local(fd, &addr, &len), 0);
    return addr_port((struct sockaddr *)&addr, len);
}

/* Both ends of a connection to the listener. */
static void connect_to(int listener, int ret_pair[2])
{
    struct sockaddr_storage addr;
    socklen_t len;
    cr_assert_eq(sock_local(listener, &addr, &len), 0);
    ret_pair[0] = sock_for_connect(addr.ss_family, NULL, 0);
    check_flags(ret_pair[0]);
    int r = connect(ret_pair[0], (struct sockaddr *)&addr, len);
    cr_assert(r == 0 || errno == EINPROGRESS);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, 2000), 1);
    ret_pair[1] = accept(listener, NULL, NULL);
    cr_assert_geq(ret_pair[1], 0);
}

Test(sock, listening_socket)
{
    int fd = listen_on("127.0.0.1", 0);
    check_flags(fd);
    cr_assert_eq(get_option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    cr_assert_eq(get_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    cr_assert_gt(local_port(fd), 0);
    close(fd);
}

Test(sock, v6_takes_no_v4)
{
    int v6 = listen_on("::", 0);
    if (v6 == -EAFNOSUPPORT) {
        cr_skip("this machine has no IPv6");
    }
    check_flags(v6);
    cr_assert_eq(get_option(v6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    int v4 = listen_on("0.0.0.0", local_port(v6));
    cr_assert_geq(v4, 0);
    close(v4);
    close(v6);
}

Test(sock, listen_errors)
{
    int fd = listen_on("127.0.0.1", 0);
    cr_assert_eq(listen_on("127.0.0.1", local_port(fd)), -EADDRINUSE);
    close(fd);
    cr_assert_eq(listen_on("192.0.2.1", 0), -EADDRNOTAVAIL);
    struct sockaddr strange = {.sa_family = 12345};
    cr_assert_eq(sock_listen(&strange, sizeof(strange)), -EAFNOSUPPORT);
}

Test(sock, bound_before_connect)
{
    struct sockaddr_storage addr;
    socklen_t len;
    cr_assert(addr_parse("127.0.0.9", 0, &addr, &len));
    int fd = sock_for_connect(AF_INET, (struct sockaddr *)&addr, len);
    check_flags(fd);
    struct sockaddr_storage local;
    socklen_t local_len;
    char text[ADDR_HOST_SIZE];
    cr_assert_eq(sock_local(fd, &local, &local_len), 0);
    cr_assert_str_eq(addr_host((struct sockaddr *)&local, local_len, text), "127.0.0.9");
    cr_assert_eq(sock_peer(fd, &local, &local_len), -ENOTCONN);
    close(fd);
    cr_assert(addr_parse("192.0.2.1", 0, &addr, &len));
    cr_assert_eq(sock_for_connect(AF_INET, (struct sockaddr *)&addr, len), -EADDRNOTAVAIL);
}

Test(sock, options)
{
    int listener = listen_on("127.0.0.1", 0);
    int pair[2];
    connect_to(listener, pair);
    cr_assert_eq(sock_set_nodelay(pair[0]), 0);
    cr_assert_eq(get_option(pair[0], IPPROTO_TCP, TCP_NODELAY), 1);
    cr_assert_eq(sock_set_keepalive(pair[0], true), 0);
    cr_assert_eq(get_option(pair[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_assert_eq(sock_set_keepalive(pair[0], false), 0);
    cr_assert_eq(get_option(pair[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    struct sockaddr_storage near;
    struct sockaddr_storage far;
    socklen_t near_len;
    socklen_t far_len;
    cr_assert_eq(sock_local(pair[0], &near, &near_len), 0);
    cr_assert_eq(sock_peer(pair[1], &far, &far_len), 0);
    cr_assert(addr_equal((struct sockaddr *)&near, near_len, (struct sockaddr *)&far, far_len));
    close(pair[0]);
    close(pair[1]);
    close(listener);
    /* not TCP: nothing to do; not open: an error */
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(sock_set_nodelay(pair[0]), 0);
    close(pair[0]);
    close(pair[1]);
    cr_assert_eq(sock_set_nodelay(-1), -EBADF);
    cr_assert_eq(sock_set_keepalive(-1, true), -EBADF);
    cr_assert_eq(sock_set_abort(-1), -EBADF);
    cr_assert_eq(sock_shutdown_write(-1), -EBADF);
    cr_assert_eq(sock_shutdown(-1), -EBADF);
}

Test(sock, shutdown_and_abort)
{
    int listener = listen_on("127.0.0.1", 0);
    int pair[2];
    char byte = 0;
    connect_to(listener, pair);
    cr_assert_eq(sock_shutdown_write(pair[0]), 0);
    cr_assert_eq(read(pair[1], &byte, 1), 0);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    struct pollfd ready = {.fd = pair[0], .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, 2000), 1);
    cr_assert_eq(read(pair[0], &byte, 1), 1);
    close(pair[0]);
    close(pair[1]);
    connect_to(listener, pair);
    cr_assert_eq(sock_set_abort(pair[0]), 0);
    close(pair[0]);
    cr_assert_eq(read(pair[1], &byte, 1), -1);
    cr_assert_eq(errno, ECONNRESET);
    close(pair[1]);
    close(listener);
}
