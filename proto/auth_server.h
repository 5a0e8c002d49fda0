/*
 * Logging in, server side (RFC 4252): publickey with ssh-ed25519. The session verifies signatures;
 * whether a key may log in as a user is asked upward. Private to proto.
 */
#ifndef CULVERT_PROTO_AUTH_SERVER_H
#define CULVERT_PROTO_AUTH_SERVER_H

#include "proto/transport.h"

struct auth_server {
    struct transport *transport;
    bool banner_sent;
    /* a verdict is outstanding, and no further request is read */
    bool waiting;
    bool waiting_signed;
    bool user_known;
    uint32_t failures;
    uint32_t requests;
    char user[LIMIT_USER + 1];
    /* the key that was asked about: string "ssh-ed25519", string of 32 bytes */
    uint8_t key[64];
    uint32_t key_len;
};

void auth_server_take_service(struct auth_server *auth, struct slice payload);
void auth_server_take_request(struct auth_server *auth, struct slice payload);
void auth_server_verdict(struct auth_server *auth, bool allowed);

#endif
