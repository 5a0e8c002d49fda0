/*
 * Host keys judged by files on disk: each StrictHostKeyChecking value, the question, what is
 * written down.
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
#include "tools/known_hosts_file.h"

static char folder[64];
static char path[128];
static struct client_options options;
static struct known_hosts_file *known_hosts;
static struct broker_request *request;
static struct broker_reply *reply;
static char why[512];
static char question[8192];
static const char *answers[4];
static int asked;

static bool fake_ask(struct known_hosts_file *self, const char *text,
                     char answer[KNOWN_HOSTS_FILE_ANSWER])
{
    (void)self;
    if (asked == 0) {
        snprintf(question, sizeof question, "%s", text);
    }
    const char *next = asked < 4 ? answers[asked] : NULL;
    asked++;
    if (next == NULL) {
        return false;
    }
    snprintf(answer, KNOWN_HOSTS_FILE_ANSWER, "%s", next);
    return true;
}

static void make_key(void)
{
    struct entropy entropy = entropy_system();
    struct sign_key key;
    sign_key_make(&entropy, &key);
    keytext_from_ed25519(key.public, request->blob);
    request->blob_len = KEYTEXT_ED25519_BLOB_LEN;
}

static void restart(void)
{
    cr_assert(known_hosts_file_start(known_hosts, &options, why, sizeof why), "%s", why);
    known_hosts->ask = fake_ask;
    asked = 0;
}

static void start(void)
{
    char *argv[] = {(char[]){"culvert"}, (char[]){"-p"}, (char[]){"2222"},
                    (char[]){"u@Host.Example"}, NULL};
    cr_assert(provider_start());
    log_set_level(LEVEL_QUIET);
    known_hosts = calloc(1, sizeof *known_hosts);
    request = calloc(1, sizeof *request);
    reply = calloc(1, sizeof *reply);
    snprintf(folder, sizeof folder, "/tmp/test_known_hosts.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/new/folder/known_hosts", folder);
    cr_assert_eq(client_options_parse(&options, 4, argv), CLIENT_OPTIONS_RUN, "%s", options.error);
    options.user_known_hosts = (struct keyword_words){{path}, 1};
    options.global_known_hosts = (struct keyword_words){{"none"}, 1};
    options.strict = CLIENT_OPTIONS_STRICT_ACCEPT_NEW;
    make_key();
    struct sockaddr_in peer = {.sin_family = AF_INET};
    inet_pton(AF_INET, "192.0.2.7", &peer.sin_addr);
    memcpy(&request->peer, &peer, sizeof peer);
    request->port = 2222;
    restart();
}

static void finish(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
    client_options_free(&options);
    free(known_hosts);
    free(request);
    free(reply);
}

TestSuite(known_hosts_file, .init = start, .fini = finish);

static bool check(void)
{
    memset(reply, 0, sizeof *reply);
    known_hosts_file_check(known_hosts, request, reply);
    cr_assert_eq(reply->error, 0);
    return reply->allowed;
}

static void read_file(char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
}

static void write_file(const char *prefix, const char *name, const char *end)
{
    char line[KEYTEXT_LINE_SIZE];
    cr_assert_eq(paths_make_folder_of(path), 0);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    struct slice blob = {request->blob, request->blob_len};
    cr_assert(keytext_write(blob, NULL, line, sizeof line) > 0);
    fprintf(file, "%s%s %s%s", prefix, name, line, end);
    fclose(file);
}

Test(known_hosts_file, learned_once_then_known)
{
    char text[1024];
    struct stat status;
    cr_assert(check());
    read_file(text, sizeof text);
    cr_assert(strncmp(text, "[host.example]:2222 ssh-ed25519 ", 32) == 0, "%s", text);
    cr_assert_eq(text[strlen(text) - 1], '\n');
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    options.strict = CLIENT_OPTIONS_STRICT_YES;
    restart();
    cr_assert(check());
    read_file(text, sizeof text);
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "one line still");
}

Test(known_hosts_file, changed_key_is_refused_in_every_mode)
{
    cr_assert(check());
    make_key();
    for (int strict = CLIENT_OPTIONS_STRICT_NO; strict <= CLIENT_OPTIONS_STRICT_YES; strict++) {
        options.strict = strict;
        restart();
        answers[0] = "yes";
        cr_assert_not(check(), "mode %d", strict);
        cr_assert_eq(asked, 0);
        cr_assert_str_eq(reply->text, "Host key verification failed.");
    }
}

Test(known_hosts_file, revoked_key_is_refused_in_every_mode)
{
    write_file("@revoked ", "*", "\n");
    for (int strict = CLIENT_OPTIONS_STRICT_NO; strict <= CLIENT_OPTIONS_STRICT_YES; strict++) {
        options.strict = strict;
        restart();
        cr_assert_not(check(), "mode %d", strict);
    }
}

Test(known_hosts_file, strict_yes_and_batch_mode_take_no_new_key)
{
    options.strict = CLIENT_OPTIONS_STRICT_YES;
    restart();
    cr_assert_not(check());
    options.strict = CLIENT_OPTIONS_STRICT_ASK;
    options.batch_mode = true;
    restart();
    answers[0] = "yes";
    cr_assert_not(check());
    cr_assert_eq(asked, 0);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(known_hosts_file, question)
{
    char fingerprint[KEYTEXT_FINGERPRINT_SIZE];
    keytext_fingerprint((struct slice){request->blob, request->blob_len}, fingerprint);
    options.strict = CLIENT_OPTIONS_STRICT_ASK;
    restart();
    answers[0] = "no";
    cr_assert_not(check());
    cr_assert_not_null(strstr(question, "The authenticity of host '[host.example]:2222 "
                                        "([192.0.2.7]:2222)' can't be established.\n"
                                        "ED25519 key fingerprint is SHA256:"));
    cr_assert_not_null(strstr(question, fingerprint));
    cr_assert_not_null(strstr(question, "Are you sure you want to continue connecting "
                                        "(yes/no/[fingerprint])? "));
    restart();
    answers[0] = "y";
    answers[1] = "perhaps";
    answers[2] = "";
    cr_assert_not(check());
    cr_assert_eq(asked, 3);
    restart();
    answers[0] = NULL;
    cr_assert_not(check());
    cr_assert_neq(access(path, F_OK), 0, "nothing was learned");
    restart();
    answers[0] = "SHA256:wrong";
    answers[1] = fingerprint;
    cr_assert(check());
    cr_assert_eq(asked, 2);
    options.strict = CLIENT_OPTIONS_STRICT_YES;
    restart();
    cr_assert(check());
}

Test(known_hosts_file, other_names_of_the_key_are_shown)
{
    write_file("", "other.example", "\n");
    options.strict = CLIENT_OPTIONS_STRICT_ASK;
    restart();
    answers[0] = " yes ";
    cr_assert(check());
    cr_assert_not_null(strstr(question, "known by the following other names"));
    cr_assert_not_null(strstr(question, "other.example"));
}

Test(known_hosts_file, hashed)
{
    char text[1024];
    options.hash_known_hosts = true;
    restart();
    cr_assert(check());
    read_file(text, sizeof text);
    cr_assert(strncmp(text, "|1|", 3) == 0);
    options.strict = CLIENT_OPTIONS_STRICT_YES;
    restart();
    cr_assert(check());
}

Test(known_hosts_file, a_key_without_the_port_will_do)
{
    write_file("", "host.example", "\n");
    options.strict = CLIENT_OPTIONS_STRICT_YES;
    restart();
    cr_assert(check());
    make_key();
    cr_assert_not(check());
}

Test(known_hosts_file, last_line_without_end)
{
    char text[1024];
    write_file("", "other.example", "");
    cr_assert(check());
    read_file(text, sizeof text);
    cr_assert_not_null(strstr(text, "\n[host.example]:2222 "));
}

Test(known_hosts_file, null_device)
{
    options.user_known_hosts = (struct keyword_words){{"/dev/null"}, 1};
    options.strict = CLIENT_OPTIONS_STRICT_NO;
    restart();
    cr_assert(check());
    make_key();
    cr_assert(check());
    struct stat status;
    cr_assert_eq(stat("/dev/null", &status), 0);
    cr_assert(S_ISCHR(status.st_mode));
}

Test(known_hosts_file, unreadable_is_no_match)
{
    cr_assert_eq(paths_make_folder_of(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_not(check());
    rmdir(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_not(check(), "and it must not hang");
}

Test(known_hosts_file, alias)
{
    char text[1024];
    options.host_key_alias = "alias";
    restart();
    cr_assert(check());
    read_file(text, sizeof text);
    cr_assert(strncmp(text, "alias ssh-ed25519 ", 18) == 0, "%s", text);
}

Test(known_hosts_file, bad_start)
{
    options.user_known_hosts = (struct keyword_words){{"/x/%Z"}, 1};
    cr_assert_not(known_hosts_file_start(known_hosts, &options, why, sizeof why));
    cr_assert_not_null(strstr(why, "%Z"));
}
