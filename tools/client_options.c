/*
 * The client's command line.
 */
#include "tools/client_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/io.h"
#include "engine/log.h"
#include "tools/client_keywords.h"
#include "tools/paths.h"

/* What a flag does; the letters are ssh's. */
enum flag_kind {
    FLAG_KEYWORD,  /* sets keyword to value, or to the argument when value is NULL */
    FLAG_SILENT,   /* culvert does that anyway, or it changes nothing */
    FLAG_NEEDLESS, /* needs a session: one warning */
    FLAG_LATER,    /* will be there one day; text says what it is */
    FLAG_NEVER,    /* text says what to use instead */
    FLAG_OTHER,    /* code of its own */
};

struct flag {
    char letter;
    enum flag_kind kind;
    const char *keyword;
    const char *value;
};

static const char flag_letters[] =
    "+1246ACGKMNTVXYZafghknqstvxyB:D:E:F:I:J:L:O:P:Q:R:S:W:b:c:e:i:l:m:o:p:w:";

static const struct flag flags[] = {
    {'4', FLAG_KEYWORD, "AddressFamily", "inet"},
    {'6', FLAG_KEYWORD, "AddressFamily", "inet6"},
    {'L', FLAG_KEYWORD, "LocalForward", NULL},
    {'N', FLAG_KEYWORD, "SessionType", "none"},
    {'b', FLAG_KEYWORD, "BindAddress", NULL},
    {'c', FLAG_KEYWORD, "Ciphers", NULL},
    {'f', FLAG_KEYWORD, "ForkAfterAuthentication", "yes"},
    {'g', FLAG_KEYWORD, "GatewayPorts", "yes"},
    {'i', FLAG_KEYWORD, "IdentityFile", NULL},
    {'l', FLAG_KEYWORD, "User", NULL},
    {'m', FLAG_KEYWORD, "MACs", NULL},
    {'n', FLAG_KEYWORD, "StdinNull", "yes"},
    {'p', FLAG_KEYWORD, "Port", NULL},

    {'2', FLAG_SILENT, NULL, NULL},
    {'C', FLAG_SILENT, NULL, NULL},
    {'T', FLAG_SILENT, NULL, NULL},
    {'a', FLAG_SILENT, NULL, NULL},
    {'e', FLAG_SILENT, NULL, NULL},
    {'k', FLAG_SILENT, NULL, NULL},
    {'x', FLAG_SILENT, NULL, NULL},

    {'A', FLAG_NEEDLESS, "-A", NULL},
    {'K', FLAG_NEEDLESS, "-K", NULL},
    {'X', FLAG_NEEDLESS, "-X", NULL},
    {'Y', FLAG_NEEDLESS, "-Y", NULL},
    {'t', FLAG_NEEDLESS, "-t", NULL},

    {'B', FLAG_LATER, "-B (a source interface)", NULL},
    {'D', FLAG_LATER, "-D (a SOCKS proxy)", NULL},
    {'J', FLAG_LATER, "-J (jump hosts)", NULL},
    {'M', FLAG_LATER, "-M (a shared connection)", NULL},
    {'O', FLAG_LATER, "-O (commands to a running culvert)", NULL},
    {'P', FLAG_LATER, "-P (a tag for Match)", NULL},
    {'Q', FLAG_LATER, "-Q (lists of algorithms)", NULL},
    {'R', FLAG_LATER, "-R (a remote forward)", NULL},
    {'S', FLAG_LATER, "-S (a control socket)", NULL},
    {'W', FLAG_LATER, "-W (a forward of standard input and output)", NULL},

    {'1', FLAG_NEVER, "-1 (SSH protocol 1) is gone; leave it out", NULL},
    {'I', FLAG_NEVER, "-I is not supported; load the PKCS#11 provider into ssh-agent (ssh-add -s)",
     NULL},
    {'Z', FLAG_NEVER, "-Z is unknown; see culvert --help", NULL},
    {'s', FLAG_NEVER, "-s needs a session, culvert forwards only; use ssh or sftp", NULL},
    {'w', FLAG_NEVER, "-w (tunnel devices) is not supported; use ssh, or forward ports with -L",
     NULL},

    {'E', FLAG_OTHER, NULL, NULL},
    {'F', FLAG_OTHER, NULL, NULL},
    {'G', FLAG_OTHER, NULL, NULL},
    {'V', FLAG_OTHER, NULL, NULL},
    {'h', FLAG_OTHER, NULL, NULL},
    {'o', FLAG_OTHER, NULL, NULL},
    {'q', FLAG_OTHER, NULL, NULL},
    {'v', FLAG_OTHER, NULL, NULL},
    {'y', FLAG_OTHER, NULL, NULL},
};

