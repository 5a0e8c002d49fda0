/*
 * One question to a running ssh-agent, over its unix socket, with a limit on the time it takes.
 */
#ifndef CULVERT_TOOLS_AGENT_SOCKET_H
#define CULVERT_TOOLS_AGENT_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sends request[0..len) on a connection of its own and waits for the answer. *ret_body is malloced.
 * 0 or a negative errno: -ETIMEDOUT, -EPROTO for what is no agent, -EPIPE when it hung up.
 */
__attribute__((warn_unused_result)) int agent_socket_ask(const char *path, const uint8_t *request,
                                                         size_t len, int timeout_ms,
                                                         uint8_t **ret_body, size_t *ret_len);

#endif
