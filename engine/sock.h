/*
 * Sockets with the options that this project wants, always non-blocking and close-on-exec.
 * Everything returns a descriptor or 0, or a negative errno.
 */
#ifndef CULVERT_ENGINE_SOCK_H
#define CULVERT_ENGINE_SOCK_H

#include <stdbool.h>
#include <sys/socket.h>

/* A listening socket; port 0 lets the kernel choose, see sock_local. An IPv6 one takes no IPv4. */
int sock_listen(const struct sockaddr *addr, socklen_t len);
/* A socket for io_connect, bound to bind_addr unless that is NULL. */
int sock_for_connect(int family, const struct sockaddr *bind_addr, socklen_t bind_len);

/* The address of this end or of the other. */
int sock_local(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len);
int sock_peer(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len);

/* Small packets go at once. Other than TCP: nothing to do, 0. */
int sock_set_nodelay(int fd);
int sock_set_keepalive(int fd, bool on);
/* The end of our stream: the peer reads it after all that was sent. */
int sock_shutdown_write(int fd);
/* Both directions; ops that wait end soon. */
int sock_shutdown(int fd);
/* Makes the coming close drop what is unsent and send a reset. */
int sock_set_abort(int fd);

#endif
