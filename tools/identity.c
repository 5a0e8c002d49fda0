/*
 * Collects the user's keys and signs with them.
 */
#include "tools/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "engine/log.h"
#include "proto/agent.h"
#include "proto/keyfile.h"
#include "proto/keytext.h"
#include "tools/agent_socket.h"
#include "tools/algorithms.h"
#include "tools/files.h"
#include "tools/paths.h"

/* What the agent said it holds. */
struct agent_answer {
    uint8_t *body;
    size_t len;
};

/* ---- the list ------------------------------------------------------------------------------ */

static bool type_accepted(const struct client_options *options, struct slice blob)
{
    const char *list = options->pubkey_algorithms;
    struct slice type = keytext_type(blob);
    if (list == NULL) {
        return true;
    }
    if (slice_is(type, "ssh-rsa")) {
        /* such a key signs under two other names */
        return algorithms_match(list, "rsa-sha2-512", 12) ||
               algorithms_match(list, "rsa-sha2-256", 12);
    }
    return algorithms_match(list, (const char *)type.bytes, type.len);
}

static bool have_blob(const struct identities *identities, struct slice blob)
{
    for (size_t i = 0; i < identities->count; i++) {
        const struct identity *identity = &identities->keys[i];
        if (identity->blob_len == blob.len && memcmp(identity->blob, blob.bytes, blob.len) == 0) {
            return true;
        }
    }
    return false;
}

/* The new entry, or NULL when it is one too many, already there or of a type not wanted. */
static struct identity *add(struct identities *identities, const struct client_options *options,
                            struct slice blob, const char *name)
{
    if (blob.len == 0 || have_blob(identities, blob)) {
        return NULL;
    }
    if (!type_accepted(options, blob)) {
        log_line(LEVEL_DEBUG1, "Skipping %s: PubkeyAcceptedAlgorithms excludes its type", name);
        return NULL;
    }
    if (identities->count == IDENTITY_MAX) {
        log_line(LEVEL_DEBUG1, "Skipping %s: more than %d keys", name, IDENTITY_MAX);
        return NULL;
    }
    struct identity *identity = &identities->keys[identities->count];
    identity->blob = malloc(blob.len);
    if (identity->blob == NULL) {
        return NULL;
    }
    memcpy(identity->blob, blob.bytes, blob.len);
    identity->blob_len = blob.len;
    snprintf(identity->name, sizeof identity->name, "%s", name);
    identities->list[identities->count] = (struct client_identity){
        .blob = identity->blob,
        .blob_len = blob.len,
        .index = (uint32_t)identities->count,
        /* own keys sign at once; an agent may have to ask its owner, so its key must be wanted */
        .probe = true,
        .name = identity->name,
    };
    identities->count++;
    return identity;
}

void identity_wipe(struct identities *identities)
{
    for (size_t i = 0; i < identities->count; i++) {
        free(identities->keys[i].blob);
    }
    secret_wipe(identities, sizeof *identities);
}

/* ---- agent --------------------------------------------------------------------------------- */

/* The agent's socket, or "". */
static void find_agent(struct identities *identities, const struct client_options *options)
{
    const char *word = options->identity_agent;
    char path[PATHS_MAX];
    char why[256];
    if (word != NULL && strcasecmp(word, "none") == 0) {
        return;
    }
    if (word == NULL || strcmp(word, "SSH_AUTH_SOCK") == 0) {
        word = getenv("SSH_AUTH_SOCK");
    } else if (word[0] == '$' && word[1] != '{') {
        word = getenv(word + 1);
    } else {
        const struct paths_token tokens[] = {{'d', paths_home()},    {'h', options->hostname},
                                             {'n', options->host},   {'r', options->user},
                                             {'u', paths_account()}, {0, NULL}};
        if (!paths_expand(word, tokens, path, sizeof path, why, sizeof why)) {
            log_line(LEVEL_ERROR, "IdentityAgent \"%s\": %s", word, why);
            return;
        }
        word = path;
    }
    if (word == NULL || word[0] == '\0') {
        return;
    }
    if (strlen(word) >= sizeof identities->agent) {
        log_line(LEVEL_ERROR, "the agent's socket has a path too long to connect to: %s", word);
        return;
    }
    strcpy(identities->agent, word);
}

static struct agent_answer list_agent(struct identities *identities)
{
    struct agent_answer answer = {NULL, 0};
    uint8_t request[AGENT_LIST_REQUEST_LEN];
    struct agent_list list;
    if (identities->agent[0] == '\0') {
        return answer;
    }
    agent_write_list(request);
    int error = agent_socket_ask(identities->agent, request, sizeof request, IDENTITY_AGENT_LIST_MS,
                                 &answer.body, &answer.len);
    if (error < 0) {
        log_line(LEVEL_DEBUG1, "no agent at %s: %s", identities->agent, strerror(-error));
        identities->agent[0] = '\0';
    } else if (agent_read_list((struct slice){answer.body, answer.len}, &list) != AGENT_OK) {
        log_line(LEVEL_ERROR, "the agent at %s gave no list of keys", identities->agent);
        free(answer.body);
        answer = (struct agent_answer){NULL, 0};
    }
    return answer;
}

