/*
 * A client and a server session against each other, in memory and in virtual time.
 */
#ifndef CULVERT_TESTS_SUPPORT_PAIR_H
#define CULVERT_TESTS_SUPPORT_PAIR_H

#include "tests/support/end.h"

struct pair {
    struct end client, server;
    int64_t now;
    /* what one turn moves in one direction at most; 0: all */
    size_t step_max;
    /* nothing is taken from this side's output */
    bool client_mute, server_mute;
    /* the streams, when they are recorded */
    bool record;
    struct bytes to_server, to_client;
};

/* Both configurations may be changed until pair_start. */
void pair_make(struct pair *pair, uint64_t seed);
void pair_start(struct pair *pair);
/* Ends both; all memory must be home. */
void pair_free(struct pair *pair);

/* One exchange of bytes in both directions; false: nothing moved. */
bool pair_turn(struct pair *pair);
/* Turns until nothing moves any more. */
void pair_run(struct pair *pair);
/* Time goes on, with the ticks that are due on the way. */
void pair_wait(struct pair *pair, int64_t ns);

/* Both are logged in. */
bool pair_ready(const struct pair *pair);
/* Starts, logs in, opens one channel; its number on both sides is in client.channel and
 * server.channel. */
void pair_open(struct pair *pair);

#endif
