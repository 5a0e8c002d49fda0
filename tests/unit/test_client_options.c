/*
 * culvert's flags, destinations and ssh_config keywords.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/io.h"
#include "engine/log.h"
#include "tools/client_options.h"

static struct client_options options;

/* Parses "culvert" and the words up to NULL. */
static enum client_options_action parse(const char *first, ...)
{
    char *argv[48];
    static char words[48][256];
    int argc = 0;
    snprintf(words[argc], sizeof words[argc], "culvert");
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
    client_options_free(&options);
    return client_options_parse(&options, argc, argv);
}

static void finish(void)
{
    client_options_free(&options);
}

TestSuite(client_options, .fini = finish);

Test(client_options, the_usual_line)
{
    cr_assert_eq(parse("-N", "-F", "none", "-p", "2222", "-i", "key", "-o",
                       "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-L",
                       "6301:127.0.0.1:5301", "user@127.0.0.1", NULL),
                 CLIENT_OPTIONS_RUN, "%s", options.error);
    cr_assert_str_eq(options.host, "127.0.0.1");
    cr_assert_str_eq(options.hostname, "127.0.0.1");
    cr_assert_str_eq(options.user, "user");
    cr_assert_eq(options.port, 2222);
    cr_assert_eq(options.strict, CLIENT_OPTIONS_STRICT_NO);
    cr_assert_eq(options.user_known_hosts.count, 1);
    cr_assert_eq(options.local_forwards.count, 1);
    cr_assert_str_eq(options.local_forwards.at[0], "6301:127.0.0.1:5301");
    cr_assert_str_eq(options.identity_files.at[0], "key");
}

Test(client_options, clusters_and_flags_behind_the_host)
{
    cr_assert_eq(
        parse("-NfgTnx4", "-L8080:a:80", "me@host", "-vv", "-L", "*:81:b:82", "-p99", NULL),
        CLIENT_OPTIONS_RUN, "%s", options.error);
    cr_assert(options.fork_after_auth && options.gateway_ports && options.stdin_null);
    cr_assert_eq(options.family, AF_INET);
    cr_assert_eq(options.log_level, LEVEL_DEBUG2);
    cr_assert_eq(options.local_forwards.count, 2);
    cr_assert_eq(options.port, 99);
    cr_assert_eq(options.session, CLIENT_OPTIONS_SESSION_NONE);
}

