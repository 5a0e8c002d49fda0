/*
 * Who may log in: the AuthorizedKeysFile of a virtual user, read anew for each question, so that a
 * changed file counts at once.
 */
#ifndef CULVERT_TOOLS_AUTHORIZE_H
#define CULVERT_TOOLS_AUTHORIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/broker.h"
#include "tools/server_options.h"

enum { AUTHORIZE_FILE_MAX = 1 << 20 };

/* Strings and options must live as long as it. */
struct authorize {
    const struct server_options *options;
    /* where relative paths start and what %h is; NULL: there is no home folder */
    const char *home;
};

/* False with one sentence when no AuthorizedKeysFile of the options can ever be found. */
__attribute__((warn_unused_result)) bool authorize_start(struct authorize *authorize,
                                                         const struct server_options *options,
                                                         char *ret_why, size_t why_len);

/* BROKER_AUTHORIZE: the answer's blob is the options text of the line that admits. Any thread. */
void authorize_judge(const struct authorize *authorize, const struct broker_request *request,
                     struct broker_reply *reply);

/* A name that may stand in a path: no slash, no leading dot, no control bytes, not empty. */
bool authorize_user_valid(const char *user);

#endif
