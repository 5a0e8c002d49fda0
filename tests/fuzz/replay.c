/*
 * Runs one fuzz harness over recorded inputs without libFuzzer, as part of the normal tests:
 *
 *     replay_NAME FILE-OR-FOLDER...
 *
 * Each input runs whole and cut short at up to CUTS_MAX lengths, each time from a heap block of
 * exactly its length, so that a sanitizer sees the first byte read past the end.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CUTS_MAX = 64, INPUT_MAX = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct tally {
    size_t files;
    size_t runs;
};

static void run(const uint8_t *bytes, size_t len, struct tally *tally)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    if (copy == NULL) {
        fprintf(stderr, "replay: out of memory\n");
        exit(1);
    }
    memcpy(copy, bytes, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    tally->runs++;
}

static void run_with_cuts(const uint8_t *bytes, size_t len, struct tally *tally)
{
    size_t cuts = len < CUTS_MAX ? len : CUTS_MAX;

    for (size_t i = 0; i < cuts; i++) {
        run(bytes, len * i / cuts, tally);
    }
    run(bytes, len, tally);
}

static bool replay_file(const char *path, struct tally *tally)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t len;
    bool failed;

    if (file == NULL) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return false;
    }
    len = fread(bytes, 1, sizeof(bytes), file);
    failed = ferror(file) != 0;
    fclose(file);
    if (failed || len == sizeof(bytes)) {
        fprintf(stderr, "replay: %s: unreadable, or %d bytes or more\n", path, INPUT_MAX);
        return false;
    }
    tally->files++;
    run_with_cuts(bytes, len, tally);
    return true;
}

static bool replay(const char *path, struct tally *tally);

static bool replay_folder(const char *path, struct tally *tally)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    bool good = count >= 0;

    for (int i = 0; i < count; i++) {
        char *inner;

        if (entries[i]->d_name[0] != '.') {
            if (asprintf(&inner, "%s/%s", path, entries[i]->d_name) < 0) {
                fprintf(stderr, "replay: out of memory\n");
                exit(1);
            }
            good = replay(inner, tally) && good;
            free(inner);
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    return good;
}

static bool replay(const char *path, struct tally *tally)
{
    struct stat about;

    if (stat(path, &about) != 0) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return false;
    }
    return S_ISDIR(about.st_mode) ? replay_folder(path, tally) : replay_file(path, tally);
}

int main(int argc, char **argv)
{
    struct tally tally = {0};
    bool good = true;

    for (int i = 1; i < argc; i++) {
        good = replay(argv[i], &tally) && good;
    }
    printf("replayed %zu inputs, %zu runs with the cuts\n", tally.files, tally.runs);
    return good && tally.files > 0 ? 0 : 1;
}
