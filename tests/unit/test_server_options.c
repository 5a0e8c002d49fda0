/*
 * culvertd's flags and sshd_config keywords.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/io.h"
#include "engine/log.h"
#include "tools/server_options.h"

static struct server_options options;

/* Parses "culvertd" and the words up to NULL. */
static enum server_options_action parse(const char *first, ...)
{
    char *argv[32];
    char words[32][128];
    int argc = 0;
    snprintf(words[argc], sizeof words[argc], "culvertd");
    argv[argc] = words[argc];
    argc++;
    va_list args;
    va_start(args, first);
    for (const char *word = first; word != NULL; word = va_arg(args, const char *)) {
        snprintf(words[argc], sizeof words[argc], "%s", word);
        argv[argc] = words[argc];
        argc++;
    }
    va_end(args);
    argv[argc] = NULL;
    server_options_free(&options);
    return server_options_parse(&options, argc, argv);
}

static void finish(void)
{
    server_options_free(&options);
}

TestSuite(server_options, .fini = finish);

Test(server_options, defaults)
{
    cr_assert_eq(parse("-f", "none", NULL), SERVER_OPTIONS_RUN, "%s", options.error);
    cr_assert_eq(options.listen_count, 1);
    cr_assert_null(options.listen[0].host);
    cr_assert_eq(options.listen[0].port, 22);
    cr_assert_eq(options.startups_begin, 10);
    cr_assert_eq(options.login_grace, 120);
    cr_assert(options.strict_modes);
    cr_assert_eq(options.forwarding, SERVER_OPTIONS_FORWARDING_YES);
}

Test(server_options, ports_and_addresses)
{
    cr_assert_eq(parse("-f", "none", "-o", "Port 2222", "-o", "Port=2223", "-o",
                       "ListenAddress 127.0.0.1", "-o", "ListenAddress [::1]:99", "-o",
                       "ListenAddress ::1", "-o", "ListenAddress localhost:77", NULL),
                 SERVER_OPTIONS_RUN, "%s", options.error);
    cr_assert_eq(options.listen_count, 6);
    cr_assert_str_eq(options.listen[0].host, "127.0.0.1");
    cr_assert_eq(options.listen[0].port, 2222);
    cr_assert_eq(options.listen[1].port, 2223);
    cr_assert_str_eq(options.listen[2].host, "::1");
    cr_assert_eq(options.listen[2].port, 99);
    cr_assert_str_eq(options.listen[5].host, "localhost");
    cr_assert_eq(options.listen[5].port, 77);
}

Test(server_options, bad_ones)
{
    static const char *const bad[] = {
        "Port 65536",
        "Port x",
        "ListenAddress [::1",
        "ListenAddress a:0",
        "ListenAddress a:b",
        "MaxStartups 10:30",
        "MaxStartups 0",
        "MaxStartups 10:101:100",
        "MaxStartups 10:30:5",
        "PermitOpen 80",
        "PermitOpen a:b",
        "Ciphers nonsense",
        "KexAlgorithms x",
        "RekeyLimit 3",
        "Match all",
        "AllowUsers joe",
        "LogLevel LOUD",
        "AuthorizedKeysCommand /bin/x",
        "Nonsense 1",
        "RevokedKeys /x",
        "MaxAuthTries 0",
        "AllowTcpForwarding maybe",
        "CulvertIOBackend aio",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(parse("-f", "none", "-o", bad[i], NULL), SERVER_OPTIONS_BAD, "%s", bad[i]);
        cr_assert(strlen(options.error) > 0);
    }
    cr_assert_eq(parse("-f", "none", "extra", NULL), SERVER_OPTIONS_BAD);
    cr_assert_eq(parse("-Z", NULL), SERVER_OPTIONS_BAD);
    cr_assert_eq(parse("--nonsense", NULL), SERVER_OPTIONS_BAD);
    cr_assert_eq(parse("-p", NULL), SERVER_OPTIONS_BAD);
    cr_assert_eq(parse("-i", NULL), SERVER_OPTIONS_BAD);
    cr_assert_eq(parse("-f", "/nonexistent/file", NULL), SERVER_OPTIONS_BAD);
}

