/*
 * Judges a server's key by the known_hosts files.
 */
#include "tools/known_hosts_file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/log.h"
#include "tools/files.h"

/* What all files together say of one key. */
struct finding {
    struct slice key;
    /* short name and fingerprint, for messages */
    const char *type;
    char fingerprint[KEYTEXT_FINGERPRINT_SIZE];
    enum known_hosts_result result;
    const char *path;
    unsigned line;
    char known_type[64];
    /* some file is there and could not be read */
    bool unread;
    /* lines where this key stands under other names, for the question */
    char elsewhere[2048];
    /* the address, as the question shows it behind the name */
    char address[KNOWN_HOSTS_NAME_SIZE];
};

/* ---- start --------------------------------------------------------------------------------- */

static bool add_paths(struct known_hosts_file *known_hosts, const struct keyword_words *words,
                      char *why, size_t why_len)
{
    const struct client_options *options = known_hosts->options;
    char port[16];
    snprintf(port, sizeof port, "%d", options->port);
    const struct paths_token tokens[] = {
        {'d', paths_home()},
        {'h', options->hostname},
        {'n', options->host},
        {'p', port},
        {'r', options->user},
        {'u', paths_account()},
        {'k', options->host_key_alias != NULL ? options->host_key_alias : options->host},
        {0, NULL},
    };
    for (size_t i = 0; i < words->count; i++) {
        char what[256];
        char *path = known_hosts->paths[known_hosts->count];
        if (strcasecmp(words->at[i], "none") == 0) {
            continue;
        }
        if (known_hosts->count == KNOWN_HOSTS_FILE_COUNT) {
            snprintf(why, why_len, "more than %d known_hosts files", KNOWN_HOSTS_FILE_COUNT);
            return false;
        }
        if (!paths_expand(words->at[i], tokens, path, PATHS_MAX, what, sizeof what)) {
            snprintf(why, why_len, "known_hosts file \"%.512s\": %s", words->at[i], what);
            return false;
        }
        known_hosts->count++;
    }
    return true;
}

static bool ask_terminal(struct known_hosts_file *known_hosts, const char *question,
                         char answer[KNOWN_HOSTS_FILE_ANSWER]);

bool known_hosts_file_start(struct known_hosts_file *known_hosts,
                            const struct client_options *options, char *ret_why, size_t why_len)
{
    memset(known_hosts, 0, sizeof *known_hosts);
    known_hosts->options = options;
    known_hosts->ask = ask_terminal;
    /* as in ssh, an alias stands alone, whatever the port is */
    bool alias = options->host_key_alias != NULL;
    const char *host = alias ? options->host_key_alias : options->hostname;
    uint16_t port = alias ? KNOWN_HOSTS_PORT : (uint16_t)options->port;
    if (!known_hosts_name(host, port, known_hosts->name)) {
        snprintf(ret_why, why_len, "\"%.256s\" is no name for a known_hosts file", host);
        return false;
    }
    if (port != KNOWN_HOSTS_PORT && !known_hosts_name(host, KNOWN_HOSTS_PORT, known_hosts->bare)) {
        known_hosts->bare[0] = '\0';
    }
    if (!add_paths(known_hosts, &options->user_known_hosts, ret_why, why_len)) {
        return false;
    }
    known_hosts->user_count = known_hosts->count;
    return add_paths(known_hosts, &options->global_known_hosts, ret_why, why_len);
}

void known_hosts_file_cancel(struct known_hosts_file *known_hosts)
{
    atomic_store(&known_hosts->cancelled, true);
}

/* ---- what the files say -------------------------------------------------------------------- */

static void note_elsewhere(struct finding *finding, struct slice file, const char *path)
{
    unsigned number = 0;
    const uint8_t *at = file.bytes;
    const uint8_t *end = file.bytes + file.len;
    struct known_hosts_line *line = malloc(sizeof *line);
    while (line != NULL && at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        number++;
        known_hosts_parse((struct slice){at, (size_t)(stop - at)}, line);
        if (line->kind == KNOWN_HOSTS_KEY && line->key.blob_len == finding->key.len &&
            memcmp(line->key.blob, finding->key.bytes, finding->key.len) == 0) {
            size_t used = strlen(finding->elsewhere);
            bool hashed = line->hosts.len > 0 && line->hosts.bytes[0] == '|';
            snprintf(finding->elsewhere + used, sizeof finding->elsewhere - used,
                     "    %.256s:%u: %.*s\n", path, number,
                     hashed ? 13 : (int)(line->hosts.len < 256 ? line->hosts.len : 256),
                     hashed ? "[hashed name]" : (const char *)line->hosts.bytes);
        }
        at = stop + 1;
    }
    free(line);
}

