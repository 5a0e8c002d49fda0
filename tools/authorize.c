/*
 * Finds a user's authorized_keys and asks it about one key.
 */
#include "tools/authorize.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/log.h"
#include "proto/authorized_keys.h"
#include "proto/keytext.h"
#include "tools/algorithms.h"
#include "tools/files.h"
#include "tools/paths.h"

bool authorize_user_valid(const char *user)
{
    if (user[0] == '\0' || user[0] == '.') {
        return false;
    }
    for (const char *c = user; *c != '\0'; c++) {
        if (*c == '/' || (unsigned char)*c < ' ' || *c == 127) {
            return false;
        }
    }
    return true;
}

/* The path of one AuthorizedKeysFile word for this user. */
static bool user_path(const struct authorize *authorize, const char *word, const char *user,
                      char path[PATHS_MAX], char *why, size_t why_len)
{
    const struct paths_token tokens[] = {{'u', user}, {'h', authorize->home}, {0, NULL}};
    char expanded[PATHS_MAX];
    if (!paths_expand(word, tokens, expanded, sizeof expanded, why, why_len)) {
        return false;
    }
    if (expanded[0] != '/' && authorize->home == NULL) {
        snprintf(why, why_len, "no home folder is known for a relative path");
        return false;
    }
    bool relative = expanded[0] != '/';
    int len = snprintf(path, PATHS_MAX, "%s%s%s", relative ? authorize->home : "",
                       relative ? "/" : "", expanded);
    if (len < 0 || len >= PATHS_MAX) {
        snprintf(why, why_len, "the path is too long");
        return false;
    }
    return true;
}

bool authorize_start(struct authorize *authorize, const struct server_options *options,
                     char *ret_why, size_t why_len)
{
    authorize->options = options;
    authorize->home = paths_home();
    for (size_t i = 0; i < options->authorized_keys.count; i++) {
        char path[PATHS_MAX];
        char what[256];
        const char *word = options->authorized_keys.at[i];
        if (strcasecmp(word, "none") != 0 &&
            !user_path(authorize, word, "user", path, what, sizeof what)) {
            snprintf(ret_why, why_len, "AuthorizedKeysFile \"%.512s\": %s", word, what);
            return false;
        }
    }
    return true;
}

/* ---- StrictModes --------------------------------------------------------------------------- */

static bool owner_good(const struct stat *status)
{
    return status->st_uid == 0 || status->st_uid == geteuid();
}

/*
 * Nobody but us and root may change the file, or put another in its place: it and every folder
 * above it, up to the home folder. A sticky folder such as /tmp will do, since what is in it
 * belongs to us or root.
 */
static bool modes_good(const struct authorize *authorize, const char *path, const struct stat *file,
                       char *why, size_t why_len)
{
    char real[PATH_MAX];
    char home[PATH_MAX];
    if (!owner_good(file) || (file->st_mode & 022) != 0) {
        snprintf(why, why_len, "bad ownership or modes for file %s", path);
        return false;
    }
    if (realpath(path, real) == NULL) {
        snprintf(why, why_len, "can't resolve %s: %s", path, strerror(errno));
        return false;
    }
    bool has_home = authorize->home != NULL && realpath(authorize->home, home) != NULL;
    for (;;) {
        struct stat status;
        char *slash = strrchr(real, '/');
        slash[slash == real ? 1 : 0] = '\0';
        if (stat(real, &status) < 0 || !owner_good(&status) ||
            ((status.st_mode & 022) != 0 && (status.st_mode & S_ISVTX) == 0)) {
            snprintf(why, why_len, "bad ownership or modes for directory %s", real);
            return false;
        }
        if (slash == real || (has_home && strcmp(real, home) == 0)) {
            return true;
        }
    }
}

/* ---- one question -------------------------------------------------------------------------- */

static uint64_t digits_of(const struct tm *tm)
{
    uint64_t year = (uint64_t)(tm->tm_year + 1900);
    uint64_t day = year * 10000 + (uint64_t)(tm->tm_mon + 1) * 100 + (uint64_t)tm->tm_mday;
    return day * 1000000 + (uint64_t)tm->tm_hour * 10000 + (uint64_t)tm->tm_min * 100 +
           (uint64_t)tm->tm_sec;
}

static struct authorized_keys_now clock_now(void)
{
    time_t now = time(NULL);
    struct tm utc, local;
    gmtime_r(&now, &utc);
    localtime_r(&now, &local);
    return (struct authorized_keys_now){digits_of(&utc), digits_of(&local)};
}

