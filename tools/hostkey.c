/*
 * The host key's file and its one use.
 */
#include "tools/hostkey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "engine/log.h"
#include "proto/keyfile.h"
#include "tools/files.h"

bool hostkey_default_path(char *ret_path, size_t size)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    int len;
    if (geteuid() == 0) {
        len = snprintf(ret_path, size, "/etc/culvert/ssh_host_ed25519_key");
    } else if (config != NULL && config[0] == '/') {
        len = snprintf(ret_path, size, "%s/culvert/ssh_host_ed25519_key", config);
    } else {
        const char *home = paths_home();
        if (home == NULL) {
            return false;
        }
        len = snprintf(ret_path, size, "%s/.config/culvert/ssh_host_ed25519_key", home);
    }
    return len > 0 && (size_t)len < size;
}

/* 0, -ENOKEY for a key of a type that we don't have, or another negative errno; why says it. */
static int load(struct hostkey *hostkey, const char *path, char *why, size_t why_len)
{
    struct files_content content;
    int error = files_read(path, KEYFILE_TEXT_MAX, &content);
    if (error < 0) {
        snprintf(why, why_len, "Unable to load host key \"%s\": %s", path, files_text(error));
        return error;
    }
    if (!files_private(&content, path, why, why_len)) {
        files_free(&content);
        return -EPERM;
    }
    struct keyfile *file = calloc(1, sizeof *file);
    if (file == NULL) {
        files_free(&content);
        snprintf(why, why_len, "Unable to load host key \"%s\": out of memory", path);
        return -ENOMEM;
    }
    enum keyfile_result result = keyfile_parse(content.text, content.len, file);
    files_free(&content);
    if (result == KEYFILE_OK) {
        hostkey->key = file->key;
        keytext_from_ed25519(hostkey->key.public, hostkey->blob);
        snprintf(hostkey->path, sizeof hostkey->path, "%s", path);
    } else {
        snprintf(why, why_len, "Unable to load host key \"%s\": it %s", path, keyfile_text(result));
    }
    secret_wipe(file, sizeof *file);
    free(file);
    if (result == KEYFILE_OK) {
        return 0;
    }
    return result == KEYFILE_OTHER_TYPE || result == KEYFILE_OTHER_FORM ? -ENOKEY : -EBADMSG;
}

/* The public half beside it, for ssh-keygen -l and for known_hosts; only a convenience. */
static void write_public(const struct hostkey *hostkey, const char *comment)
{
    char path[PATHS_MAX + 8];
    char line[KEYTEXT_LINE_SIZE];
    struct slice blob = {hostkey->blob, sizeof hostkey->blob};
    size_t len = keytext_write(blob, comment, line, sizeof line - 1);
    snprintf(path, sizeof path, "%s.pub", hostkey->path);
    if (len > 0) {
        line[len++] = '\n';
        int error = files_make(path, line, len, 0644);
        if (error < 0) {
            log_line(LEVEL_DEBUG1, "can't write %s: %s", path, files_text(error));
        }
    }
}

static int make_key(struct hostkey *hostkey, const char *path)
{
    char text[KEYFILE_WRITE_SIZE];
    char host[256] = "host";
    char comment[300];
    struct entropy entropy = entropy_system();
    int error = paths_make_folder_of(path);
    if (error < 0) {
        return error;
    }
    gethostname(host, sizeof host - 1);
    snprintf(comment, sizeof comment, "culvertd@%s", host);
    sign_key_make(&entropy, &hostkey->key);
    size_t len = keyfile_write(&hostkey->key, comment, &entropy, text);
    error = files_make(path, text, len, 0600);
    secret_wipe(text, sizeof text);
    if (error == 0) {
        keytext_from_ed25519(hostkey->key.public, hostkey->blob);
        snprintf(hostkey->path, sizeof hostkey->path, "%s", path);
        write_public(hostkey, comment);
        log_line(LEVEL_INFO, "Made a new host key: %s", path);
    }
    return error;
}

static bool open_default(struct hostkey *hostkey, bool make, char *why, size_t why_len)
{
    char path[PATHS_MAX];
    if (!hostkey_default_path(path, sizeof path)) {
        snprintf(why, why_len,
                 "No host key: no home folder is known to keep one in; name a file "
                 "with -h or HostKey");
        return false;
    }
    int error = load(hostkey, path, why, why_len);
    if (error == -ENOENT && !make) {
        /* -t of a fresh installation: the start will make one */
        return true;
    }
    if (error == -ENOENT) {
        error = make_key(hostkey, path);
        if (error == -EEXIST) {
            /* another start was faster: its key is the key */
            error = load(hostkey, path, why, why_len);
        } else if (error < 0) {
            snprintf(why, why_len,
                     "Can't make the host key %s: %s; name another file with -h or HostKey", path,
                     files_text(error));
        }
    }
    return error == 0;
}

bool hostkey_open(struct hostkey *hostkey, const struct keyword_words *files, bool make,
                  char *ret_why, size_t why_len)
{
    memset(hostkey, 0, sizeof *hostkey);
    if (files->count == 0) {
        return open_default(hostkey, make, ret_why, why_len);
    }
    for (size_t i = 0; i < files->count; i++) {
        char path[PATHS_MAX];
        char what[256];
        if (!paths_expand(files->at[i], NULL, path, sizeof path, what, sizeof what)) {
            snprintf(ret_why, why_len, "HostKey \"%s\": %s", files->at[i], what);
            return false;
        }
        int error = load(hostkey, path, ret_why, why_len);
        if (error == 0) {
            return true;
        }
        if (error != -ENOKEY) {
            return false;
        }
        log_line(LEVEL_DEBUG1, "%s", ret_why);
    }
    return false;
}

void hostkey_wipe(struct hostkey *hostkey)
{
    secret_wipe(hostkey, sizeof *hostkey);
}

void hostkey_sign(const struct hostkey *hostkey, const struct broker_request *request,
                  struct broker_reply *reply)
{
    uint8_t signature[SIGN_LEN];
    if (request->blob_len == 0 || request->blob_len > sizeof request->blob) {
        reply->error = -EINVAL;
        return;
    }
    sign_make(&hostkey->key, request->blob, request->blob_len, signature);
    keytext_signature_from_ed25519(signature, reply->blob);
    reply->blob_len = KEYTEXT_ED25519_SIGNATURE_LEN;
    reply->allowed = true;
    reply->error = 0;
}