static void judge_text(const struct known_hosts_file *known_hosts, struct finding *finding,
                       struct slice file, const char *path)
{
    struct known_hosts_verdict verdict = known_hosts_judge(file, known_hosts->name, finding->key);
    if (verdict.result == KNOWN_HOSTS_NEW && known_hosts->bare[0] != '\0') {
        /* like ssh: a key recorded for the host without a port is as good, but only that */
        struct known_hosts_verdict bare = known_hosts_judge(file, known_hosts->bare, finding->key);
        if (bare.result == KNOWN_HOSTS_FOUND || bare.result == KNOWN_HOSTS_IS_REVOKED) {
            verdict = bare;
        }
    }
    if (verdict.result > finding->result || finding->path == NULL) {
        finding->result = verdict.result;
        finding->path = path;
        finding->line = verdict.line;
        finding->known_type[0] = '\0';
        if (verdict.result == KNOWN_HOSTS_OTHER_TYPE || verdict.result == KNOWN_HOSTS_CHANGED) {
            snprintf(finding->known_type, sizeof finding->known_type, "%s",
                     keytext_short_name(verdict.type));
        }
    }
    if (verdict.result == KNOWN_HOSTS_NEW) {
        note_elsewhere(finding, file, path);
    }
}

static void judge_files(const struct known_hosts_file *known_hosts, struct finding *finding)
{
    for (size_t i = 0; i < known_hosts->count; i++) {
        const char *path = known_hosts->paths[i];
        struct files_content content;
        int error = files_read(path, KNOWN_HOSTS_FILE_MAX, &content);
        if (error == -ENOENT || error == -ENOTDIR) {
            log_line(LEVEL_DEBUG1, "load_hostkeys: %s: %s", path, strerror(-error));
            continue;
        }
        if (error < 0) {
            log_line(LEVEL_ERROR, "Can't read known hosts file %s: %s", path, files_text(error));
            finding->unread = true;
            continue;
        }
        judge_text(known_hosts, finding, (struct slice){(const uint8_t *)content.text, content.len},
                   path);
        files_free(&content);
    }
}

static void describe(struct finding *finding, const struct broker_request *request)
{
    char text[INET6_ADDRSTRLEN] = "";
    const void *peer = &request->peer;
    finding->type = keytext_short_name(keytext_type(finding->key));
    keytext_fingerprint(finding->key, finding->fingerprint);
    if (request->peer.ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, text, sizeof text);
    } else if (request->peer.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, text, sizeof text);
    }
    if (text[0] == '\0' || !known_hosts_name(text, request->port, finding->address)) {
        snprintf(finding->address, sizeof finding->address, "<no address>");
    }
}

/* ---- writing a key down -------------------------------------------------------------------- */

/* A line of our own even when the file's last one has no end. 0 or a negative errno. */
static int append(const char *path, const char *line, size_t len)
{
    int error = paths_make_folder_of(path);
    if (error < 0) {
        return error;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0) {
        return -errno;
    }
    char last = '\n';
    char text[KNOWN_HOSTS_LINE_SIZE + 1];
    off_t size = lseek(fd, 0, SEEK_END);
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1) {
        last = '\n';
    }
    size_t start = last == '\n' ? 0 : 1;
    text[0] = '\n';
    memcpy(text + start, line, len);
    /* one write: with O_APPEND lines of two programs don't mix */
    ssize_t n = write(fd, text, start + len);
    error = n == (ssize_t)(start + len) ? 0 : n < 0 ? -errno : -ENOSPC;
    if (close(fd) < 0 && error == 0) {
        error = -errno;
    }
    return error;
}

