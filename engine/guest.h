/*
 * A guest: one connection of the server's, from its first byte to its last: login, and the channels
 * that it opens (policy, dial, relay).
 */
#ifndef CULVERT_ENGINE_GUEST_H
#define CULVERT_ENGINE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/server.h"

struct guest;

/* Dials of one session that run at once; more channels, up to the session's bound, wait in order.
 * A burst of opens is normal, and a wait is shorter than a refusal and a second try. */
enum { GUEST_DIALS_MAX = 512 };

struct guest_hooks {
    /* logged in: it no longer counts as a startup */
    void (*on_login)(void *ctx, struct guest *guest);
    /* gone, and freed after the return; in_login: on_login has not been called */
    void (*on_gone)(void *ctx, struct guest *guest, bool in_login);
    void *ctx;
};

/* Takes the descriptor in any case. hooks and config outlive it. NULL: out of memory. */
struct guest *guest_make(struct worker *worker, const struct server_config *config, int fd,
                         const struct sockaddr_storage *peer, const struct guest_hooks *hooks);
/* Says goodbye; on_gone follows. */
void guest_dismiss(struct guest *guest);
/* Tears it down at once; on_gone follows in one of the next turns. */
void guest_abort(struct guest *guest);

/* For whoever keeps a list. */
struct guest *guest_next(const struct guest *guest);
void guest_link(struct guest *guest, struct guest **list);
void guest_unlink(struct guest *guest, struct guest **list);

#endif
