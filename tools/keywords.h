/*
 * The table machinery behind ssh_config and sshd_config keywords, files and `-o` alike.
 *
 * A program's table has one row for each keyword it knows, in three buckets: obeyed, known but of
 * no meaning here (accepted, one debug line), and known but refused, because ignoring it would
 * silently weaken security. A keyword without a row is an error. Names and enum words are
 * case-insensitive, `Key Value` and `Key=Value` are the same, and the first value of a keyword
 * wins, as in OpenSSH.
 */
#ifndef CULVERT_TOOLS_KEYWORDS_H
#define CULVERT_TOOLS_KEYWORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    KEYWORDS_ROWS_MAX = 192,
    /* words of one line, values of one repeated keyword */
    KEYWORDS_WORDS_MAX = 128,
    /* bytes of a line; OpenSSH takes longer ones, nobody writes them */
    KEYWORDS_LINE_MAX = 8192,
    KEYWORDS_ERROR_MAX = 2048,
    KEYWORDS_IGNORED_MAX = 64,
};

/* What a row's field in the options struct is. */
enum keyword_kind {
    KEYWORD_FLAG,     /* bool: yes, no, true, false */
    KEYWORD_INT,      /* int in [min, max] */
    KEYWORD_TIME,     /* int64_t seconds: 90, 1h30m; none and 0 are 0 */
    KEYWORD_SIZE,     /* uint64_t bytes: 4096, 64K, 1G */
    KEYWORD_ENUM,     /* int: the value of one of words */
    KEYWORD_STRING,   /* const char * */
    KEYWORD_WORDS,    /* struct keyword_words: all words of the first line */
    KEYWORD_REPEATED, /* struct keyword_words: one word a line, every line adds one */
    KEYWORD_CUSTOM,   /* parse decides; with repeated set it sees every line */
    KEYWORD_IGNORED,  /* no meaning here */
    KEYWORD_REFUSED,  /* an error, unless the value is one of harmless; note says what instead */
};

struct keyword_word {
    const char *word;
    int value;
};

/* Strings belong to the struct keywords that filled it in. */
struct keyword_words {
    const char *at[KEYWORDS_WORDS_MAX];
    size_t count;
};

struct keywords;

struct keyword {
    const char *name;
    enum keyword_kind kind;
    size_t offset;
    int min, max;
    /* ENUM: ends with a NULL word */
    const struct keyword_word *words;
    /* CUSTOM: false after keywords_fail */
    bool (*parse)(struct keywords *keywords, const struct keyword *row,
                  const struct keyword_words *args);
    /* CUSTOM: the lines of an effective dump; NULL: none */
    void (*print)(FILE *file, const struct keyword *row, const void *options);
    bool repeated;
    /* REFUSED: values that ask for nothing, comma list; what to read behind the name otherwise */
    const char *harmless;
    const char *note;
};

/* One parse in progress, and the owner of all strings in the options it filled in. */
struct keywords {
    const struct keyword *rows;
    size_t count;
    void *options;
    bool seen[KEYWORDS_ROWS_MAX];
    /* where the current line came from */
    const char *where;
    unsigned line;
    /* the last error, one line, with file and line */
    char error[KEYWORDS_ERROR_MAX];
    /* patterns of IgnoreUnknown, or NULL */
    const char *ignore_unknown;
    const char *ignored[KEYWORDS_IGNORED_MAX];
    size_t ignored_count;
    struct keywords_text *texts;
};

/* options already holds the defaults. rows and options must stay in place. */
void keywords_start(struct keywords *keywords, const struct keyword *rows, size_t count,
                    void *options);
/* Frees every string that the options point to. */
void keywords_free(struct keywords *keywords);

/* One line of `where` (its line number 0: the command line). False: the error text says why. */
__attribute__((warn_unused_result)) bool keywords_line(struct keywords *keywords, const char *where,
                                                       unsigned line, const char *text);
/* The argument of -o. */
__attribute__((warn_unused_result)) bool keywords_option(struct keywords *keywords,
                                                         const char *text);
/* A command-line flag that stands for a keyword: the value is one word as it is. */
__attribute__((warn_unused_result)) bool keywords_set(struct keywords *keywords, const char *name,
                                                      const char *value);
/*
 * All lines of a file. Every bad keyword is logged as an error, then the error text sums up. False
 * also when the file can't be read.
 */
__attribute__((warn_unused_result)) bool keywords_file(struct keywords *keywords, const char *path);

/* A value was given for this keyword. */
bool keywords_seen(const struct keywords *keywords, const char *name);
/* One debug line for each keyword that was accepted and ignored. */
void keywords_log_ignored(const struct keywords *keywords, const char *program);
/* The effective configuration, one lower-case keyword a line, as `sshd -T` prints it. */
void keywords_print(const struct keywords *keywords, FILE *file);

/* ---- for parse functions ------------------------------------------------------------------- */

/* Sets the error text, "file: line N: ..." in front; always false. */
bool keywords_fail(struct keywords *keywords, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A copy that lives as long as keywords. */
const char *keywords_keep(struct keywords *keywords, const char *text);
/* Adds a copy. False with an error text when the list is full. */
bool keywords_add(struct keywords *keywords, struct keyword_words *words, const char *text);
/* Where the row's field is. */
void *keywords_field(const struct keywords *keywords, const struct keyword *row);

/* Seconds: digits with an optional s m h d w, any number of these one after the other. */
__attribute__((warn_unused_result)) bool keywords_parse_time(const char *text,
                                                             int64_t *ret_seconds);
/* Bytes: digits with an optional K, M or G. */
__attribute__((warn_unused_result)) bool keywords_parse_size(const char *text, uint64_t *ret_bytes);
/* A decimal number in [min, max] and nothing else. */
__attribute__((warn_unused_result)) bool keywords_parse_number(const char *text, int min, int max,
                                                               int *ret_number);
/* Splits text into words with OpenSSH's quoting; '#' at the start of a word ends the line. */
__attribute__((warn_unused_result)) bool keywords_split(struct keywords *keywords, const char *text,
                                                        struct keyword_words *ret_words);

#endif