static const struct option long_flags[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 256},
    {NULL, 0, NULL, 0},
};

static enum client_options_action fail(struct client_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum client_options_action fail(struct client_options *options, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(options->error, sizeof options->error, format, args);
    va_end(args);
    return CLIENT_OPTIONS_BAD;
}

static enum client_options_action fail_keyword(struct client_options *options)
{
    return fail(options, "%s", options->keywords.error);
}

static void set_defaults(struct client_options *options)
{
    memset(options, 0, sizeof *options);
    options->port = 22;
    options->family = AF_UNSPEC;
    options->connection_attempts = 1;
    options->tcp_keepalive = true;
    options->alive_count_max = 3;
    options->pubkey_authentication = true;
    options->strict = CLIENT_OPTIONS_STRICT_ASK;
    options->user_known_hosts =
        (struct keyword_words){{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}, 2};
    options->global_known_hosts =
        (struct keyword_words){{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}, 2};
    options->session = CLIENT_OPTIONS_SESSION_DEFAULT;
    options->log_level = LEVEL_INFO;
    options->backend = IO_BACKEND_AUTO;
}

/* ---- flags --------------------------------------------------------------------------------- */

static const struct flag *find_flag(int letter)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flags[i].letter == letter) {
            return &flags[i];
        }
    }
    return NULL;
}

/* A log level from a flag wins over every LogLevel that comes later, as in ssh. */
static enum client_options_action set_level(struct client_options *options, int letter)
{
    static const char *const names[] = {"DEBUG1", "DEBUG2", "DEBUG3"};
    int level = options->log_level;
    if (letter == 'q') {
        options->log_level = LEVEL_QUIET;
    } else if (level < LEVEL_DEBUG1) {
        options->log_level = LEVEL_DEBUG1;
    } else if (level < LEVEL_DEBUG3) {
        options->log_level = level + 1;
    }
    int now = options->log_level;
    const char *name = letter == 'q' ? "QUIET" : names[now - LEVEL_DEBUG1];
    return keywords_set(&options->keywords, "LogLevel", name) ? CLIENT_OPTIONS_RUN
                                                              : fail_keyword(options);
}

static enum client_options_action other_flag(struct client_options *options, int letter)
{
    switch (letter) {
    case 'E':
        options->log_file = optarg;
        return CLIENT_OPTIONS_RUN;
    case 'F':
        options->config_file = optarg;
        return CLIENT_OPTIONS_RUN;
    case 'G':
        return CLIENT_OPTIONS_PRINT;
    case 'V':
        return CLIENT_OPTIONS_VERSION_SSH;
    case 'h':
        return CLIENT_OPTIONS_HELP;
    case 'o':
        return keywords_option(&options->keywords, optarg) ? CLIENT_OPTIONS_RUN
                                                           : fail_keyword(options);
    case 'y':
        options->syslog = true;
        return CLIENT_OPTIONS_RUN;
    default:
        return set_level(options, letter);
    }
}

static enum client_options_action one_flag(struct client_options *options, int letter)
{
    if (letter == 256) {
        return CLIENT_OPTIONS_VERSION;
    }
    const struct flag *flag = find_flag(letter);
    if (flag == NULL) {
        if (optopt > ' ' && optopt < 127 && find_flag(optopt) != NULL) {
            return fail(options, "option -%c needs an argument; see culvert --help", optopt);
        }
        if (optopt > ' ' && optopt < 127) {
            return fail(options, "unknown option -%c; see culvert --help", optopt);
        }
        return fail(options, "unknown option; see culvert --help");
    }
    switch (flag->kind) {
    case FLAG_KEYWORD:
        return keywords_set(&options->keywords, flag->keyword,
                            flag->value != NULL ? flag->value : optarg)
                   ? CLIENT_OPTIONS_RUN
                   : fail_keyword(options);
    case FLAG_SILENT:
        return CLIENT_OPTIONS_RUN;
    case FLAG_NEEDLESS:
        options->needless_flag = flag->keyword;
        return CLIENT_OPTIONS_RUN;
    case FLAG_LATER:
        return fail(options, "%s is not yet supported; use ssh for that, or leave it out",
                    flag->keyword);
    case FLAG_NEVER:
        return fail(options, "%s", flag->keyword);
    case FLAG_OTHER:
        break;
    }
    return other_flag(options, letter);
}

