/*
 * A logged-in session against a script: fuzz bytes choose what the peer sends under valid keys and
 * what our own side does meanwhile.
 */
#ifndef CULVERT_TESTS_SUPPORT_PLAY_H
#define CULVERT_TESTS_SUPPORT_PLAY_H

#include "proto/session.h"
#include "tests/support/script.h"

/* Plays it to its end. Checks that nothing is read of the session that is no packet, that events
 * come in an order that can be, and that all memory is home at the end. */
void play_run(struct script *script, enum session_role role);

#endif
