/*
 * From the options of culvertd to the configuration of the engine's server.
 */
#ifndef CULVERT_TOOLS_SERVER_SETUP_H
#define CULVERT_TOOLS_SERVER_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/policy.h"
#include "engine/server.h"
#include "tools/files.h"
#include "tools/server_options.h"

/* What the configuration points to. All zero is a good empty one. */
struct server_setup {
    struct policy *policy;
    struct files_content banner;
    struct server_listen listen[SERVER_OPTIONS_LISTEN_MAX];
};

/* False with one sentence; free it in either case. A banner that can't be read is only logged. */
__attribute__((warn_unused_result)) bool server_setup_make(struct server_setup *setup,
                                                           const struct server_options *options,
                                                           char *ret_why, size_t why_len);
void server_setup_free(struct server_setup *setup);

/* What comes from the options; it points into both. Host key and callback are left empty. */
struct server_config server_setup_config(const struct server_setup *setup,
                                         const struct server_options *options);

#endif