/* Takes flags until the first word that is none; *ret_used counts what was taken. PRINT is
 * remembered in *print and goes on, since the rest matters to it. */
static enum client_options_action take_flags(struct client_options *options, int argc, char **argv,
                                             int *ret_used, bool *print)
{
    optind = 0;
    opterr = 0;
    int letter;
    while ((letter = getopt_long(argc, argv, flag_letters, long_flags, NULL)) != -1) {
        enum client_options_action action = one_flag(options, letter);
        if (action == CLIENT_OPTIONS_PRINT) {
            *print = true;
        } else if (action != CLIENT_OPTIONS_RUN) {
            return action;
        }
    }
    *ret_used = optind;
    return CLIENT_OPTIONS_RUN;
}

/* ---- destination --------------------------------------------------------------------------- */

/* Names that could be taken for a flag or reach a terminal or a shell are refused, as ssh does. */
static bool valid_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '-' || strlen(name) > 1024) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c == 127 || strchr("'`\"$\\;&<>|(){}", *c) != NULL) {
            return false;
        }
    }
    return true;
}

/* "[user@]host" or "ssh://[user@]host[:port][/]"; text is changed. */
static enum client_options_action take_destination(struct client_options *options, char *text)
{
    const char *whole = keywords_keep(&options->keywords, text);
    bool uri = strncasecmp(text, "ssh://", 6) == 0;
    char *rest = uri ? text + 6 : text;
    char *at = strrchr(rest, '@');
    char *host = at != NULL ? at + 1 : rest;
    char *port = NULL;
    if (uri) {
        host[strcspn(host, "/")] = '\0';
        char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;
        port = strchr(bracket != NULL ? bracket : host, ':');
        if (port != NULL) {
            *port++ = '\0';
        }
        if (bracket != NULL) {
            *bracket = '\0';
            host++;
        }
    }
    if (at != NULL) {
        *at = '\0';
        if (!valid_name(rest)) {
            return fail(options, "bad user name in \"%s\"", whole);
        }
        if (!keywords_set(&options->keywords, "User", rest)) {
            return fail_keyword(options);
        }
    }
    if (!valid_name(host)) {
        return fail(options, "bad host name in \"%s\"", whole);
    }
    if (port != NULL && *port != '\0' && !keywords_set(&options->keywords, "Port", port)) {
        return fail(options, "bad port in \"%s\"", whole);
    }
    options->host = keywords_keep(&options->keywords, host);
    return CLIENT_OPTIONS_RUN;
}

/* Flags, the destination, more flags; whatever is left would be a command. */
static enum client_options_action take_arguments(struct client_options *options, int argc,
                                                 char **argv, bool *print)
{
    int used = 0;
    enum client_options_action action = take_flags(options, argc, argv, &used, print);
    if (action != CLIENT_OPTIONS_RUN) {
        return action;
    }
    if (used >= argc) {
        return fail(options, "no destination given; try: culvert -N -L 8080:localhost:80 "
                             "user@host, or culvert --help");
    }
    char destination[KEYWORDS_LINE_MAX];
    if (strlen(argv[used]) >= sizeof destination) {
        return fail(options, "destination too long");
    }
    snprintf(destination, sizeof destination, "%s", argv[used]);
    action = take_destination(options, destination);
    if (action != CLIENT_OPTIONS_RUN) {
        return action;
    }
    argc -= used;
    argv += used;
    used = 1;
    if (argc > 1) {
        action = take_flags(options, argc, argv, &used, print);
        if (action != CLIENT_OPTIONS_RUN) {
            return action;
        }
    }
    if (used < argc) {
        return fail(options,
                    "can't run \"%.128s\": culvert forwards only and runs no remote commands; "
                    "use ssh for that",
                    argv[used]);
    }
    return CLIENT_OPTIONS_RUN;
}

