/*
 * The user's keys: files of every kind, and an agent of our own behind a unix socket.
 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "crypto/provider.h"
#include "engine/log.h"
#include "proto/agent.h"
#include "proto/keyfile.h"
#include "proto/keytext.h"
#include "tools/identity.h"

static char folder[64];
static char path[128];
static struct client_options options;
static struct identities *identities;
static struct broker_request *request;
static struct broker_reply *reply;

static void start(void)
{
    char *argv[] = {(char[]){"culvert"}, (char[]){"u@host"}, NULL};
    cr_assert(provider_start());
    log_set_level(LEVEL_QUIET);
    unsetenv("SSH_AUTH_SOCK");
    identities = calloc(1, sizeof *identities);
    request = calloc(1, sizeof *request);
    reply = calloc(1, sizeof *reply);
    snprintf(folder, sizeof folder, "/tmp/test_identity.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    cr_assert_eq(client_options_parse(&options, 2, argv), CLIENT_OPTIONS_RUN, "%s", options.error);
    options.identity_files = (struct keyword_words){{path}, 1};
    setenv("HOME", folder, 1);
}

static void finish(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
    identity_wipe(identities);
    client_options_free(&options);
    free(identities);
    free(request);
    free(reply);
}

TestSuite(identity, .init = start, .fini = finish);

static struct sign_key write_key(mode_t mode)
{
    struct entropy entropy = entropy_system();
    struct sign_key key;
    char text[KEYFILE_WRITE_SIZE];
    sign_key_make(&entropy, &key);
    size_t len = keyfile_write(&key, "test", &entropy, text);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
    return key;
}

static bool sign(uint32_t index)
{
    memset(reply, 0, sizeof *reply);
    request->identity = index;
    request->blob_len = 40;
    memset(request->blob, 9, 40);
    identity_sign(identities, request, reply);
    return reply->allowed;
}

Test(identity, file_signs)
{
    struct sign_key key = write_key(0600);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 1);
    cr_assert_not(identities->list[0].probe);
    cr_assert_str_eq(identities->list[0].name, path);
    cr_assert(sign(0));
    const uint8_t *signature =
        keytext_signature_to_ed25519((struct slice){reply->blob, reply->blob_len});
    cr_assert_not_null(signature);
    cr_assert(sign_verify(key.public, request->blob, 40, signature));
    cr_assert_not(sign(1));
    cr_assert(reply->error < 0);
    identity_wipe(identities);
    for (size_t i = 0; i < sizeof identities->keys[0].key; i++) {
        cr_assert_eq(((const uint8_t *)&identities->keys[0].key)[i], 0);
    }
}

Test(identity, files_that_are_refused)
{
    write_key(0644);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    write_key(0640);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    unlink(path);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    rmdir(path);
    FILE *file = fopen(path, "w");
    fputs("nonsense\n", file);
    fclose(file);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    options.identity_files = (struct keyword_words){{"%Q", "none"}, 2};
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
}

Test(identity, the_same_key_counts_once)
{
    write_key(0600);
    options.identity_files = (struct keyword_words){{path, path}, 2};
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 1);
}

Test(identity, default_file)
{
    options.identity_files.count = 0;
    snprintf(path, sizeof path, "%s/.ssh", folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.ssh/id_ed25519", folder);
    write_key(0600);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 1);
}

Test(identity, switched_off)
{
    write_key(0600);
    options.pubkey_authentication = false;
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    options.pubkey_authentication = true;
    options.preferred_authentications = "password,keyboard-interactive";
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    options.preferred_authentications = "password,publickey";
    options.pubkey_algorithms = "rsa-sha2-512";
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
}

/* ---- agent --------------------------------------------------------------------------------- */

/* Answers each connection's one request with these bytes, whatever it asked. */
struct fake_agent {
    int fd;
    uint8_t answer[512];
    size_t len;
    pthread_t thread;
};

static struct fake_agent fake;

