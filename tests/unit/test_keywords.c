/*
 * The keyword table machinery, on a table of its own.
 */
#include <criterion/criterion.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/keywords.h"

struct sample {
    bool flag;
    int number;
    int64_t seconds;
    uint64_t bytes;
    int choice;
    const char *text;
    struct keyword_words words;
    struct keyword_words repeated;
};

static const struct keyword_word choices[] = {{"one", 1}, {"two", 2}, {NULL, 0}};

static const struct keyword rows[] = {
    {.name = "Flag", .kind = KEYWORD_FLAG, .offset = offsetof(struct sample, flag)},
    {.name = "Number",
     .kind = KEYWORD_INT,
     .offset = offsetof(struct sample, number),
     .min = 1,
     .max = 10},
    {.name = "Seconds", .kind = KEYWORD_TIME, .offset = offsetof(struct sample, seconds)},
    {.name = "Bytes", .kind = KEYWORD_SIZE, .offset = offsetof(struct sample, bytes)},
    {.name = "Choice",
     .kind = KEYWORD_ENUM,
     .offset = offsetof(struct sample, choice),
     .words = choices},
    {.name = "Text", .kind = KEYWORD_STRING, .offset = offsetof(struct sample, text)},
    {.name = "Words", .kind = KEYWORD_WORDS, .offset = offsetof(struct sample, words)},
    {.name = "Repeated", .kind = KEYWORD_REPEATED, .offset = offsetof(struct sample, repeated)},
    {.name = "Moot", .kind = KEYWORD_IGNORED},
    {.name = "Danger", .kind = KEYWORD_REFUSED, .harmless = "none,no", .note = "use something"},
};

static struct sample sample;
static struct keywords keywords;

static void start(void)
{
    memset(&sample, 0, sizeof sample);
    keywords_start(&keywords, rows, sizeof rows / sizeof rows[0], &sample);
}

static void finish(void)
{
    keywords_free(&keywords);
}

TestSuite(keywords, .init = start, .fini = finish);

static bool line(const char *text)
{
    return keywords_line(&keywords, "file", 7, text);
}

Test(keywords, every_kind)
{
    cr_assert(line("Flag yes") && sample.flag);
    cr_assert(line("number=7") && sample.number == 7);
    cr_assert(line("SECONDS = 1h30m") && sample.seconds == 5400);
    cr_assert(line("Bytes\t1G") && sample.bytes == 1073741824);
    cr_assert(line("choice TWO") && sample.choice == 2);
    cr_assert(line("Text \"two words\" # comment"));
    cr_assert_str_eq(sample.text, "two words");
    cr_assert(line("Words a 'b c' d\\ e"));
    cr_assert_eq(sample.words.count, 3);
    cr_assert_str_eq(sample.words.at[1], "b c");
    cr_assert_str_eq(sample.words.at[2], "d e");
    cr_assert(line("Repeated a") && line("repeated b"));
    cr_assert_eq(sample.repeated.count, 2);
    cr_assert_str_eq(sample.repeated.at[1], "b");
}

Test(keywords, first_value_wins)
{
    cr_assert(line("Number 3") && line("Number 4"));
    cr_assert_eq(sample.number, 3);
    cr_assert(line("Words a") && line("Words b c"));
    cr_assert_eq(sample.words.count, 1);
    cr_assert(keywords_seen(&keywords, "number"));
    cr_assert_not(keywords_seen(&keywords, "Flag"));
}

Test(keywords, blank_lines_and_comments)
{
    cr_assert(line("") && line("   \t") && line("# Flag maybe") && line("  #x"));
}

Test(keywords, bad_values_name_file_and_line)
{
    static const char *const bad[] = {
        "Flag maybe",          "Flag",         "Flag yes no", "Number 0",
        "Number 11",           "Number 5x",    "Number -",    "Seconds 1y",
        "Seconds h",           "Seconds -",    "Bytes 1T",    "Bytes -1",
        "Bytes 1G5",           "Choice three", "Text \"open", "Unknown 1",
        "Danger yes",          "Danger",       "Danger no x", "Bytes 99999999999999999999",
        "Seconds 99999999999", "Words",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        keywords.error[0] = '\0';
        cr_assert_not(line(bad[i]), "%s", bad[i]);
        cr_assert(strncmp(keywords.error, "file: line 7: ", 14) == 0, "%s: %s", bad[i],
                  keywords.error);
    }
    cr_assert_not(line("Xyz 1"));
    cr_assert_str_eq(keywords.error, "file: line 7: Bad configuration option: Xyz");
}

