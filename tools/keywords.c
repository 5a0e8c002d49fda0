/*
 * Reads keyword lines into an options struct, driven by a table.
 */
#include "tools/keywords.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log.h"
#include "tools/algorithms.h"

struct keywords_text {
    struct keywords_text *next;
    char text[];
};

void keywords_start(struct keywords *keywords, const struct keyword *rows, size_t count,
                    void *options)
{
    assert(count <= KEYWORDS_ROWS_MAX);
    memset(keywords, 0, sizeof *keywords);
    keywords->rows = rows;
    keywords->count = count;
    keywords->options = options;
    keywords->where = "command-line";
}

void keywords_free(struct keywords *keywords)
{
    while (keywords->texts != NULL) {
        struct keywords_text *text = keywords->texts;
        keywords->texts = text->next;
        free(text);
    }
    keywords->ignored_count = 0;
}

bool keywords_fail(struct keywords *keywords, const char *format, ...)
{
    char what[KEYWORDS_ERROR_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(keywords->error, sizeof keywords->error, "%.512s: line %u: %s", keywords->where,
             keywords->line, what);
    return false;
}

const char *keywords_keep(struct keywords *keywords, const char *text)
{
    size_t size = strlen(text) + 1;
    struct keywords_text *copy = malloc(sizeof *copy + size);
    if (copy == NULL) {
        log_line(LEVEL_FATAL, "out of memory while reading the configuration");
        exit(255);
    }
    memcpy(copy->text, text, size);
    copy->next = keywords->texts;
    keywords->texts = copy;
    return copy->text;
}

bool keywords_add(struct keywords *keywords, struct keyword_words *words, const char *text)
{
    if (words->count == KEYWORDS_WORDS_MAX) {
        return keywords_fail(keywords, "too many values, at most %d are possible",
                             KEYWORDS_WORDS_MAX);
    }
    words->at[words->count++] = keywords_keep(keywords, text);
    return true;
}

void *keywords_field(const struct keywords *keywords, const struct keyword *row)
{
    return (char *)keywords->options + row->offset;
}

/* ---- values -------------------------------------------------------------------------------- */

bool keywords_parse_number(const char *text, int min, int max, int *ret_number)
{
    if (*text != '-' && (*text < '0' || *text > '9')) {
        return false;
    }
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max) {
        return false;
    }
    *ret_number = (int)number;
    return true;
}

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case '\0':
    case 's':
    case 'S':
        return 1;
    case 'm':
    case 'M':
        return 60;
    case 'h':
    case 'H':
        return 3600;
    case 'd':
    case 'D':
        return 86400;
    case 'w':
    case 'W':
        return 604800;
    default:
        return 0;
    }
}

bool keywords_parse_time(const char *text, int64_t *ret_seconds)
{
    int64_t total = 0;
    if (*text == '\0') {
        return false;
    }
    while (*text != '\0') {
        int64_t number = 0;
        if (*text < '0' || *text > '9') {
            return false;
        }
        for (; *text >= '0' && *text <= '9'; text++) {
            number = number * 10 + (*text - '0');
            if (number > INT32_MAX) {
                return false;
            }
        }
        int64_t unit = unit_seconds(*text);
        total += number * unit;
        if (unit == 0 || total > INT32_MAX) {
            return false;
        }
        if (*text != '\0') {
            text++;
        }
    }
    *ret_seconds = total;
    return true;
}

bool keywords_parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t number = 0;
    if (*text < '0' || *text > '9') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number)) {
            return false;
        }
    }
    int shift = 0;
    if (*text == 'K' || *text == 'k') {
        shift = 10;
    } else if (*text == 'M' || *text == 'm') {
        shift = 20;
    } else if (*text == 'G' || *text == 'g') {
        shift = 30;
    }
    if (shift != 0) {
        text++;
    }
    if (*text != '\0' || number > (UINT64_MAX >> shift)) {
        return false;
    }
    *ret_bytes = number << shift;
    return true;
}

static bool parse_flag(const char *text, bool *ret_flag)
{
    if (strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0) {
        *ret_flag = true;
    } else if (strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0) {
        *ret_flag = false;
    } else {
        return false;
    }
    return true;
}

/* ---- words --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

/* The word at *text into word, quotes and escapes resolved; *text moves behind it. False: a quote
 * is not closed. */
