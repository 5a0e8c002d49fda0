/*
 * Expands paths, and makes the folders that files of ours go to.
 */
#include "tools/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *paths_home(void)
{
    static char home[PATHS_MAX];
    const char *variable = getenv("HOME");
    if (variable != NULL && variable[0] == '/') {
        return variable;
    }
    if (home[0] == '\0') {
        const struct passwd *account = getpwuid(getuid());
        if (account == NULL || account->pw_dir == NULL || account->pw_dir[0] != '/') {
            return NULL;
        }
        snprintf(home, sizeof home, "%s", account->pw_dir);
    }
    return home;
}

const char *paths_account(void)
{
    static char name[256];
    if (name[0] == '\0') {
        const struct passwd *account = getpwuid(getuid());
        const char *text = account != NULL ? account->pw_name : getenv("USER");
        if (text == NULL || text[0] == '\0') {
            return NULL;
        }
        snprintf(name, sizeof name, "%s", text);
    }
    return name;
}

/* Where expanded text is collected; full sticks. */
struct sink {
    char *at;
    size_t left;
    bool full;
};

static void sink_add(struct sink *sink, const char *text, size_t len)
{
    if (sink->full || len >= sink->left) {
        sink->full = true;
        return;
    }
    memcpy(sink->at, text, len);
    sink->at += len;
    sink->left -= len;
    *sink->at = '\0';
}

static bool add_token(struct sink *sink, char letter, const struct paths_token *tokens, char *why,
                      size_t why_len)
{
    if (letter == '%') {
        sink_add(sink, "%", 1);
        return true;
    }
    for (; tokens != NULL && tokens->letter != '\0'; tokens++) {
        if (tokens->letter == letter && tokens->text != NULL) {
            sink_add(sink, tokens->text, strlen(tokens->text));
            return true;
        }
    }
    if (letter == '\0') {
        snprintf(why, why_len, "'%%' at the end");
    } else {
        snprintf(why, why_len, "unknown token %%%c", letter);
    }
    return false;
}

/* text is behind "${". Returns what follows the '}', or NULL. */
static const char *add_variable(struct sink *sink, const char *text, char *why, size_t why_len)
{
    char name[128];
    size_t len = strcspn(text, "}");
    if (text[len] != '}' || len == 0 || len >= sizeof name) {
        snprintf(why, why_len, "'${' without a name and '}'");
        return NULL;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    const char *value = getenv(name);
    if (value == NULL) {
        snprintf(why, why_len, "environment variable %s is not set", name);
        return NULL;
    }
    sink_add(sink, value, strlen(value));
    return text + len + 1;
}

bool paths_expand(const char *text, const struct paths_token *tokens, char *ret_path, size_t size,
                  char *ret_why, size_t why_len)
{
    struct sink sink = {.at = ret_path, .left = size};
    ret_path[0] = '\0';
    if (text[0] == '~' && (text[1] == '/' || text[1] == '\0')) {
        const char *home = paths_home();
        if (home == NULL) {
            snprintf(ret_why, why_len, "no home folder is known for '~'");
            return false;
        }
        sink_add(&sink, home, strlen(home));
        text++;
    }
    while (*text != '\0') {
        if (text[0] == '%') {
            if (!add_token(&sink, text[1], tokens, ret_why, why_len)) {
                return false;
            }
            text += 2;
        } else if (text[0] == '$' && text[1] == '{') {
            text = add_variable(&sink, text + 2, ret_why, why_len);
            if (text == NULL) {
                return false;
            }
        } else {
            sink_add(&sink, text, 1);
            text++;
        }
    }
    if (sink.full) {
        snprintf(ret_why, why_len, "the path is longer than %zu bytes", size - 1);
        return false;
    }
    return true;
}

int paths_make_folder_of(const char *path)
{
    char folder[PATHS_MAX];
    size_t len = strlen(path);
    if (len >= sizeof folder) {
        return -ENAMETOOLONG;
    }
    memcpy(folder, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (folder[i] != '/' || folder[i - 1] == '/') {
            continue;
        }
        folder[i] = '\0';
        if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
            /* an existing folder that we may not write in its parent of says EACCES or EROFS */
            struct stat status;
            int error = errno;
            if (stat(folder, &status) < 0 || !S_ISDIR(status.st_mode)) {
                return -error;
            }
        }
        folder[i] = '/';
    }
    return 0;
}
