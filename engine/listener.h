/*
 * A listener: the listening sockets of one name, all on one port.
 */
#ifndef CULVERT_ENGINE_LISTENER_H
#define CULVERT_ENGINE_LISTENER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/worker.h"

struct listener;

enum { LISTENER_SOCKETS_MAX = BROKER_ADDRS_MAX };

struct listener_config {
    /* ports are set already; where the first is 0, the kernel's choice holds for all */
    const struct sockaddr_storage *addrs;
    size_t count;
    /* during listener_make, for each address that can't be used; may be NULL */
    void (*on_refused)(void *ctx, const struct sockaddr_storage *addr, int error);
    /* inside the loop, a connection: fd is the receiver's. local is the socket it came in by. */
    void (*on_accept)(void *ctx, int fd, const struct sockaddr_storage *peer,
                      const struct sockaddr_storage *local);
    void *ctx;
};

/* Binds at once; success when any address was bound. NULL: *ret_error is the first refusal. */
struct listener *listener_make(struct worker *worker, const struct listener_config *config,
                               int *ret_error);
/* No callback any more; the sockets are closed once the kernel lets go. */
void listener_close(struct listener *listener);

size_t listener_count(const struct listener *listener);
const struct sockaddr_storage *listener_address(const struct listener *listener, size_t index);
uint16_t listener_port(const struct listener *listener);

#endif