static bool take_word(const char **text, char *word, size_t size)
{
    const char *at = *text;
    size_t len = 0;
    char quote = '\0';
    for (; *at != '\0' && (quote != '\0' || !is_blank(*at)); at++) {
        char c = *at;
        if (c == '\\' &&
            (at[1] == '"' || at[1] == '\'' || at[1] == '\\' || (quote == '\0' && at[1] == ' '))) {
            c = *++at;
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        } else if (quote != '\0' && c == quote) {
            quote = '\0';
            continue;
        }
        assert(len + 1 < size);
        word[len++] = c;
    }
    word[len] = '\0';
    *text = at;
    return quote == '\0';
}

bool keywords_split(struct keywords *keywords, const char *text, struct keyword_words *ret_words)
{
    char word[KEYWORDS_LINE_MAX];
    ret_words->count = 0;
    if (strlen(text) >= sizeof word) {
        return keywords_fail(keywords, "line too long, at most %d bytes are possible",
                             KEYWORDS_LINE_MAX - 1);
    }
    for (;;) {
        while (is_blank(*text)) {
            text++;
        }
        if (*text == '\0' || *text == '#') {
            return true;
        }
        if (!take_word(&text, word, sizeof word)) {
            return keywords_fail(keywords, "no closing quote");
        }
        if (!keywords_add(keywords, ret_words, word)) {
            return false;
        }
    }
}

/* ---- rows ---------------------------------------------------------------------------------- */

static const struct keyword *find_row(const struct keywords *keywords, const char *name)
{
    for (size_t i = 0; i < keywords->count; i++) {
        if (strcasecmp(keywords->rows[i].name, name) == 0) {
            return &keywords->rows[i];
        }
    }
    return NULL;
}

bool keywords_seen(const struct keywords *keywords, const char *name)
{
    const struct keyword *row = find_row(keywords, name);
    return row != NULL && keywords->seen[row - keywords->rows];
}

static bool is_list_kind(const struct keyword *row)
{
    return row->kind == KEYWORD_WORDS || row->kind == KEYWORD_CUSTOM ||
           row->kind == KEYWORD_IGNORED || row->kind == KEYWORD_REFUSED;
}