Test(client_options, destinations)
{
    cr_assert_eq(parse("ssh://joe@example.org:2200", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.host, "example.org");
    cr_assert_str_eq(options.user, "joe");
    cr_assert_eq(options.port, 2200);
    cr_assert_eq(parse("ssh://[::1]:77/", NULL), CLIENT_OPTIONS_RUN, "%s", options.error);
    cr_assert_str_eq(options.host, "::1");
    cr_assert_eq(options.port, 77);
    cr_assert_eq(parse("a@b@host", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.user, "a@b");
    cr_assert_eq(parse("-l", "first", "second@host", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.user, "first");
    cr_assert_eq(parse("::1", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.host, "::1");
    cr_assert_eq(parse("-o", "Hostname=%h.example.org", "www", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.hostname, "www.example.org");
    cr_assert_str_eq(options.host, "www");
}

Test(client_options, bad_destinations)
{
    static const char *const bad[] = {"@host",     "user@", "a b",   "ssh://", "ssh://h:0",
                                      "ssh://h:x", "x;y",   "$(id)", "",       "user@-x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(parse("-N", bad[i], NULL), CLIENT_OPTIONS_BAD, "%s", bad[i]);
    }
}

Test(client_options, errors_say_what_to_do)
{
    cr_assert_eq(parse(NULL), CLIENT_OPTIONS_BAD);
    cr_assert_not_null(strstr(options.error, "no destination"));
    cr_assert_eq(parse("host", "ls", "-l", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_not_null(strstr(options.error, "use ssh"));
    cr_assert_eq(parse("-R", "1:a:2", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_not_null(strstr(options.error, "not yet supported"));
    cr_assert_eq(parse("-L", "nonsense", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("-c", "nonsense", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_not_null(strstr(options.error, "Bad SSH2 cipher spec 'nonsense'"));
    cr_assert_eq(parse("-c", "aes128-ctr", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_not_null(strstr(options.error, "no supported cipher"));
    cr_assert_eq(parse("-p", "0", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("-o", "Nonsense=1", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_not_null(strstr(options.error, "Bad configuration option: Nonsense"));
    cr_assert_eq(parse("-o", "ProxyJump=x", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("host", "-L", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("-%", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("--wrong", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("-s", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("-F", "/nonexistent/config", "host", NULL), CLIENT_OPTIONS_BAD);
}

Test(client_options, actions)
{
    cr_assert_eq(parse("--help", NULL), CLIENT_OPTIONS_HELP);
    cr_assert_eq(parse("-h", NULL), CLIENT_OPTIONS_HELP);
    cr_assert_eq(parse("--version", NULL), CLIENT_OPTIONS_VERSION);
    cr_assert_eq(parse("-V", NULL), CLIENT_OPTIONS_VERSION_SSH);
    cr_assert_eq(parse("-G", "host", NULL), CLIENT_OPTIONS_PRINT);
}

Test(client_options, lists)
{
    cr_assert_eq(parse("-c", "chacha20-poly1305@openssh.com,aes128-ctr", "host", NULL),
                 CLIENT_OPTIONS_RUN, "%s", options.error);
    cr_assert_str_eq(options.ciphers, "chacha20-poly1305@openssh.com");
    cr_assert_eq(parse("-o", "Ciphers=-aes*", "host", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.ciphers, "chacha20-poly1305@openssh.com");
    cr_assert_eq(parse("-o", "KexAlgorithms=^curve25519-sha256@libssh.org", "host", NULL),
                 CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.kex_algorithms, "curve25519-sha256@libssh.org,curve25519-sha256");
    cr_assert_eq(parse("-o", "KexAlgorithms=+sntrup761x25519-sha512", "host", NULL),
                 CLIENT_OPTIONS_RUN);
    cr_assert_str_eq(options.kex_algorithms, "curve25519-sha256,curve25519-sha256@libssh.org");
    cr_assert_eq(parse("-o", "Ciphers=-*", "host", NULL), CLIENT_OPTIONS_BAD);
    cr_assert_eq(parse("-o", "HostKeyAlgorithms=,", "host", NULL), CLIENT_OPTIONS_BAD);
}

Test(client_options, keywords_and_levels)
{
    cr_assert_eq(parse("-o", "ServerAliveInterval=1m", "-o", "RekeyLimit 1M 30s", "-o",
                       "ConnectTimeout=none", "-o", "CulvertIOBackend=epoll", "-o",
                       "ForwardAgent=yes", "-q", "host", "-t", NULL),
                 CLIENT_OPTIONS_RUN, "%s", options.error);
    cr_assert_eq(options.alive_interval, 60);
    cr_assert_eq(options.rekey.bytes, 1048576);
    cr_assert_eq(options.rekey.seconds, 30);
    cr_assert_eq(options.backend, IO_BACKEND_EPOLL);
    cr_assert_eq(options.log_level, LEVEL_QUIET);
    cr_assert_str_eq(options.needless_flag, "-t");
    cr_assert_eq(options.keywords.ignored_count, 1);
    cr_assert_eq(parse("-vvvvv", "host", NULL), CLIENT_OPTIONS_RUN);
    cr_assert_eq(options.log_level, LEVEL_DEBUG3);
    cr_assert_eq(parse("-L", "1:a:2", "-o", "ClearAllForwardings=yes", "host", NULL),
                 CLIENT_OPTIONS_RUN);
    cr_assert_eq(options.local_forwards.count, 0);
}

/* The command line wins over the file; a LocalForward of a file has two words. */
Test(client_options, file)
{
    char path[] = "/tmp/test_client_options.XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("Port 10\nUser joe\nLocalForward 8080 db:5432\nLocalForward [::1]:81 [fe80::1]:82\n"
          "StrictHostKeyChecking accept-new\n",
          file);
    fclose(file);
    cr_assert_eq(parse("-F", path, "-p", "11", "host", NULL), CLIENT_OPTIONS_RUN, "%s",
                 options.error);
    cr_assert_eq(options.port, 11);
    cr_assert_str_eq(options.user, "joe");
    cr_assert_str_eq(options.local_forwards.at[0], "8080:db:5432");
    cr_assert_str_eq(options.local_forwards.at[1], "[::1]:81:[fe80::1]:82");
    cr_assert_eq(options.strict, CLIENT_OPTIONS_STRICT_ACCEPT_NEW);

    file = fopen(path, "w");
    fputs("Host *\nPort 10\n", file);
    fclose(file);
    cr_assert_eq(parse("-F", path, "host", NULL), CLIENT_OPTIONS_BAD);
    unlink(path);
}