static void learn(const struct known_hosts_file *known_hosts, const struct finding *finding)
{
    if (known_hosts->user_count == 0) {
        return;
    }
    const char *path = known_hosts->paths[0];
    char *line = malloc(KNOWN_HOSTS_LINE_SIZE);
    if (line == NULL) {
        return;
    }
    struct entropy entropy = entropy_system();
    size_t len = known_hosts_format(known_hosts->name, finding->key,
                                    known_hosts->options->hash_known_hosts ? &entropy : NULL, line);
    int error = len > 0 ? append(path, line, len) : -EINVAL;
    free(line);
    if (error < 0) {
        log_line(LEVEL_ERROR, "Failed to add the host to the list of known hosts (%s): %s", path,
                 strerror(-error));
    } else {
        log_line(LEVEL_INFO, "Warning: Permanently added '%s' (%s) to the list of known hosts.",
                 known_hosts->name, finding->type);
    }
}

/* ---- the question -------------------------------------------------------------------------- */

/* Waits in small steps, since a signal to the program must be able to end it. */
static bool read_answer(struct known_hosts_file *known_hosts, int fd,
                        char answer[KNOWN_HOSTS_FILE_ANSWER])
{
    size_t len = 0;
    while (!atomic_load(&known_hosts->cancelled)) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, 100);
        if (ready <= 0) {
            if (ready < 0 && errno != EINTR) {
                return false;
            }
            continue;
        }
        char byte;
        ssize_t n = read(fd, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        if (byte == '\n') {
            answer[len] = '\0';
            return true;
        }
        if (len + 1 < KNOWN_HOSTS_FILE_ANSWER) {
            answer[len++] = byte;
        }
    }
    return false;
}

static bool ask_terminal(struct known_hosts_file *known_hosts, const char *question,
                         char answer[KNOWN_HOSTS_FILE_ANSWER])
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        log_line(LEVEL_ERROR,
                 "There is no terminal to ask on. Check the fingerprint another way and add the "
                 "key with ssh-keyscan, or try -o StrictHostKeyChecking=accept-new");
        return false;
    }
    bool good = write(fd, question, strlen(question)) >= 0 && read_answer(known_hosts, fd, answer);
    close(fd);
    return good;
}