Test(server_options, good_ones)
{
    static const char *const good[] = {
        "UsePAM yes",
        "Subsystem sftp /usr/lib/openssh/sftp-server",
        "X11Forwarding no",
        "AuthorizedKeysCommand none",
        "AuthenticationMethods publickey",
        "PermitOpen none",
        "PermitOpen any",
        "PermitOpen a:1 [::1]:2 *:3",
        "PermitRootLogin prohibit-password",
        "MaxStartups 5",
        "RekeyLimit default none",
        "RekeyLimit 1G 1h",
        "PidFile none",
        "Ciphers chacha20-poly1305@openssh.com,aes128-ctr",
        "HostKeyAlgorithms +ssh-rsa",
        "KexAlgorithms ^curve25519-sha256",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert_eq(parse("-f", "none", "-o", good[i], NULL), SERVER_OPTIONS_RUN, "%s: %s",
                     good[i], options.error);
    }
}

Test(server_options, flags)
{
    cr_assert_eq(parse("-Def", "none", "-p", "2022", "-ddd", "-E", "/x", "-h", "key", NULL),
                 SERVER_OPTIONS_RUN, "%s", options.error);
    cr_assert(options.foreground && options.log_to_stderr);
    cr_assert_eq(options.debug, 3);
    cr_assert_eq(options.log_level, LEVEL_DEBUG3);
    cr_assert_eq(options.ports[0], 2022);
    cr_assert_str_eq(options.log_file, "/x");
    cr_assert_str_eq(options.host_keys.at[0], "key");
    cr_assert_eq(parse("-tf", "none", NULL), SERVER_OPTIONS_TEST);
    cr_assert_eq(parse("-T", "-t", "-f", "none", NULL), SERVER_OPTIONS_PRINT);
    cr_assert_eq(parse("--help", NULL), SERVER_OPTIONS_HELP);
    cr_assert_eq(parse("--version", NULL), SERVER_OPTIONS_VERSION);
    cr_assert_eq(parse("-V", NULL), SERVER_OPTIONS_VERSION_SSH);
}

/* A port of the command line makes those of the file void; other keywords: first value wins. */
Test(server_options, file_and_flags)
{
    char path[] = "/tmp/test_server_options.XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("Port 10\nPort 11\nLogLevel DEBUG\nHostKey /a\nHostKey /b\nUsePAM yes\n", file);
    fclose(file);
    cr_assert_eq(parse("-f", path, NULL), SERVER_OPTIONS_RUN, "%s", options.error);
    cr_assert_eq(options.listen_count, 2);
    cr_assert_eq(options.host_keys.count, 2);
    cr_assert_eq(options.log_level, LEVEL_DEBUG1);
    cr_assert_eq(options.keywords.ignored_count, 1);
    cr_assert_eq(parse("-f", path, "-p", "99", "-o", "LogLevel=ERROR", NULL), SERVER_OPTIONS_RUN);
    cr_assert_eq(options.listen_count, 1);
    cr_assert_eq(options.listen[0].port, 99);
    cr_assert_eq(options.log_level, LEVEL_ERROR);
    unlink(path);
}

Test(server_options, print)
{
    char *text = NULL;
    size_t len = 0;
    cr_assert_eq(parse("-f", "none", "-T", "-p", "2222", "-o", "PermitOpen a:1 b:2", NULL),
                 SERVER_OPTIONS_PRINT);
    FILE *file = open_memstream(&text, &len);
    keywords_print(&options.keywords, file);
    fclose(file);
    cr_assert_not_null(strstr(text, "port 2222\n"));
    cr_assert_not_null(strstr(text, "permitopen a:1 b:2\n"));
    cr_assert_not_null(strstr(text, "maxstartups 10:30:100\n"));
    cr_assert_not_null(strstr(text, "kexalgorithms curve25519-sha256,"));
    cr_assert_not_null(strstr(text, "strictmodes yes\n"));
    cr_assert_not_null(strstr(text, "culvertiobackend auto\n"));
    free(text);
}
