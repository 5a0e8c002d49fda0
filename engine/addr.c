/*
 * Socket addresses as numbers and text.
 */
#include "engine/addr.h"

#include <assert.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static_assert(ADDR_HOST_SIZE > sizeof(((struct sockaddr_un *)0)->sun_path),
              "a path and its NUL fit");
static_assert(ADDR_HOST_SIZE > INET6_ADDRSTRLEN + 1 + IF_NAMESIZE, "a scoped address fits");

/* Copies out: the caller's memory is not aligned or typed for the family. */
static bool get_v4(const struct sockaddr *addr, socklen_t len, struct sockaddr_in *ret_v4)
{
    if (len < sizeof(*ret_v4) || addr->sa_family != AF_INET) {
        return false;
    }
    memcpy(ret_v4, addr, sizeof(*ret_v4));
    return true;
}

static bool get_v6(const struct sockaddr *addr, socklen_t len, struct sockaddr_in6 *ret_v6)
{
    if (len < sizeof(*ret_v6) || addr->sa_family != AF_INET6) {
        return false;
    }
    memcpy(ret_v6, addr, sizeof(*ret_v6));
    return true;
}

static bool is_unix(const struct sockaddr *addr, socklen_t len)
{
    return len >= sizeof(sa_family_t) && addr->sa_family == AF_UNIX;
}

static struct in_addr mapped_v4(const struct in6_addr *v6)
{
    struct in_addr v4;
    memcpy(&v4, v6->s6_addr + 12, sizeof(v4));
    return v4;
}

/* ---- parsing ------------------------------------------------------------------------------ */

static bool parse_scope(const char *text, uint32_t *ret_scope)
{
    if (*text == '\0') {
        return false;
    }
    uint32_t scope = if_nametoindex(text);
    if (scope == 0) {
        /* strtoul would take a sign and spaces, so the digits are checked first */
        if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 9) {
            return false;
        }
        scope = (uint32_t)strtoul(text, NULL, 10);
    }
    *ret_scope = scope;
    return scope != 0;
}

/* text without brackets */
static bool parse_v6(const char *text, struct sockaddr_in6 *v6)
{
    char host[INET6_ADDRSTRLEN];
    size_t host_len = strcspn(text, "%");
    if (host_len >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1) {
        return false;
    }
    return text[host_len] == '\0' || parse_scope(text + host_len + 1, &v6->sin6_scope_id);
}

static bool parse_bracketed(const char *text, struct sockaddr_in6 *v6)
{
    char host[ADDR_HOST_SIZE];
    size_t len = strlen(text);
    if (len < 2 || text[len - 1] != ']' || len - 2 >= sizeof(host)) {
        return false;
    }
    memcpy(host, text + 1, len - 2);
    host[len - 2] = '\0';
    return parse_v6(host, v6);
}

bool addr_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_addr,
                socklen_t *ret_len)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memset(ret_addr, 0, sizeof(*ret_addr));
        memcpy(ret_addr, &v4, sizeof(v4));
        *ret_len = sizeof(v4);
        return true;
    }
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (text[0] == '[' ? !parse_bracketed(text, &v6) : !parse_v6(text, &v6)) {
        return false;
    }
    memset(ret_addr, 0, sizeof(*ret_addr));
    memcpy(ret_addr, &v6, sizeof(v6));
    *ret_len = sizeof(v6);
    return true;
}

/* ---- printing ----------------------------------------------------------------------------- */

static void print_v6(const struct sockaddr_in6 *v6, char *text)
{
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        struct in_addr v4 = mapped_v4(&v6->sin6_addr);
        inet_ntop(AF_INET, &v4, text, ADDR_HOST_SIZE);
        return;
    }
    inet_ntop(AF_INET6, &v6->sin6_addr, text, ADDR_HOST_SIZE);
    if (v6->sin6_scope_id != 0) {
        size_t used = strlen(text);
        char name[IF_NAMESIZE];
        if (if_indextoname(v6->sin6_scope_id, name) != NULL) {
            snprintf(text + used, ADDR_HOST_SIZE - used, "%%%s", name);
        } else {
            snprintf(text + used, ADDR_HOST_SIZE - used, "%%%u", (unsigned)v6->sin6_scope_id);
        }
    }
}