Test(keywords, a_bad_value_is_not_the_first)
{
    cr_assert_not(line("Number 99"));
    cr_assert(line("Number 9"));
    cr_assert_eq(sample.number, 9);
}

Test(keywords, buckets)
{
    cr_assert(line("Moot whatever it says"));
    cr_assert(line("Danger none") && line("Danger NO"));
    cr_assert_eq(keywords.ignored_count, 3);
    cr_assert_not(line("Danger yes"));
    cr_assert_not_null(strstr(keywords.error, "use something"));
    keywords.ignore_unknown = "My*,Other";
    cr_assert(line("MyThing 1") && line("other 2"));
    cr_assert_not(line("Another 3"));
}

Test(keywords, command_line)
{
    cr_assert(keywords_option(&keywords, "Number=5"));
    cr_assert(keywords_option(&keywords, "Flag yes"));
    cr_assert_not(keywords_option(&keywords, "Nope=1"));
    cr_assert_str_eq(keywords.error, "command-line: line 0: Bad configuration option: Nope");
    cr_assert(keywords_set(&keywords, "Text", "a b \"c"));
    cr_assert_str_eq(sample.text, "a b \"c");
}

Test(keywords, too_much)
{
    static char text[KEYWORDS_LINE_MAX + 100];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "Text ", 5);
    cr_assert_not(line(text));
    for (int i = 0; i < KEYWORDS_WORDS_MAX; i++) {
        cr_assert(line("Repeated x"));
    }
    cr_assert_not(line("Repeated one-more"));
}

Test(keywords, times_and_sizes)
{
    int64_t seconds;
    uint64_t bytes;
    cr_assert(keywords_parse_time("1w2d3h4m5s", &seconds));
    cr_assert_eq(seconds, 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5);
    cr_assert(keywords_parse_time("0", &seconds) && seconds == 0);
    cr_assert_not(keywords_parse_time("", &seconds));
    cr_assert_not(keywords_parse_time("2147483648", &seconds));
    cr_assert_not(keywords_parse_time("40000w", &seconds));
    cr_assert(keywords_parse_size("18446744073709551615", &bytes) && bytes == UINT64_MAX);
    cr_assert_not(keywords_parse_size("18446744073709551616", &bytes));
    cr_assert_not(keywords_parse_size("18446744073709551615K", &bytes));
    cr_assert(keywords_parse_size("64k", &bytes) && bytes == 65536);
}

Test(keywords, files)
{
    char path[] = "/tmp/test_keywords.XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs("# a file\nNumber 3\n\nText last-line-without-end", file);
    fclose(file);
    cr_assert(keywords_file(&keywords, path));
    cr_assert_eq(sample.number, 3);
    cr_assert_str_eq(sample.text, "last-line-without-end");

    file = fopen(path, "w");
    fputs("Bad1 x\nFlag yes\nBad2\n", file);
    fclose(file);
    cr_assert_not(keywords_file(&keywords, path));
    cr_assert_not_null(strstr(keywords.error, "terminating, 2 bad configuration options"));
    cr_assert(sample.flag, "the good lines count");
    unlink(path);
    cr_assert_not(keywords_file(&keywords, path));
    cr_assert_not_null(strstr(keywords.error, "No such file"));
    cr_assert_not(keywords_file(&keywords, "/tmp"));
}

Test(keywords, dump)
{
    char *text = NULL;
    size_t len = 0;
    cr_assert(line("Flag yes") && line("Repeated a") && line("Repeated b") && line("Choice one"));
    FILE *file = open_memstream(&text, &len);
    keywords_print(&keywords, file);
    fclose(file);
    cr_assert_not_null(strstr(text, "flag yes\n"));
    cr_assert_not_null(strstr(text, "repeated a\nrepeated b\n"));
    cr_assert_not_null(strstr(text, "choice one\n"));
    cr_assert_not_null(strstr(text, "words none\n"));
    cr_assert_null(strstr(text, "moot"));
    free(text);
}

/* No input may reach an assert: every prefix of every kind of line. */
Test(keywords, truncated_at_every_byte)
{
    static const char *const full[] = {
        "Words \"a b\" 'c \\' d' e\\ f # end",
        "  Flag = \"yes\"",
        "Seconds 1h30m",
        "Bytes 12K",
        "Danger none",
    };
    for (size_t i = 0; i < sizeof full / sizeof full[0]; i++) {
        for (size_t len = 0; len <= strlen(full[i]); len++) {
            char cut[64];
            snprintf(cut, sizeof cut, "%.*s", (int)len, full[i]);
            bool good = line(cut);
            (void)good;
        }
    }
    cr_assert(line("Flag yes"));
}
