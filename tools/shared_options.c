/*
 * Value parsers that the client's and the server's keyword tables share.
 */
#include "tools/shared_options.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/io.h"
#include "engine/log.h"
#include "tools/algorithms.h"

const struct keyword_word shared_options_levels[] = {
    {"QUIET", LEVEL_QUIET},     {"FATAL", LEVEL_FATAL},
    {"ERROR", LEVEL_ERROR},     {"INFO", LEVEL_INFO},
    {"VERBOSE", LEVEL_VERBOSE}, {"DEBUG", LEVEL_DEBUG1},
    {"DEBUG1", LEVEL_DEBUG1},   {"DEBUG2", LEVEL_DEBUG2},
    {"DEBUG3", LEVEL_DEBUG3},   {NULL, 0},
};

const struct keyword_word shared_options_families[] = {
    {"any", AF_UNSPEC},
    {"inet", AF_INET},
    {"inet6", AF_INET6},
    {NULL, 0},
};

const struct keyword_word shared_options_backends[] = {
    {"auto", IO_BACKEND_AUTO},
    {"io_uring", IO_BACKEND_URING},
    {"epoll", IO_BACKEND_EPOLL},
    {NULL, 0},
};

bool shared_options_parse_rekey(struct keywords *keywords, const struct keyword *row,
                                const struct keyword_words *args)
{
    struct shared_options_rekey rekey = {0, 0};
    const char *size = args->at[0];
    const char *time = args->count > 1 ? args->at[1] : "none";
    if (args->count > 2) {
        return keywords_fail(keywords, "keyword RekeyLimit extra arguments at end of line");
    }
    if (strcasecmp(size, "default") != 0 && strcasecmp(size, "none") != 0) {
        if (!keywords_parse_size(size, &rekey.bytes)) {
            return keywords_fail(keywords, "RekeyLimit is a size such as 512M, not \"%s\"", size);
        }
        if (rekey.bytes < 16) {
            return keywords_fail(keywords, "RekeyLimit too small, at least 16 bytes are needed");
        }
    }
    if (strcasecmp(time, "none") != 0 && !keywords_parse_time(time, &rekey.seconds)) {
        return keywords_fail(keywords, "RekeyLimit: \"%s\" is no time such as 1h", time);
    }
    struct shared_options_rekey *field = keywords_field(keywords, row);
    *field = rekey;
    return true;
}

void shared_options_print_rekey(FILE *file, const struct keyword *row, const void *options)
{
    const struct shared_options_rekey *rekey = (const void *)((const char *)options + row->offset);
    fprintf(file, "rekeylimit %llu %lld\n", (unsigned long long)rekey->bytes,
            (long long)rekey->seconds);
}

bool shared_options_parse_algorithms(struct keywords *keywords, const struct keyword *row,
                                     const struct keyword_words *args)
{
    static const char *const bad[] = {
        [ALGORITHMS_CIPHER] = "SSH2 cipher spec", [ALGORITHMS_MAC] = "SSH2 MAC spec",
        [ALGORITHMS_KEX] = "SSH2 KexAlgorithms",  [ALGORITHMS_HOSTKEY] = "key types",
        [ALGORITHMS_PUBKEY] = "key types",
    };
    char list[ALGORITHMS_LIST_MAX];
    char why[ALGORITHMS_LIST_MAX];
    if (args->count > 1) {
        return keywords_fail(keywords, "keyword %s extra arguments at end of line", row->name);
    }
    if (!algorithms_select((enum algorithms_kind)row->min, args->at[0], list, why, sizeof why)) {
        return keywords_fail(keywords, "Bad %s '%.128s': %s", bad[row->min], args->at[0], why);
    }
    const char **field = keywords_field(keywords, row);
    *field = keywords_keep(keywords, list);
    return true;
}

void shared_options_print_algorithms(FILE *file, const struct keyword *row, const void *options)
{
    const char *list = *(const char *const *)(const void *)((const char *)options + row->offset);
    char ours[ALGORITHMS_LIST_MAX];
    if (list == NULL) {
        algorithms_default((enum algorithms_kind)row->min, ours);
        list = ours;
    }
    for (const char *c = row->name; *c != '\0'; c++) {
        fputc(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c, file);
    }
    fprintf(file, " %s\n", list);
}

bool shared_options_parse_ignore_unknown(struct keywords *keywords, const struct keyword *row,
                                         const struct keyword_words *args)
{
    (void)row;
    keywords->ignore_unknown = args->at[0];
    return true;
}
