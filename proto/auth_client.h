/*
 * Logging in, client side (RFC 4252): "none" to learn the methods, then one public key after the
 * other. Which keys there are, and who signs, is decided upward. Private to proto.
 */
#ifndef CULVERT_PROTO_AUTH_CLIENT_H
#define CULVERT_PROTO_AUTH_CLIENT_H

#include "proto/transport.h"

enum auth_client_step {
    AUTH_CLIENT_IDLE,
    AUTH_CLIENT_SERVICE, /* SERVICE_REQUEST is out */
    AUTH_CLIENT_NONE,    /* the "none" request is out */
    AUTH_CLIENT_CHOOSE,  /* AUTH_NEXT is out, to our own user */
    AUTH_CLIENT_PROBE,   /* the server is asked whether the key would do */
    AUTH_CLIENT_SIGN,    /* the signature is being made */
    AUTH_CLIENT_SIGNED,  /* the signed request is out */
};

struct auth_client {
    struct transport *transport;
    enum auth_client_step step;
    /* while a key is tried: string session_id, then the request without its signature */
    struct cell *request;
    uint32_t prefix_len;
    /* where algorithm and key stand in the request */
    struct slice algorithm, key;
    char methods[LIMIT_METHODS + 1];
};

/* After the first key exchange: asks for the service. */
void auth_client_start(struct auth_client *auth);
/* SERVICE_ACCEPT and the answers 51, 52, 53, 60. */
void auth_client_take(struct auth_client *auth, struct slice payload);
/* A key to try; see session_auth_offer. */
void auth_client_offer(struct auth_client *auth, const char *algorithm, struct slice key,
                       bool probe);
void auth_client_signature(struct auth_client *auth, struct slice signature);
void auth_client_give_up(struct auth_client *auth);
/* Gives the request's cell back. */
void auth_client_end(struct auth_client *auth);

#endif