/* ---- what the defaults depend on ----------------------------------------------------------- */

static enum client_options_action complete(struct client_options *options)
{
    char text[1100];
    char why[256];
    if (options->user == NULL) {
        const char *account = paths_account();
        if (account == NULL) {
            return fail(options, "no user name is known for you; give one: user@%s", options->host);
        }
        options->user = keywords_keep(&options->keywords, account);
    }
    if (strlen(options->user) > 255) {
        return fail(options, "user name too long, at most 255 bytes are possible");
    }
    if (options->hostname != NULL) {
        const struct paths_token tokens[] = {{'h', options->host}, {0, NULL}};
        if (!paths_expand(options->hostname, tokens, text, sizeof text, why, sizeof why)) {
            return fail(options, "Hostname \"%s\": %s", options->hostname, why);
        }
        if (!valid_name(text)) {
            return fail(options, "Hostname: \"%s\" is no host name", text);
        }
        options->hostname = keywords_keep(&options->keywords, text);
    } else {
        options->hostname = options->host;
    }
    if (options->fork_after_auth) {
        options->stdin_null = true;
    }
    if (options->clear_forwardings) {
        options->local_forwards.count = 0;
    }
    return CLIENT_OPTIONS_RUN;
}

enum client_options_action client_options_parse(struct client_options *options, int argc,
                                                char **argv)
{
    bool print = false;
    set_defaults(options);
    keywords_start(&options->keywords, client_keywords, client_keywords_count, options);
    enum client_options_action action = take_arguments(options, argc, argv, &print);
    if (action != CLIENT_OPTIONS_RUN) {
        return action;
    }
    if (options->config_file != NULL && strcasecmp(options->config_file, "none") != 0 &&
        !keywords_file(&options->keywords, options->config_file)) {
        return fail_keyword(options);
    }
    action = complete(options);
    return action == CLIENT_OPTIONS_RUN && print ? CLIENT_OPTIONS_PRINT : action;
}

void client_options_free(struct client_options *options)
{
    keywords_free(&options->keywords);
}

void client_options_help(FILE *file)
{
    fputs(
        "Encrypted tunnels over SSH: culvert forwards ports and nothing else.\n"
        "\n"
        "  culvert -N -L 8080:localhost:80 user@host        localhost:8080 -> the host's port 80\n"
        "  culvert -N -L 5432:db:5432 -L 8080:web:80 host   two forwards at once\n"
        "  culvert -f -N -L '*:8080:web:80' host            for everybody, in the background\n"
        "  culvert -v -N -p 2222 -i key -L 8080:web:80 host tell what happens\n"
        "\n"
        "usage: culvert [-46CfGgNnqTVvy] [-b bind_address] [-c cipher_spec] [-E log_file]\n"
        "               [-F config_file] [-i identity_file] [-L [bind:]port:host:hostport]\n"
        "               [-l user] [-m mac_spec] [-o Keyword=value] [-p port] destination\n"
        "\n"
        "  -L [bind:]port:host:hostport  listen here, connect from there; may be repeated\n"
        "  -N           no remote command (culvert never runs one)\n"
        "  -f           go to the background once the forwards are up\n"
        "  -g           let other machines use the forwards\n"
        "  -i file      private key; otherwise ~/.ssh/id_ed25519 and the agent's keys\n"
        "  -p port, -l user, -4, -6, -b address   how to reach the server\n"
        "  -o Keyword=value                       any ssh_config(5) keyword\n"
        "  -F file      read keywords from a file; `none` reads none\n"
        "  -v -vv -vvv  tell more; -q tell nothing; -E file log to a file; -y log to syslog\n"
        "  -G           print the effective options and end\n"
        "  -V, --version   versions and what the machine offers\n"
        "\n"
        "Exit status: 0 after SIGINT or SIGTERM, 255 when anything failed, as ssh -N.\n",
        file);
}