static bool agent_has(const struct agent_answer *answer, struct slice blob)
{
    struct agent_list list;
    struct agent_key key;
    if (answer->body == NULL || blob.len == 0 ||
        agent_read_list((struct slice){answer->body, answer->len}, &list) != AGENT_OK) {
        return false;
    }
    while (agent_next(&list, &key)) {
        if (key.blob.len == blob.len && memcmp(key.blob.bytes, blob.bytes, blob.len) == 0) {
            return true;
        }
    }
    return false;
}

static void add_agent_keys(struct identities *identities, const struct client_options *options,
                           const struct agent_answer *answer)
{
    struct agent_list list;
    struct agent_key key;
    if (answer->body == NULL ||
        agent_read_list((struct slice){answer->body, answer->len}, &list) != AGENT_OK) {
        return;
    }
    while (agent_next(&list, &key)) {
        char name[IDENTITY_NAME_SIZE];
        size_t shown = key.comment.len < 400 ? key.comment.len : 400;
        snprintf(name, sizeof name, "%.*s (agent)", (int)shown, (const char *)key.comment.bytes);
        (void)add(identities, options, key.blob, name);
    }
}

/* ---- files --------------------------------------------------------------------------------- */

/* The key of path.pub; len 0: none. */
static struct slice read_public(const char *path, struct keytext *key)
{
    char name[PATHS_MAX + 8];
    struct files_content content;
    struct slice blob = {NULL, 0};
    snprintf(name, sizeof name, "%s.pub", path);
    if (files_read(name, KEYFILE_TEXT_MAX, &content) == 0) {
        size_t len = strcspn(content.text, "\n");
        if (keytext_parse((struct slice){(const uint8_t *)content.text, len}, key)) {
            blob = (struct slice){key->blob, key->blob_len};
        }
        files_free(&content);
    }
    return blob;
}

/* Where the file itself is of no use, the agent may have the private half of what it stands for. */
static bool add_by_agent(struct identities *identities, const struct client_options *options,
                         const struct agent_answer *answer, const char *path, struct slice blob)
{
    struct keytext *key = malloc(sizeof *key);
    bool found = false;
    if (key != NULL && blob.len == 0) {
        blob = read_public(path, key);
    }
    if (agent_has(answer, blob)) {
        char name[IDENTITY_NAME_SIZE];
        snprintf(name, sizeof name, "%.400s (agent)", path);
        (void)add(identities, options, blob, name);
        found = true;
    }
    free(key);
    return found;
}

static void use_content(struct identities *identities, const struct client_options *options,
                        const struct agent_answer *answer, const char *path,
                        const struct files_content *content)
{
    char why[PATHS_MAX * 2 + 256];
    struct keyfile *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return;
    }
    enum keyfile_result result = keyfile_parse(content->text, content->len, file);
    struct slice blob = {file->blob, file->blob_len};
    if (result != KEYFILE_PUBLIC && result != KEYFILE_NO_KEY &&
        !files_private(content, path, why, sizeof why)) {
        log_line(LEVEL_ERROR, "%s", why);
    } else if (result == KEYFILE_OK) {
        uint8_t own[KEYTEXT_ED25519_BLOB_LEN];
        keytext_from_ed25519(file->key.public, own);
        struct identity *identity = add(identities, options, (struct slice){own, sizeof own}, path);
        if (identity != NULL) {
            identity->own = true;
            identity->key = file->key;
            identities->list[identities->count - 1].probe = false;
        }
    } else if (!add_by_agent(identities, options, answer, path, blob)) {
        log_line(LEVEL_ERROR, "Identity file %s %s", path, keyfile_text(result));
    }
    secret_wipe(file, sizeof *file);
    free(file);
}

static void use_file(struct identities *identities, const struct client_options *options,
                     const struct agent_answer *answer, const char *path, bool named)
{
    struct files_content content;
    int error = files_read(path, KEYFILE_TEXT_MAX, &content);
    if (error == 0) {
        use_content(identities, options, answer, path, &content);
        files_free(&content);
    } else if (!add_by_agent(identities, options, answer, path, (struct slice){NULL, 0})) {
        log_line(named ? LEVEL_INFO : LEVEL_DEBUG1, "%sIdentity file %s not accessible: %s.",
                 named ? "Warning: " : "", path, files_text(error));
    }
}

