/*
 * From the options of the command line to the configuration of the engine's client.
 */
#ifndef CULVERT_TOOLS_CLIENT_SETUP_H
#define CULVERT_TOOLS_CLIENT_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/client.h"
#include "tools/client_options.h"
#include "tools/forward.h"

/* The parsed forwards, and the same as the engine wants them. All zero is a good empty one. */
struct client_setup {
    struct forward forwards[KEYWORDS_WORDS_MAX];
    struct client_forward list[KEYWORDS_WORDS_MAX];
    size_t count;
};

/* False with one sentence. */
__attribute__((warn_unused_result)) bool client_setup_forwards(struct client_setup *setup,
                                                               const struct client_options *options,
                                                               char *ret_why, size_t why_len);
void client_setup_free(struct client_setup *setup);

/* What comes from the options; it points into both. Identities and callbacks are left empty. */
struct client_config client_setup_config(const struct client_setup *setup,
                                         const struct client_options *options);

#endif
