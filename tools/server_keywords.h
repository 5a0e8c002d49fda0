/*
 * The sshd_config keywords that culvertd knows, in three buckets: see tools/keywords.h.
 */
#ifndef CULVERT_TOOLS_SERVER_KEYWORDS_H
#define CULVERT_TOOLS_SERVER_KEYWORDS_H

#include "tools/keywords.h"

/* Rows whose fields are in struct server_options. */
extern const struct keyword server_keywords[];
extern const size_t server_keywords_count;

#endif
