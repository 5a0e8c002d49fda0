/*
 * Values that ssh_config and sshd_config write in the same way: words of shared enums, RekeyLimit,
 * algorithm lists.
 */
#ifndef CULVERT_TOOLS_SHARED_OPTIONS_H
#define CULVERT_TOOLS_SHARED_OPTIONS_H

#include <stdint.h>

#include "tools/keywords.h"

/* enum log_level */
extern const struct keyword_word shared_options_levels[];
/* AF_UNSPEC, AF_INET, AF_INET6 */
extern const struct keyword_word shared_options_families[];
/* enum io_backend_kind */
extern const struct keyword_word shared_options_backends[];

/* 0: the default of the cipher, or of the protocol */
struct shared_options_rekey {
    uint64_t bytes;
    int64_t seconds;
};

/* `RekeyLimit default|none|SIZE [none|TIME]` into a struct shared_options_rekey */
bool shared_options_parse_rekey(struct keywords *keywords, const struct keyword *row,
                                const struct keyword_words *args);
void shared_options_print_rekey(FILE *file, const struct keyword *row, const void *options);

/* Into a const char *; row->min is the enum algorithms_kind. */
bool shared_options_parse_algorithms(struct keywords *keywords, const struct keyword *row,
                                     const struct keyword_words *args);
void shared_options_print_algorithms(FILE *file, const struct keyword *row, const void *options);

/* IgnoreUnknown: a pattern list, into keywords itself. */
bool shared_options_parse_ignore_unknown(struct keywords *keywords, const struct keyword *row,
                                         const struct keyword_words *args);

#endif