static void use_named(struct identities *identities, const struct client_options *options,
                      const struct agent_answer *answer)
{
    char port[16], uid[24];
    snprintf(port, sizeof port, "%d", options->port);
    snprintf(uid, sizeof uid, "%lu", (unsigned long)getuid());
    const struct paths_token tokens[] = {
        {'d', paths_home()},  {'h', options->hostname}, {'n', options->host}, {'p', port},
        {'r', options->user}, {'u', paths_account()},   {'i', uid},           {0, NULL},
    };
    for (size_t i = 0; i < options->identity_files.count; i++) {
        const char *word = options->identity_files.at[i];
        char path[PATHS_MAX];
        char why[256];
        if (strcasecmp(word, "none") == 0) {
            continue;
        }
        if (paths_expand(word, tokens, path, sizeof path, why, sizeof why)) {
            use_file(identities, options, answer, path, true);
        } else {
            log_line(LEVEL_ERROR, "IdentityFile \"%s\": %s", word, why);
        }
    }
}

static void use_default(struct identities *identities, const struct client_options *options,
                        const struct agent_answer *answer)
{
    char path[PATHS_MAX];
    char why[256];
    if (paths_expand("~/.ssh/id_ed25519", NULL, path, sizeof path, why, sizeof why)) {
        use_file(identities, options, answer, path, false);
    } else {
        log_line(LEVEL_DEBUG1, "no default key: %s", why);
    }
}

static bool publickey_wanted(const struct client_options *options)
{
    return options->pubkey_authentication &&
           (options->preferred_authentications == NULL ||
            algorithms_match(options->preferred_authentications, "publickey", 9));
}

void identity_load(struct identities *identities, const struct client_options *options)
{
    if (!publickey_wanted(options)) {
        log_line(LEVEL_ERROR, "PubkeyAuthentication or PreferredAuthentications switch off public "
                              "keys, the only way to log in that culvert has");
        return;
    }
    find_agent(identities, options);
    struct agent_answer answer = list_agent(identities);
    use_named(identities, options, &answer);
    if (!options->identities_only) {
        add_agent_keys(identities, options, &answer);
    }
    if (options->identity_files.count == 0) {
        use_default(identities, options, &answer);
    }
    free(answer.body);
    if (identities->count == 0) {
        log_line(LEVEL_INFO, "No key to log in with: name one with -i, make one with ssh-keygen "
                             "-t ed25519, or start an ssh-agent");
    }
}

/* ---- signatures ---------------------------------------------------------------------------- */

static void sign_by_agent(const struct identities *identities, const struct identity *identity,
                          const struct broker_request *request, struct broker_reply *reply)
{
    size_t size = AGENT_HEAD_LEN + 64 + identity->blob_len + request->blob_len;
    uint8_t *text = malloc(size);
    uint8_t *body = NULL;
    size_t body_len = 0;
    struct slice signature;
    if (text == NULL) {
        reply->error = -ENOMEM;
        return;
    }
    size_t len = agent_write_sign((struct slice){identity->blob, identity->blob_len},
                                  (struct slice){request->blob, request->blob_len}, request->flags,
                                  text, size);
    reply->error = len == 0 ? -EMSGSIZE
                            : agent_socket_ask(identities->agent, text, len, IDENTITY_AGENT_SIGN_MS,
                                               &body, &body_len);
    if (reply->error < 0) {
        snprintf(reply->text, sizeof reply->text, "the agent did not answer: %s",
                 strerror(-reply->error));
    } else if (agent_read_signature((struct slice){body, body_len}, &signature) != AGENT_OK ||
               signature.len > sizeof reply->blob) {
        reply->error = -EPERM;
        snprintf(reply->text, sizeof reply->text, "agent refused operation");
    } else {
        memcpy(reply->blob, signature.bytes, signature.len);
        reply->blob_len = (uint32_t)signature.len;
    }
    free(body);
    secret_wipe(text, size);
    free(text);
}

void identity_sign(const struct identities *identities, const struct broker_request *request,
                   struct broker_reply *reply)
{
    reply->blob_len = 0;
    if (request->identity >= identities->count || request->blob_len > sizeof request->blob) {
        reply->error = -EINVAL;
        return;
    }
    const struct identity *identity = &identities->keys[request->identity];
    if (!identity->own) {
        sign_by_agent(identities, identity, request, reply);
    } else {
        uint8_t signature[SIGN_LEN];
        sign_make(&identity->key, request->blob, request->blob_len, signature);
        keytext_signature_from_ed25519(signature, reply->blob);
        reply->blob_len = KEYTEXT_ED25519_SIGNATURE_LEN;
        reply->error = 0;
    }
    reply->allowed = reply->error == 0;
}