static bool apply_enum(struct keywords *keywords, const struct keyword *row, const char *value)
{
    char all[256] = "";
    for (const struct keyword_word *word = row->words; word->word != NULL; word++) {
        if (strcasecmp(word->word, value) == 0) {
            int *field = keywords_field(keywords, row);
            *field = word->value;
            return true;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", used > 0 ? ", " : "", word->word);
    }
    return keywords_fail(keywords, "unsupported option \"%s\" for %s; possible: %s", value,
                         row->name, all);
}

static bool apply_scalar(struct keywords *keywords, const struct keyword *row, const char *value)
{
    void *field = keywords_field(keywords, row);
    switch (row->kind) {
    case KEYWORD_FLAG:
        return parse_flag(value, field) ||
               keywords_fail(keywords, "%s is yes or no, not \"%s\"", row->name, value);
    case KEYWORD_INT:
        return keywords_parse_number(value, row->min, row->max, field) ||
               keywords_fail(keywords, "%s is a number from %d to %d, not \"%s\"", row->name,
                             row->min, row->max, value);
    case KEYWORD_TIME: {
        int64_t *seconds = field;
        if (strcasecmp(value, "none") == 0) {
            *seconds = 0;
            return true;
        }
        return keywords_parse_time(value, seconds) ||
               keywords_fail(keywords, "%s is a time such as 90 or 1h30m, not \"%s\"", row->name,
                             value);
    }
    case KEYWORD_SIZE:
        return keywords_parse_size(value, field) ||
               keywords_fail(keywords, "%s is a size such as 4096 or 1G, not \"%s\"", row->name,
                             value);
    case KEYWORD_ENUM:
        return apply_enum(keywords, row, value);
    case KEYWORD_STRING: {
        const char **text = field;
        *text = keywords_keep(keywords, value);
        return true;
    }
    case KEYWORD_REPEATED:
        return keywords_add(keywords, field, value);
    case KEYWORD_WORDS:
    case KEYWORD_CUSTOM:
    case KEYWORD_IGNORED:
    case KEYWORD_REFUSED:
        break;
    }
    assert(false && "list kinds have their own path");
    return false;
}

static void note_ignored(struct keywords *keywords, const struct keyword *row)
{
    if (keywords->ignored_count < KEYWORDS_IGNORED_MAX) {
        char text[KEYWORDS_ERROR_MAX];
        snprintf(text, sizeof text, "%.512s line %u: %s", keywords->where, keywords->line,
                 row->name);
        keywords->ignored[keywords->ignored_count++] = keywords_keep(keywords, text);
    }
}

static bool apply_refused(struct keywords *keywords, const struct keyword *row,
                          const struct keyword_words *args)
{
    const char *value = args->count > 0 ? args->at[0] : "";
    if (row->harmless != NULL && args->count == 1 &&
        algorithms_match(row->harmless, value, strlen(value))) {
        note_ignored(keywords, row);
        return true;
    }
    return keywords_fail(keywords, "%s is not supported: %s", row->name, row->note);
}

static bool apply(struct keywords *keywords, const struct keyword *row,
                  const struct keyword_words *args)
{
    bool *seen = &keywords->seen[row - keywords->rows];
    bool repeats = row->repeated || row->kind == KEYWORD_REPEATED;
    if (row->kind == KEYWORD_IGNORED) {
        note_ignored(keywords, row);
        return true;
    }
    if (args->count == 0) {
        return keywords_fail(keywords, "missing argument for %s", row->name);
    }
    if (!is_list_kind(row) && args->count > 1) {
        return keywords_fail(keywords, "keyword %s extra arguments at end of line", row->name);
    }
    if (row->kind == KEYWORD_REFUSED) {
        return apply_refused(keywords, row, args);
    }
    if (*seen && !repeats) {
        /* OpenSSH checks the later ones too, but keeps the first: a bad one is found when it is
         * the one that counts */
        return true;
    }
    bool good;
    if (row->kind == KEYWORD_CUSTOM) {
        good = row->parse(keywords, row, args);
    } else if (row->kind == KEYWORD_WORDS) {
        struct keyword_words *field = keywords_field(keywords, row);
        *field = *args;
        good = true;
    } else {
        good = apply_scalar(keywords, row, args->at[0]);
    }
    *seen = *seen || good;
    return good;
}

/* ---- lines and files ----------------------------------------------------------------------- */

/* The keyword of a line: letters and digits up to a blank or '='. *text moves to the value. */
static void take_name(const char **text, char *name, size_t size)
{
    const char *at = *text;
    size_t len = 0;
    for (; *at != '\0' && *at != '=' && !is_blank(*at); at++) {
        if (*at != '"' && len + 1 < size) {
            name[len++] = *at;
        }
    }
    name[len] = '\0';
    while (is_blank(*at)) {
        at++;
    }
    if (*at == '=') {
        at++;
    }
    *text = at;
}

bool keywords_line(struct keywords *keywords, const char *where, unsigned line, const char *text)
{
    char name[256];
    struct keyword_words args;
    keywords->where = where;
    keywords->line = line;
    while (is_blank(*text)) {
        text++;
    }
    if (*text == '\0' || *text == '#') {
        return true;
    }
    take_name(&text, name, sizeof name);
    const struct keyword *row = find_row(keywords, name);
    if (row == NULL) {
        if (keywords->ignore_unknown != NULL &&
            algorithms_match(keywords->ignore_unknown, name, strlen(name))) {
            return true;
        }
        return keywords_fail(keywords, "Bad configuration option: %s", name);
    }
    return keywords_split(keywords, text, &args) && apply(keywords, row, &args);
}

bool keywords_option(struct keywords *keywords, const char *text)
{
    return keywords_line(keywords, "command-line", 0, text);
}

bool keywords_set(struct keywords *keywords, const char *name, const char *value)
{
    const struct keyword *row = find_row(keywords, name);
    assert(row != NULL);
    keywords->where = "command-line";
    keywords->line = 0;
    struct keyword_words args = {.count = 0};
    return keywords_add(keywords, &args, value) && apply(keywords, row, &args);
}

/* Non-blocking, so that a FIFO that nobody writes to can't hang the start. */
static FILE *open_file(struct keywords *keywords, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0) {
        snprintf(keywords->error, sizeof keywords->error,
                 "Can't open configuration file %.512s: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        snprintf(keywords->error, sizeof keywords->error,
                 "Can't read configuration file %.512s: it is a directory", path);
        close(fd);
        return NULL;
    }
    (void)fcntl(fd, F_SETFL, 0);
    FILE *file = fdopen(fd, "r");
    if (file == NULL) {
        close(fd);
    }
    return file;
}

