/*
 * The ssh_config keywords that culvert knows, in three buckets: see tools/keywords.h.
 */
#ifndef CULVERT_TOOLS_CLIENT_KEYWORDS_H
#define CULVERT_TOOLS_CLIENT_KEYWORDS_H

#include "tools/keywords.h"

/* Rows whose fields are in struct client_options. */
extern const struct keyword client_keywords[];
extern const size_t client_keywords_count;

#endif
