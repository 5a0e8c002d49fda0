/*
 * The client's role: reach the server, log in, and forward local ports through it.
 *
 *     dial -> host key -> keys offered one by one -> listeners -> ready -> ... -> end
 *
 * A client lives on one worker. It prints nothing but log lines; what a user must be told at the
 * end is handed to on_end.
 */
#ifndef CULVERT_ENGINE_CLIENT_H
#define CULVERT_ENGINE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/worker.h"
#include "proto/err.h"
#include "proto/session.h"

struct client;

/* A key to try, in this order. */
struct client_identity {
    /* public key in SSH form (string type, ...); its first string is the key's type */
    const uint8_t *blob;
    size_t blob_len;
    /* broker_request.identity of BROKER_SIGN_USER; flags there are the agent protocol's
     * (2: rsa-sha2-256, 4: rsa-sha2-512), 0 for other keys */
    uint32_t index;
    /* ask the server whether the key would do before it is used (agent keys, which may ask their
     * owner; keys with a passphrase); without it one round trip is saved */
    bool probe;
    /* for the log: "/home/u/.ssh/id_ed25519", "comment (agent)" */
    const char *name;
};

/* One -L. */
struct client_forward {
    /* NULL: absent (loopback, or everywhere with gateway_ports); "" or "*": everywhere;
     * "localhost": loopback of every family; else resolved as it is */
    const char *bind;
    uint16_t port;
    const char *host;
    uint16_t host_port;
};

/* Why and how it ended. */
struct client_end {
    /* true: client_stop was called and the goodbye went well; the exit status is 0 */
    bool stopped;
    /* on_ready had been called */
    bool was_ready;
    /* ERR_OK when it ended outside of the session (no connection, forwards refused) */
    enum err err;
    /* one sentence for the user in ssh's words, such as "connect to host h port 22: Connection
     * refused" or "u@h: Permission denied (publickey)."; "" when there is nothing to say. Has
     * bytes of the peer in it: print with log_line. */
    const char *text;
};

/* Strings and arrays must live as long as the client. */
struct client_config {
    /* the name to connect to, and what the user called it (messages; NULL: host) */
    const char *host;
    const char *host_shown;
    uint16_t port;
    /* AF_UNSPEC, AF_INET or AF_INET6, for the connection and for the forwards' bind names */
    int family;
    /* -b: source address, NULL: any */
    const char *bind_address;
    /* for reaching the server and the first key exchange; 0: the system's limit */
    int64_t connect_timeout_ns;
    /* SO_KEEPALIVE on the connection */
    bool tcp_keepalive;

    /* user, algorithms, rekey, alive, allow_trivial_auth, software; role, entropy, memory, cells
     * and connect_ns are filled in by the client */
    struct session_config session;

    const struct client_identity *identities;
    size_t identities_count;

    const struct client_forward *forwards;
    size_t forwards_count;
    bool gateway_ports;
    /* a forward that can bind nothing ends the client; otherwise it is only logged */
    bool exit_on_forward_failure;

    /* Callbacks, inside the loop; each may be NULL. */

    /* text as the server sent it: escape it */
    void (*on_banner)(void *ctx, const uint8_t *bytes, size_t len);
    /* logged in and every forward is up (or has failed, when that is allowed): once */
    void (*on_ready)(void *ctx);
    /* everything is closed; the last callback: once after client_start, unless client_free comes
     * first. May call worker_quit; may not call client_free. */
    void (*on_end)(void *ctx, const struct client_end *end);
    void *ctx;
};

/* Copies the configuration, not what it points to. NULL: out of memory. */
struct client *client_make(struct worker *worker, const struct client_config *config);
/* Begins; everything further comes by callback. */
void client_start(struct client *client);
/* Says goodbye ("disconnected by user") and ends within about a second; on_end follows. Harmless
 * when called twice or after the end. */
void client_stop(struct client *client);
/* Best after on_end; before it, what is open is torn down at once. Not from a callback. */
void client_free(struct client *client);

/* The port that forward index listens on, 0: none. For a forward whose port is 0. */
uint16_t client_forward_port(const struct client *client, size_t index);
/* Channels that are open or being opened. */
size_t client_channels(const struct client *client);

#endif