bool keywords_file(struct keywords *keywords, const char *path)
{
    char text[KEYWORDS_LINE_MAX + 2];
    FILE *file = open_file(keywords, path);
    if (file == NULL) {
        return false;
    }
    const char *where = keywords_keep(keywords, path);
    unsigned line = 0;
    unsigned bad = 0;
    while (fgets(text, sizeof text, file) != NULL) {
        line++;
        size_t len = strlen(text);
        bool good;
        if (len == sizeof text - 1 && text[len - 1] != '\n') {
            keywords->where = where;
            keywords->line = line;
            good = keywords_fail(keywords, "line too long, at most %d bytes are possible",
                                 KEYWORDS_LINE_MAX);
            int c;
            while ((c = fgetc(file)) != EOF && c != '\n') {
            }
        } else {
            good = keywords_line(keywords, where, line, text);
        }
        if (!good) {
            log_line(LEVEL_ERROR, "%s", keywords->error);
            bad++;
        }
    }
    bool unread = ferror(file) != 0;
    fclose(file);
    if (unread) {
        snprintf(keywords->error, sizeof keywords->error, "Can't read configuration file %.512s",
                 path);
        return false;
    }
    if (bad > 0) {
        snprintf(keywords->error, sizeof keywords->error,
                 "%.512s: terminating, %u bad configuration option%s", path, bad,
                 bad == 1 ? "" : "s");
    }
    return bad == 0;
}

void keywords_log_ignored(const struct keywords *keywords, const char *program)
{
    for (size_t i = 0; i < keywords->ignored_count; i++) {
        log_line(LEVEL_DEBUG1, "%s has no meaning for %s, ignored", keywords->ignored[i], program);
    }
}

/* ---- effective dump ------------------------------------------------------------------------ */

static void print_name(FILE *file, const char *name)
{
    for (; *name != '\0'; name++) {
        fputc(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name, file);
    }
}

static void print_words(FILE *file, const struct keyword *row, const struct keyword_words *words)
{
    if (row->kind == KEYWORD_REPEATED) {
        for (size_t i = 0; i < words->count; i++) {
            print_name(file, row->name);
            fprintf(file, " %s\n", words->at[i]);
        }
        return;
    }
    print_name(file, row->name);
    for (size_t i = 0; i < words->count; i++) {
        fprintf(file, " %s", words->at[i]);
    }
    fputs(words->count == 0 ? " none\n" : "\n", file);
}

static void print_row(const struct keywords *keywords, const struct keyword *row, FILE *file)
{
    const void *field = keywords_field(keywords, row);
    if (row->kind == KEYWORD_WORDS || row->kind == KEYWORD_REPEATED) {
        print_words(file, row, field);
        return;
    }
    print_name(file, row->name);
    fputc(' ', file);
    switch (row->kind) {
    case KEYWORD_FLAG:
        fputs(*(const bool *)field ? "yes" : "no", file);
        break;
    case KEYWORD_INT:
        fprintf(file, "%d", *(const int *)field);
        break;
    case KEYWORD_TIME:
        fprintf(file, "%lld", (long long)*(const int64_t *)field);
        break;
    case KEYWORD_SIZE:
        fprintf(file, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case KEYWORD_ENUM: {
        const struct keyword_word *word = row->words;
        while (word->word != NULL && word->value != *(const int *)field) {
            word++;
        }
        fputs(word->word != NULL ? word->word : "?", file);
        break;
    }
    default: {
        const char *text = *(const char *const *)field;
        fputs(text != NULL ? text : "none", file);
        break;
    }
    }
    fputc('\n', file);
}

void keywords_print(const struct keywords *keywords, FILE *file)
{
    for (size_t i = 0; i < keywords->count; i++) {
        const struct keyword *row = &keywords->rows[i];
        if (row->kind == KEYWORD_CUSTOM && row->print != NULL) {
            row->print(file, row, keywords->options);
        } else if (row->kind < KEYWORD_CUSTOM) {
            print_row(keywords, row, file);
        }
    }
}
