/*
 * Who may log in: files found by user name, judged by owner and mode, asked about a key.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/provider.h"
#include "engine/log.h"
#include "proto/keytext.h"
#include "tools/authorize.h"

static char folder[64];
static char pattern[128];
static struct server_options options;
static struct authorize authorize;
static struct broker_request *request;
static struct broker_reply *reply;
static char line[KEYTEXT_LINE_SIZE];
static char why[512];

static void start(void)
{
    char *argv[] = {(char[]){"culvertd"}, (char[]){"-f"}, (char[]){"none"}, NULL};
    cr_assert(provider_start());
    log_set_level(LEVEL_QUIET);
    snprintf(folder, sizeof folder, "/tmp/test_authorize.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(pattern, sizeof pattern, "%s/%%u", folder);
    cr_assert_eq(server_options_parse(&options, 3, argv), SERVER_OPTIONS_RUN);
    options.authorized_keys = (struct keyword_words){{pattern}, 1};
    cr_assert(authorize_start(&authorize, &options, why, sizeof why), "%s", why);

    struct entropy entropy = entropy_system();
    struct sign_key key;
    sign_key_make(&entropy, &key);
    request = calloc(1, sizeof *request);
    reply = calloc(1, sizeof *reply);
    keytext_from_ed25519(key.public, request->blob);
    request->blob_len = KEYTEXT_ED25519_BLOB_LEN;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(1000)};
    inet_pton(AF_INET, "192.0.2.7", &peer.sin_addr);
    memcpy(&request->peer, &peer, sizeof peer);
    snprintf(request->user, sizeof request->user, "joe");
    struct slice blob = {request->blob, request->blob_len};
    cr_assert(keytext_write(blob, "joe", line, sizeof line) > 0);
}

static void finish(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
    server_options_free(&options);
    free(request);
    free(reply);
}

TestSuite(authorize, .init = start, .fini = finish);

static void write_keys(const char *name, const char *prefix, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "# keys\n%s%s%s\n", prefix, prefix[0] != '\0' ? " " : "", line);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
}

static bool judge(void)
{
    memset(reply, 0, sizeof *reply);
    authorize_judge(&authorize, request, reply);
    return reply->allowed;
}

Test(authorize, the_right_key_of_the_right_user)
{
    write_keys("joe", "", 0600);
    cr_assert(judge(), "%s", reply->text);
    cr_assert_eq(reply->blob_len, 0);
    snprintf(request->user, sizeof request->user, "jim");
    cr_assert_not(judge());
    cr_assert(strlen(reply->text) > 0);
    snprintf(request->user, sizeof request->user, "joe");
    request->blob[KEYTEXT_ED25519_BLOB_LEN - 1] ^= 1;
    cr_assert_not(judge());
}

Test(authorize, options_come_back)
{
    write_keys("joe", "restrict,port-forwarding,permitopen=\"db:5432\"", 0600);
    cr_assert(judge());
    cr_assert_eq(reply->blob_len, strlen("restrict,port-forwarding,permitopen=\"db:5432\""));
    cr_assert_eq(memcmp(reply->blob, "restrict,port", 13), 0);
    write_keys("joe", "nonsense", 0600);
    cr_assert_not(judge());
}

Test(authorize, from_and_expiry)
{
    write_keys("joe", "from=\"192.0.2.0/24\"", 0600);
    cr_assert(judge());
    write_keys("joe", "from=\"192.0.3.0/24\"", 0600);
    cr_assert_not(judge());
    write_keys("joe", "expiry-time=\"20010101\"", 0600);
    cr_assert_not(judge());
    write_keys("joe", "expiry-time=\"29990101\"", 0600);
    cr_assert(judge());
}

Test(authorize, strict_modes)
{
    write_keys("joe", "", 0620);
    cr_assert_not(judge());
    write_keys("joe", "", 0602);
    cr_assert_not(judge());
    options.strict_modes = false;
    cr_assert(judge());
    options.strict_modes = true;
    write_keys("joe", "", 0644);
    cr_assert(judge());
    cr_assert_eq(chmod(folder, 0777), 0);
    cr_assert_not(judge());
    cr_assert_eq(chmod(folder, 0700), 0);
    cr_assert(judge());
}

Test(authorize, what_is_no_file)
{
    char path[256];
    cr_assert_not(judge());
    snprintf(path, sizeof path, "%s/joe", folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_not(judge());
    rmdir(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_not(judge(), "and it must not hang");
    unlink(path);
    FILE *file = fopen(path, "w");
    fprintf(file, "%s\n", line);
    fclose(file);
    cr_assert_eq(truncate(path, AUTHORIZE_FILE_MAX + 1), 0);
    cr_assert_not(judge());
}

Test(authorize, names_that_are_no_path_pieces)
{
    static const char *const bad[] = {"",       ".",    "..",   ".hidden", "a/b",
                                      "../joe", "a\nb", "/joe", "\x7f"};
    write_keys("joe", "", 0600);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not(authorize_user_valid(bad[i]));
        snprintf(request->user, sizeof request->user, "%s", bad[i]);
        cr_assert_not(judge());
    }
    cr_assert(authorize_user_valid("joe"));
    cr_assert(authorize_user_valid("j.o-e_5@x"));
    memset(request->user, 'x', sizeof request->user - 1);
    cr_assert_not(judge());
    snprintf(request->user, sizeof request->user, "%%u%%h");
    cr_assert_not(judge());
}

Test(authorize, switches)
{
    write_keys("root", "", 0600);
    snprintf(request->user, sizeof request->user, "root");
    cr_assert(judge());
    options.permit_root = SERVER_OPTIONS_ROOT_NO;
    cr_assert_not(judge());
    options.permit_root = SERVER_OPTIONS_ROOT_YES;
    options.pubkey_authentication = false;
    cr_assert_not(judge());
    options.pubkey_authentication = true;
    options.pubkey_algorithms = "sk-ssh-ed25519@openssh.com";
    cr_assert_not(judge());
    options.pubkey_algorithms = NULL;
    options.authorized_keys = (struct keyword_words){{"none"}, 1};
    cr_assert_not(judge());
}

Test(authorize, paths)
{
    setenv("HOME", folder, 1);
    options.authorized_keys = (struct keyword_words){{"keys-%u", "%h/other%%"}, 2};
    cr_assert(authorize_start(&authorize, &options, why, sizeof why), "%s", why);
    cr_assert_not(judge());
    write_keys("other%", "", 0600);
    cr_assert(judge());
    char path[256];
    snprintf(path, sizeof path, "%s/other%%", folder);
    unlink(path);
    write_keys("keys-joe", "", 0600);
    cr_assert(judge());
    options.authorized_keys = (struct keyword_words){{"%x"}, 1};
    cr_assert_not(authorize_start(&authorize, &options, why, sizeof why));
}