static void *serve(void *ctx)
{
    (void)ctx;
    for (;;) {
        uint8_t request_bytes[4096];
        int fd = accept(fake.fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        ssize_t n = read(fd, request_bytes, sizeof request_bytes);
        if (n > 0) {
            n = write(fd, fake.answer, fake.len);
        }
        close(fd);
    }
}

static void start_agent(char *socket_path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/agent", folder);
    strcpy(socket_path, addr.sun_path);
    fake.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fake.fd, (struct sockaddr *)&addr, sizeof addr), 0);
    cr_assert_eq(listen(fake.fd, 5), 0);
    cr_assert_eq(pthread_create(&fake.thread, NULL, serve, NULL), 0);
}

static void stop_agent(void)
{
    shutdown(fake.fd, SHUT_RDWR);
    pthread_join(fake.thread, NULL);
    close(fake.fd);
}

/* One identities answer with an ssh-rsa-like key and this one. */
static void answer_with(struct slice blob)
{
    static const uint8_t rsa[] = {0, 0, 0, 7, 's', 's', 'h', '-', 'r', 's', 'a', 0, 0, 0, 1, 3};
    struct wire_out out = wire_out_make(fake.answer, sizeof fake.answer);
    wire_put_u32(&out, 0);
    wire_put_u8(&out, 12);
    wire_put_u32(&out, 2);
    wire_put_string(&out, rsa, sizeof rsa);
    wire_put_text(&out, "first");
    wire_put_string(&out, blob.bytes, blob.len);
    wire_put_text(&out, "second");
    fake.len = wire_out_len(&out);
    fake.answer[3] = (uint8_t)(fake.len - 4);
    fake.answer[2] = (uint8_t)((fake.len - 4) >> 8);
}

Test(identity, agent_keys_come_behind_named_files)
{
    char socket_path[128];
    struct sign_key key = write_key(0600);
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    keytext_from_ed25519(key.public, blob);
    answer_with((struct slice){blob, sizeof blob});
    start_agent(socket_path);
    options.identity_agent = socket_path;
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 2, "the agent's copy of the file's key is no third");
    cr_assert_str_eq(identities->list[0].name, path);
    cr_assert_str_eq(identities->list[1].name, "first (agent)");
    cr_assert(identities->list[1].probe);

    identity_wipe(identities);
    options.identities_only = true;
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 1);

    /* only the public half is here: the agent signs */
    char public_path[160];
    char line[KEYTEXT_LINE_SIZE];
    snprintf(public_path, sizeof public_path, "%s.pub", path);
    cr_assert(keytext_write((struct slice){blob, sizeof blob}, "x", line, sizeof line) > 0);
    FILE *file = fopen(public_path, "w");
    fprintf(file, "%s\n", line);
    fclose(file);
    unlink(path);
    identity_wipe(identities);
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 1);
    cr_assert(identities->list[0].probe);
    /* string (string "a", string "b") */
    static const uint8_t signature[] = {0, 0, 0, 15,  14, 0, 0, 0, 10, 0,
                                        0, 0, 1, 'a', 0,  0, 0, 1, 'b'};
    memcpy(fake.answer, signature, sizeof signature);
    fake.len = sizeof signature;
    cr_assert(sign(0));
    cr_assert_eq(reply->blob_len, 10);
    cr_assert_arr_eq(reply->blob, signature + 9, 10);
    fake.answer[4] = 5; /* SSH_AGENT_FAILURE */
    cr_assert_not(sign(0));
    stop_agent();
    cr_assert_not(sign(0), "the agent is gone");
    cr_assert(strlen(reply->text) > 0);
}

/* Every cut of a good answer, and some that no agent gives. */
Test(identity, agent_that_talks_nonsense)
{
    char socket_path[128];
    uint8_t blob[KEYTEXT_ED25519_BLOB_LEN];
    struct sign_key key = write_key(0600);
    keytext_from_ed25519(key.public, blob);
    unlink(path);
    answer_with((struct slice){blob, sizeof blob});
    size_t whole = fake.len;
    start_agent(socket_path);
    options.identity_agent = socket_path;
    for (size_t len = 0; len < whole; len++) {
        fake.len = len;
        identity_load(identities, &options);
        cr_assert_eq(identities->count, 0, "cut at %zu", len);
    }
    memset(fake.answer, 0xff, sizeof fake.answer);
    fake.len = sizeof fake.answer;
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
    stop_agent();
    options.identity_agent = "/nonexistent/agent";
    identity_load(identities, &options);
    cr_assert_eq(identities->count, 0);
}