/* Without a scope: from= knows none. */
static void address_text(const struct sockaddr_storage *peer, char *text, socklen_t size)
{
    text[0] = '\0';
    if (peer->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, text, size);
    } else if (peer->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, text,
                  size);
    }
}

struct report_context {
    const char *path;
    const char *user;
};

static void log_refused(void *ctx, unsigned line, bool same_key, const char *why)
{
    const struct report_context *report = ctx;
    if (same_key) {
        log_line(LEVEL_INFO, "Key of user %s is in %s but not admitted: line %u %s", report->user,
                 report->path, line, why);
    } else {
        log_line(LEVEL_DEBUG1, "%s: line %u %s", report->path, line, why);
    }
}

static bool ask_file(const char *path, const struct files_content *content,
                     const struct broker_request *request, struct broker_reply *reply)
{
    char address[INET6_ADDRSTRLEN];
    address_text(&request->peer, address, sizeof address);
    const struct authorized_keys_query query = {
        .key = {request->blob, request->blob_len},
        .address = address,
        .now = clock_now(),
    };
    struct report_context context = {path, request->user};
    const struct authorized_keys_report report = {log_refused, &context};
    struct slice file = {(const uint8_t *)content->text, content->len};
    struct authorized_keys_answer answer = authorized_keys_find(file, &query, &report);
    if (!answer.admitted || answer.options.len > sizeof reply->blob) {
        return false;
    }
    char fingerprint[KEYTEXT_FINGERPRINT_SIZE];
    keytext_fingerprint(query.key, fingerprint);
    log_line(LEVEL_DEBUG1, "%s:%u: matching key found: %s %s", path, answer.line,
             keytext_short_name(keytext_type(query.key)), fingerprint);
    if (answer.options.len > 0) {
        memcpy(reply->blob, answer.options.bytes, answer.options.len);
    }
    reply->blob_len = (uint32_t)answer.options.len;
    reply->allowed = true;
    return true;
}

/* True when this file admits the key. */
static bool try_file(const struct authorize *authorize, const char *word,
                     const struct broker_request *request, struct broker_reply *reply)
{
    char path[PATHS_MAX];
    char why[PATHS_MAX + 128];
    if (!user_path(authorize, word, request->user, path, why, sizeof why)) {
        log_line(LEVEL_INFO, "AuthorizedKeysFile \"%s\" of user %s: %s", word, request->user, why);
        return false;
    }
    struct files_content content;
    int error = files_read(path, AUTHORIZE_FILE_MAX, &content);
    if (error < 0) {
        log_line(error == -ENOENT ? LEVEL_DEBUG1 : LEVEL_INFO,
                 "Could not open user '%s' authorized keys '%s': %s", request->user, path,
                 files_text(error));
        return false;
    }
    log_line(LEVEL_DEBUG1, "trying public key file %s", path);
    bool admitted = false;
    if (authorize->options->strict_modes &&
        !modes_good(authorize, path, &content.status, why, sizeof why)) {
        log_line(LEVEL_INFO, "Authentication refused: %s (see StrictModes)", why);
    } else {
        admitted = ask_file(path, &content, request, reply);
    }
    files_free(&content);
    return admitted;
}

static bool type_admitted(const struct server_options *options,
                          const struct broker_request *request)
{
    struct slice type = keytext_type((struct slice){request->blob, request->blob_len});
    return options->pubkey_algorithms == NULL ||
           algorithms_match(options->pubkey_algorithms, (const char *)type.bytes, type.len);
}

void authorize_judge(const struct authorize *authorize, const struct broker_request *request,
                     struct broker_reply *reply)
{
    const struct server_options *options = authorize->options;
    const char *why = NULL;
    reply->allowed = false;
    reply->blob_len = 0;
    if (request->blob_len > sizeof request->blob) {
        reply->error = -EINVAL;
        return;
    }
    if (!authorize_user_valid(request->user)) {
        why = "no user name that could be one";
    } else if (!options->pubkey_authentication) {
        why = "PubkeyAuthentication is off";
    } else if (options->permit_root == SERVER_OPTIONS_ROOT_NO &&
               strcmp(request->user, "root") == 0) {
        why = "PermitRootLogin forbids the user root";
    } else if (!type_admitted(options, request)) {
        why = "PubkeyAcceptedAlgorithms forbids keys of this type";
    }
    for (size_t i = 0; why == NULL && i < options->authorized_keys.count; i++) {
        const char *word = options->authorized_keys.at[i];
        if (strcasecmp(word, "none") != 0 && try_file(authorize, word, request, reply)) {
            return;
        }
    }
    snprintf(reply->text, sizeof reply->text, "%s",
             why != NULL ? why : "no AuthorizedKeysFile admits this key");
}
