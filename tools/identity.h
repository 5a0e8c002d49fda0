/*
 * The user's keys: files and what a running ssh-agent holds, in the order in which they are tried.
 */
#ifndef CULVERT_TOOLS_IDENTITY_H
#define CULVERT_TOOLS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "crypto/sign.h"
#include "engine/broker.h"
#include "engine/client.h"
#include "tools/client_options.h"

enum {
    IDENTITY_MAX = 128,
    IDENTITY_NAME_SIZE = 512,
    /* an agent may ask its owner, or a hardware key for a touch */
    IDENTITY_AGENT_LIST_MS = 5000,
    IDENTITY_AGENT_SIGN_MS = 120000,
};

struct identity {
    uint8_t *blob;
    size_t blob_len;
    char name[IDENTITY_NAME_SIZE];
    /* the private half is here; otherwise the agent has it */
    bool own;
    struct sign_key key;
};

/* The owner calls identity_wipe. All zero is a good empty one. */
struct identities {
    struct identity keys[IDENTITY_MAX];
    /* the same for client_config; list[i].index is i */
    struct client_identity list[IDENTITY_MAX];
    size_t count;
    /* "" when no agent is used */
    char agent[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/*
 * Keys that were named by -i or IdentityFile first, from the file or, where the agent holds the
 * private half, from there; then the agent's other keys (not with IdentitiesOnly); then
 * ~/.ssh/id_ed25519 when none was named. What can't be used is told by log lines, and it may be
 * that none is left.
 */
void identity_load(struct identities *identities, const struct client_options *options);
void identity_wipe(struct identities *identities);

/* BROKER_SIGN_USER. Any thread. */
void identity_sign(const struct identities *identities, const struct broker_request *request,
                   struct broker_reply *reply);

#endif
