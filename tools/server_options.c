/*
 * The server's command line and the choice of its configuration file.
 */
#include "tools/server_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/io.h"
#include "engine/log.h"
#include "tools/server_keywords.h"

static const struct option long_flags[] = {
    {"help", no_argument, NULL, 257},
    {"version", no_argument, NULL, 256},
    {NULL, 0, NULL, 0},
};

static enum server_options_action fail(struct server_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum server_options_action fail(struct server_options *options, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(options->error, sizeof options->error, format, args);
    va_end(args);
    return SERVER_OPTIONS_BAD;
}

static void set_defaults(struct server_options *options)
{
    memset(options, 0, sizeof *options);
    options->family = AF_UNSPEC;
    options->tcp_keepalive = true;
    options->authorized_keys =
        (struct keyword_words){{".ssh/authorized_keys", ".ssh/authorized_keys2"}, 2};
    options->strict_modes = true;
    options->pubkey_authentication = true;
    options->permit_root = SERVER_OPTIONS_ROOT_YES;
    options->startups_begin = 10;
    options->startups_rate = 30;
    options->startups_full = 100;
    options->login_grace = 120;
    options->auth_tries_max = 6;
    options->alive_count_max = 3;
    options->forwarding = SERVER_OPTIONS_FORWARDING_YES;
    options->log_level = LEVEL_INFO;
    options->backend = IO_BACKEND_AUTO;
    options->pid_file = geteuid() == 0 ? "/run/culvertd.pid" : "none";
}

static enum server_options_action set(struct server_options *options, const char *keyword,
                                      const char *value)
{
    return keywords_set(&options->keywords, keyword, value)
               ? SERVER_OPTIONS_RUN
               : fail(options, "%s", options->keywords.error);
}

static enum server_options_action raise_debug(struct server_options *options)
{
    static const char *const names[] = {"DEBUG1", "DEBUG2", "DEBUG3"};
    if (options->debug < 3) {
        options->debug++;
    }
    options->log_level = LEVEL_DEBUG1 + options->debug - 1;
    return set(options, "LogLevel", names[options->debug - 1]);
}

static enum server_options_action refuse_flag(struct server_options *options, int letter)
{
    if (letter == 'i') {
        return fail(options, "-i (inetd) is not supported: culvertd listens itself; use Port and "
                             "ListenAddress");
    }
    if (optopt > ' ' && optopt < 127 && strchr("CEbcfghkopu", optopt) != NULL) {
        return fail(options, "option -%c needs an argument; see culvertd --help", optopt);
    }
    if (optopt > ' ' && optopt < 127) {
        return fail(options, "unknown option -%c; see culvertd --help", optopt);
    }
    return fail(options, "unknown option; see culvertd --help");
}

static enum server_options_action one_flag(struct server_options *options, int letter)
{
    switch (letter) {
    case '4':
        return set(options, "AddressFamily", "inet");
    case '6':
        return set(options, "AddressFamily", "inet6");
    case 'D':
        options->foreground = true;
        return SERVER_OPTIONS_RUN;
    case 'E':
        options->log_file = optarg;
        return SERVER_OPTIONS_RUN;
    case 'T':
        return SERVER_OPTIONS_PRINT;
    case 'V':
        return SERVER_OPTIONS_VERSION_SSH;
    case 'd':
        return raise_debug(options);
    case 'e':
        options->log_to_stderr = true;
        return SERVER_OPTIONS_RUN;
    case 'f':
        options->config_file = optarg;
        return SERVER_OPTIONS_RUN;
    case 'g':
        return set(options, "LoginGraceTime", optarg);
    case 'h':
        return set(options, "HostKey", optarg);
    case 'o':
        return keywords_option(&options->keywords, optarg)
                   ? SERVER_OPTIONS_RUN
                   : fail(options, "%s", options->keywords.error);
    case 'p':
        return set(options, "Port", optarg);
    case 'q':
        options->log_level = LEVEL_QUIET;
        return set(options, "LogLevel", "QUIET");
    case 't':
        return SERVER_OPTIONS_TEST;
    case 'C': /* what -T is asked about: without Match, the answer is the same for all */
    case 'b': /* the rest is accepted as sshd does, for old scripts */
    case 'c':
    case 'k':
    case 'r':
    case 'u':
        return SERVER_OPTIONS_RUN;
    case 256:
        return SERVER_OPTIONS_VERSION;
    case 257:
        return SERVER_OPTIONS_HELP;
    default:
        return refuse_flag(options, letter);
    }
}

/* TEST and PRINT are remembered in *goal; all others end the reading. */
static enum server_options_action take_flags(struct server_options *options, int argc, char **argv,
                                             enum server_options_action *goal)
{
    optind = 0;
    opterr = 0;
    int letter;
    while ((letter = getopt_long(argc, argv, "+46C:DE:TVb:c:def:g:h:ik:o:p:qrtu:", long_flags,
                                 NULL)) != -1) {
        enum server_options_action action = one_flag(options, letter);
        if (action == SERVER_OPTIONS_PRINT ||
            (action == SERVER_OPTIONS_TEST && *goal == SERVER_OPTIONS_RUN)) {
            *goal = action;
        } else if (action != SERVER_OPTIONS_RUN && action != SERVER_OPTIONS_TEST) {
            return action;
        }
    }
    if (optind < argc) {
        return fail(options, "Extra argument %.128s; see culvertd --help", argv[optind]);
    }
    return SERVER_OPTIONS_RUN;
}

static bool add_listen(struct server_options *options, const char *host, int port)
{
    if (options->listen_count == SERVER_OPTIONS_LISTEN_MAX) {
        return false;
    }
    options->listen[options->listen_count++] =
        (struct server_options_address){host, (uint16_t)port};
    return true;
}

/* Every address without a port gets all ports; no address at all means everywhere. */
static enum server_options_action complete(struct server_options *options)
{
    bool good = true;
    if (options->ports_count == 0) {
        options->ports[options->ports_count++] = 22;
    }
    if (options->addresses_count == 0) {
        options->addresses[options->addresses_count++] = (struct server_options_address){NULL, 0};
    }
    for (size_t i = 0; i < options->addresses_count; i++) {
        const struct server_options_address *address = &options->addresses[i];
        if (address->port != 0) {
            good = good && add_listen(options, address->host, address->port);
            continue;
        }
        for (size_t j = 0; j < options->ports_count; j++) {
            good = good && add_listen(options, address->host, options->ports[j]);
        }
    }
    if (!good) {
        return fail(options, "more than %d addresses and ports to listen on",
                    SERVER_OPTIONS_LISTEN_MAX);
    }
    if (options->banner != NULL && strcasecmp(options->banner, "none") == 0) {
        options->banner = NULL;
    }
    if (strcasecmp(options->pid_file, "none") == 0) {
        options->pid_file = NULL;
    }
    return SERVER_OPTIONS_RUN;
}

enum server_options_action server_options_parse(struct server_options *options, int argc,
                                                char **argv)
{
    enum server_options_action goal = SERVER_OPTIONS_RUN;
    set_defaults(options);
    keywords_start(&options->keywords, server_keywords, server_keywords_count, options);
    enum server_options_action action = take_flags(options, argc, argv, &goal);
    if (action != SERVER_OPTIONS_RUN) {
        return action;
    }
    const char *file = options->config_file;
    if (file == NULL && access(SERVER_OPTIONS_FILE, F_OK) == 0) {
        file = SERVER_OPTIONS_FILE;
    }
    if (file != NULL && strcasecmp(file, "none") != 0 && !keywords_file(&options->keywords, file)) {
        return fail(options, "%s", options->keywords.error);
    }
    action = complete(options);
    return action == SERVER_OPTIONS_RUN ? goal : action;
}

void server_options_free(struct server_options *options)
{
    keywords_free(&options->keywords);
}

void server_options_help(FILE *file)
{
    fputs("SSH server for tunnels: it forwards ports and nothing else, and needs no root.\n"
          "\n"
          "  culvertd -D -e -p 2222                 in the foreground, log to the terminal\n"
          "  culvertd -D -e -f culvertd_config      with a file of sshd_config keywords\n"
          "  culvertd -t -f culvertd_config         is this file good?\n"
          "  culvertd -D -e -p 2222 -o AuthorizedKeysFile=/etc/culvert/keys/%u\n"
          "\n"
          "usage: culvertd [-46DdeqTtV] [-E log_file] [-f config_file] [-g login_grace_time]\n"
          "                [-h host_key_file] [-o Keyword=value] [-p port]\n"
          "\n"
          "  -D            stay in the foreground\n"
          "  -d -dd -ddd   stay, log debug lines to stderr, end after one connection\n"
          "  -e            log to stderr; -E file: to a file; otherwise to syslog\n"
          "  -f file       configuration; otherwise " SERVER_OPTIONS_FILE ", if it is there\n"
          "  -h file       host key; otherwise one is made at the first start\n"
          "  -o Keyword=value   any sshd_config(5) keyword\n"
          "  -t, -T        check the configuration; -T also prints it\n"
          "  -V, --version versions and what the machine offers\n"
          "\n"
          "Users are virtual: any name is let in whose AuthorizedKeysFile has the key. In that\n"
          "path %u is the name, %h the home folder of the account culvertd runs as, and\n"
          "a relative path starts there.\n",
          file);
}