static void print_path(const struct sockaddr *addr, socklen_t len, char *text)
{
    size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
    const char *path = (const char *)addr + offsetof(struct sockaddr_un, sun_path);
    if (len <= offsetof(struct sockaddr_un, sun_path) || path_len >= ADDR_HOST_SIZE) {
        snprintf(text, ADDR_HOST_SIZE, "UNIX socket");
    } else if (path[0] == '\0') {
        /* an abstract name: written with @, as ss and others do */
        snprintf(text, ADDR_HOST_SIZE, "@%.*s", (int)(path_len - 1), path + 1);
    } else {
        snprintf(text, ADDR_HOST_SIZE, "%.*s", (int)path_len, path);
    }
}

const char *addr_host(const struct sockaddr *addr, socklen_t len, char text[ADDR_HOST_SIZE])
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (get_v4(addr, len, &v4)) {
        inet_ntop(AF_INET, &v4.sin_addr, text, ADDR_HOST_SIZE);
    } else if (get_v6(addr, len, &v6)) {
        print_v6(&v6, text);
    } else if (is_unix(addr, len)) {
        print_path(addr, len, text);
    } else {
        snprintf(text, ADDR_HOST_SIZE, "UNKNOWN");
    }
    return text;
}

const char *addr_format(const struct sockaddr *addr, socklen_t len, char text[ADDR_TEXT_SIZE])
{
    addr_host(addr, len, text);
    if (!is_unix(addr, len)) {
        size_t used = strlen(text);
        snprintf(text + used, ADDR_TEXT_SIZE - used, " port %u", (unsigned)addr_port(addr, len));
    }
    return text;
}

/* ---- parts -------------------------------------------------------------------------------- */

uint16_t addr_port(const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (get_v4(addr, len, &v4)) {
        return ntohs(v4.sin_port);
    }
    return get_v6(addr, len, &v6) ? ntohs(v6.sin6_port) : 0;
}

void addr_set_port(struct sockaddr_storage *addr, uint16_t port)
{
    in_port_t network = htons(port);
    size_t at = 0;
    if (addr->ss_family == AF_INET) {
        at = offsetof(struct sockaddr_in, sin_port);
    } else if (addr->ss_family == AF_INET6) {
        at = offsetof(struct sockaddr_in6, sin6_port);
    } else {
        return;
    }
    memcpy((char *)addr + at, &network, sizeof(network));
}

bool addr_equal(const struct sockaddr *a, socklen_t a_len, const struct sockaddr *b,
                socklen_t b_len)
{
    struct sockaddr_in a4;
    struct sockaddr_in b4;
    if (get_v4(a, a_len, &a4) && get_v4(b, b_len, &b4)) {
        return a4.sin_addr.s_addr == b4.sin_addr.s_addr && a4.sin_port == b4.sin_port;
    }
    struct sockaddr_in6 a6;
    struct sockaddr_in6 b6;
    if (get_v6(a, a_len, &a6) && get_v6(b, b_len, &b6)) {
        return memcmp(&a6.sin6_addr, &b6.sin6_addr, sizeof(a6.sin6_addr)) == 0 &&
               a6.sin6_port == b6.sin6_port && a6.sin6_scope_id == b6.sin6_scope_id;
    }
    if (is_unix(a, a_len) && is_unix(b, b_len)) {
        return a_len == b_len && memcmp(a, b, a_len) == 0;
    }
    return false;
}

static bool is_loopback_v4(struct in_addr v4)
{
    return ntohl(v4.s_addr) >> 24 == 127;
}

bool addr_is_loopback(const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (get_v4(addr, len, &v4)) {
        return is_loopback_v4(v4.sin_addr);
    }
    if (!get_v6(addr, len, &v6)) {
        return is_unix(addr, len);
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        return is_loopback_v4(mapped_v4(&v6.sin6_addr));
    }
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool addr_is_wildcard(const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (get_v4(addr, len, &v4)) {
        return v4.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    return get_v6(addr, len, &v6) && IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

void addr_unmap(struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_in6 v6;
    if (!get_v6((const struct sockaddr *)addr, *len, &v6) || !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        return;
    }
    struct sockaddr_in v4 = {
        .sin_family = AF_INET,
        .sin_port = v6.sin6_port,
        .sin_addr = mapped_v4(&v6.sin6_addr),
    };
    memset(addr, 0, sizeof(*addr));
    memcpy(addr, &v4, sizeof(v4));
    *len = sizeof(v4);
}
