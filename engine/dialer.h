/*
 * The dialer: from a host name to a connected socket, without ever blocking the loop.
 *
 *     resolve (numeric at once, names through the broker) -> each address in turn -> done
 *
 * One limit holds for all of it; each address gets its share of what is left, so that a black hole
 * in front does not eat the time of the next.
 */
#ifndef CULVERT_ENGINE_DIALER_H
#define CULVERT_ENGINE_DIALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/worker.h"

struct dialer;

enum { DIALER_TEXT_MAX = BROKER_TEXT_MAX };

struct dialer_result {
    /* connected and the receiver's; -1: failed */
    int fd;
    struct sockaddr_storage addr;
    /* of a failure: no address was found, or none could be connected to (the last one's reason),
     * as one phrase such as "Connection refused" or "Name or service not known" */
    bool lookup_failed;
    char text[DIALER_TEXT_MAX];
};

struct dialer_config {
    const char *host;
    uint16_t port;
    int family;
    /* numeric source address, NULL: any; addresses of another family are skipped */
    const char *bind_address;
    /* 0: the system's limit */
    int64_t timeout_ns;
    /* see broker_request */
    uint64_t asker;
    /* in front of its debug lines, such as "channel 3: " */
    const char *prefix;
    /* once, inside the loop, never from dialer_start; the dialer is gone after it */
    void (*on_done)(void *ctx, const struct dialer_result *result);
    void *ctx;
};

/* Copies the configuration. NULL: out of memory. */
struct dialer *dialer_start(struct worker *worker, const struct dialer_config *config);
/* No callback any more; the dialer frees itself once the kernel lets go. */
void dialer_cancel(struct dialer *dialer);

#endif
