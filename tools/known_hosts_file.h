/*
 * Is this the server we mean? The known_hosts files, StrictHostKeyChecking, and the question to
 * the user; new keys are written down.
 */
#ifndef CULVERT_TOOLS_KNOWN_HOSTS_FILE_H
#define CULVERT_TOOLS_KNOWN_HOSTS_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/broker.h"
#include "proto/known_hosts.h"
#include "tools/client_options.h"
#include "tools/paths.h"

enum {
    KNOWN_HOSTS_FILE_MAX = 16 << 20,
    KNOWN_HOSTS_FILE_COUNT = 16,
    KNOWN_HOSTS_FILE_ANSWER = 256,
};

/* Options must live as long as it. */
struct known_hosts_file {
    const struct client_options *options;
    /* the name in the files, and without the port when that is another one (else "") */
    char name[KNOWN_HOSTS_NAME_SIZE];
    char bare[KNOWN_HOSTS_NAME_SIZE];
    /* the user's files first; new keys go to the first of them */
    char paths[KNOWN_HOSTS_FILE_COUNT][PATHS_MAX];
    size_t count;
    size_t user_count;
    /*
     * Asks on the terminal; answer is one line without its end. False: nobody can be asked, or
     * nobody answered. Tests put their own here.
     */
    bool (*ask)(struct known_hosts_file *, const char *question,
                char ret_answer[KNOWN_HOSTS_FILE_ANSWER]);
    void *ask_ctx;
    atomic_bool cancelled;
};

/* False with one sentence when a path can't be expanded or the host has no possible name. */
__attribute__((warn_unused_result)) bool known_hosts_file_start(
    struct known_hosts_file *known_hosts, const struct client_options *options, char *ret_why,
    size_t why_len);

/* BROKER_CHECK_HOST. One thread at a time. Tells the user all there is to tell. */
void known_hosts_file_check(struct known_hosts_file *known_hosts,
                            const struct broker_request *request, struct broker_reply *reply);

/* Ends a question that waits for its answer. Any thread. */
void known_hosts_file_cancel(struct known_hosts_file *known_hosts);

#endif
