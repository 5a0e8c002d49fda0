/*
 * The grammar of -L and LocalForward (ssh(1)), with TCP on both sides.
 *
 *     [bind_address:]port:host:hostport
 *
 * A field in brackets is taken literally, which is how IPv6 addresses are written; a backslash
 * takes the next character literally. Ports are numbers or names of services.
 */
#ifndef CULVERT_TOOLS_FORWARD_H
#define CULVERT_TOOLS_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* what fits an error sentence with the user's text in it */
    FORWARD_ERROR_SIZE = 512,
    /* names from here on are refused, as by OpenSSH (NI_MAXHOST) */
    FORWARD_HOST_MAX = 1025,
};

struct forward {
    /* false: the loopback addresses, or all with -g */
    bool bind_given;
    /* NULL unless given; "*" for every address, also when it was given empty */
    char *bind;
    uint16_t listen_port;
    char *host;
    uint16_t host_port;
};

/* False: ret_error says why in one sentence, ret_forward is empty. Otherwise: forward_free. */
__attribute__((warn_unused_result)) bool forward_parse(const char *spec,
                                                       struct forward *ret_forward,
                                                       char ret_error[FORWARD_ERROR_SIZE]);

/* LocalForward's two words "[bind_address:]port" and "host:hostport". */
__attribute__((warn_unused_result)) bool forward_parse_words(const char *listen, const char *target,
                                                             struct forward *ret_forward,
                                                             char ret_error[FORWARD_ERROR_SIZE]);

/* Leaves it empty; fine for an empty one. */
void forward_free(struct forward *forward);

#endif
