/*
 * Socket addresses as numbers and text. No name is looked up here; only the names of interfaces in
 * scopes (fe80::1%eth0) are.
 */
#ifndef CULVERT_ENGINE_ADDR_H
#define CULVERT_ENGINE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    /* the longest host that addr_host writes, with its NUL: a path of a Unix socket */
    ADDR_HOST_SIZE = 112,
    /* and what addr_format writes */
    ADDR_TEXT_SIZE = ADDR_HOST_SIZE + 16,
};

/*
 * Four decimal numbers, or an IPv6 address with an optional %scope, the latter also in brackets.
 * False for anything else; then the results are untouched.
 */
bool addr_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_addr,
                socklen_t *ret_len);

/* The host as OpenSSH prints it: numeric, ::ffff:1.2.3.4 as 1.2.3.4, a scope by its interface's
 * name; the path of a Unix socket; "UNKNOWN" for other families. Returns text. */
const char *addr_host(const struct sockaddr *addr, socklen_t len, char text[ADDR_HOST_SIZE]);
/* "192.0.2.1 port 22", as in OpenSSH's log lines; a Unix socket has no port. Returns text. */
const char *addr_format(const struct sockaddr *addr, socklen_t len, char text[ADDR_TEXT_SIZE]);

/* 0 for families without ports. */
uint16_t addr_port(const struct sockaddr *addr, socklen_t len);
void addr_set_port(struct sockaddr_storage *addr, uint16_t port);

/* Same family, host, scope and port. IPv4 and its mapped form are different: unmap first. */
bool addr_equal(const struct sockaddr *a, socklen_t a_len, const struct sockaddr *b,
                socklen_t b_len);
/* 127.0.0.0/8, ::1, the former mapped, and Unix sockets. */
bool addr_is_loopback(const struct sockaddr *addr, socklen_t len);
/* 0.0.0.0 or ::. */
bool addr_is_wildcard(const struct sockaddr *addr, socklen_t len);
/* ::ffff:1.2.3.4 becomes 1.2.3.4; other addresses stay. */
void addr_unmap(struct sockaddr_storage *addr, socklen_t *len);

#endif