/* True for yes, or for the fingerprint typed in. */
static bool confirmed(struct known_hosts_file *known_hosts, const struct finding *finding)
{
    char question[KNOWN_HOSTS_NAME_SIZE * 2 + 4096];
    char answer[KNOWN_HOSTS_FILE_ANSWER];
    const char *other = finding->result == KNOWN_HOSTS_OTHER_TYPE
                            ? ",\nbut keys of different type are already known for this host."
                            : ".";
    snprintf(question, sizeof question,
             "The authenticity of host '%s (%s)' can't be established%s\n"
             "%s key fingerprint is %s.\n"
             "%s%s"
             "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
             known_hosts->name, finding->address, other, finding->type, finding->fingerprint,
             finding->elsewhere[0] != '\0'
                 ? "This host key is known by the following other names/addresses:\n"
                 : "This key is not known by any other names.\n",
             finding->elsewhere);
    const char *text = question;
    while (known_hosts->ask(known_hosts, text, answer)) {
        size_t len = strlen(answer);
        while (len > 0 && isspace((unsigned char)answer[len - 1])) {
            answer[--len] = '\0';
        }
        const char *word = answer + strspn(answer, " \t");
        if (strcasecmp(word, "yes") == 0 || strcmp(word, finding->fingerprint) == 0) {
            return true;
        }
        if (strcasecmp(word, "no") == 0 || word[0] == '\0') {
            return false;
        }
        text = "Please type 'yes', 'no' or the fingerprint: ";
    }
    return false;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

#define FENCE "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"

static void warn_changed(const struct known_hosts_file *known_hosts, const struct finding *finding)
{
    char text[PATHS_MAX * 3 + 4096];
    const char *own = known_hosts->user_count > 0 ? known_hosts->paths[0] : finding->path;
    snprintf(text, sizeof text,
             FENCE "\n"
                   "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n" FENCE "\n"
                   "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n"
                   "Someone could be eavesdropping on you right now (man-in-the-middle attack)!\n"
                   "It is also possible that a host key has just been changed.\n"
                   "The fingerprint for the %s key sent by the remote host is\n%s.\n"
                   "Please contact your system administrator.\n"
                   "Add correct host key in %s to get rid of this message.\n"
                   "Offending %s key in %s:%u\n"
                   "  remove with:\n"
                   "  ssh-keygen -f \"%s\" -R \"%s\"\n",
             finding->type, finding->fingerprint, own, finding->known_type, finding->path,
             finding->line, finding->path, known_hosts->name);
    log_raw(LEVEL_ERROR, text);
}

static void warn_revoked(const struct known_hosts_file *known_hosts, const struct finding *finding)
{
    char text[PATHS_MAX + KNOWN_HOSTS_NAME_SIZE + 1024];
    snprintf(text, sizeof text,
             FENCE "\n"
                   "@       WARNING: REVOKED HOST KEY DETECTED!               @\n" FENCE "\n"
                   "The %s host key for %s is marked as revoked in %s:%u.\n"
                   "This could mean that a stolen key is being used to impersonate this host.\n",
             finding->type, known_hosts->name, finding->path, finding->line);
    log_raw(LEVEL_ERROR, text);
}

static bool refuse_changed(const struct known_hosts_file *known_hosts,
                           const struct finding *finding)
{
    warn_changed(known_hosts, finding);
    if (known_hosts->options->strict == CLIENT_OPTIONS_STRICT_NO) {
        /* ssh goes on here, but without any forward: for us nothing would be left */
        log_line(LEVEL_ERROR, "Port forwarding is disabled to avoid man-in-the-middle attacks.");
    } else {
        log_line(LEVEL_ERROR, "Host key for %s has changed and you have requested strict checking.",
                 known_hosts->name);
    }
    return false;
}

/* No key, or none of this type, is known for the host. */
static bool decide_new(struct known_hosts_file *known_hosts, const struct finding *finding)
{
    const struct client_options *options = known_hosts->options;
    int strict = options->strict;
    bool other_type = finding->result == KNOWN_HOSTS_OTHER_TYPE;
    if (strict == CLIENT_OPTIONS_STRICT_YES) {
        log_line(LEVEL_ERROR,
                 "No %s host key is known for %s and you have requested strict checking.",
                 finding->type, known_hosts->name);
        return false;
    }
    if (strict == CLIENT_OPTIONS_STRICT_ACCEPT_NEW && other_type) {
        log_line(LEVEL_ERROR,
                 "%s is known, but by a %s key only (%s:%u), so its %s key is not taken for new. "
                 "If %s is its fingerprint, add it with ssh-keyscan -t ed25519",
                 known_hosts->name, finding->known_type, finding->path, finding->line,
                 finding->type, finding->fingerprint);
        return false;
    }
    if (strict == CLIENT_OPTIONS_STRICT_ASK && options->batch_mode) {
        log_line(LEVEL_ERROR,
                 "No %s host key is known for %s and BatchMode forbids to ask; its fingerprint is "
                 "%s",
                 finding->type, known_hosts->name, finding->fingerprint);
        return false;
    }
    if (strict == CLIENT_OPTIONS_STRICT_ASK && !confirmed(known_hosts, finding)) {
        return false;
    }
    learn(known_hosts, finding);
    return true;
}

static bool decide(struct known_hosts_file *known_hosts, const struct finding *finding)
{
    if (finding->unread && known_hosts->options->strict != CLIENT_OPTIONS_STRICT_NO) {
        /* the line that refuses this key might be in it */
        return false;
    }
    switch (finding->result) {
    case KNOWN_HOSTS_IS_REVOKED:
        warn_revoked(known_hosts, finding);
        return false;
    case KNOWN_HOSTS_CHANGED:
        return refuse_changed(known_hosts, finding);
    case KNOWN_HOSTS_FOUND:
        log_line(LEVEL_DEBUG1, "Host '%s' is known and matches the %s host key.", known_hosts->name,
                 finding->type);
        log_line(LEVEL_DEBUG1, "Found key in %s:%u", finding->path, finding->line);
        return true;
    case KNOWN_HOSTS_NEW:
    case KNOWN_HOSTS_OTHER_TYPE:
        break;
    }
    return decide_new(known_hosts, finding);
}

void known_hosts_file_check(struct known_hosts_file *known_hosts,
                            const struct broker_request *request, struct broker_reply *reply)
{
    struct finding *finding = calloc(1, sizeof *finding);
    reply->allowed = false;
    if (finding == NULL || request->blob_len == 0 || request->blob_len > sizeof request->blob) {
        reply->error = finding == NULL ? -ENOMEM : -EINVAL;
        free(finding);
        return;
    }
    finding->key = (struct slice){request->blob, request->blob_len};
    describe(finding, request);
    judge_files(known_hosts, finding);
    reply->allowed = decide(known_hosts, finding);
    if (!reply->allowed) {
        snprintf(reply->text, sizeof reply->text, "Host key verification failed.");
    }
    free(finding);
}
