/*
 * What culvertd was asked to do: sshd's flags and sshd_config's keywords in one struct.
 */
#ifndef CULVERT_TOOLS_SERVER_OPTIONS_H
#define CULVERT_TOOLS_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tools/keywords.h"
#include "tools/shared_options.h"

#define SERVER_OPTIONS_FILE "/etc/culvert/culvertd_config"

enum server_options_action {
    SERVER_OPTIONS_RUN,
    SERVER_OPTIONS_HELP,        /* --help: to stdout */
    SERVER_OPTIONS_VERSION,     /* --version: to stdout */
    SERVER_OPTIONS_VERSION_SSH, /* -V: to stderr, as sshd does */
    SERVER_OPTIONS_TEST,        /* -t: check configuration and host key */
    SERVER_OPTIONS_PRINT,       /* -T: the same, and print the effective configuration */
    SERVER_OPTIONS_BAD,         /* error says why */
};

/* AllowTcpForwarding */
enum server_options_forwarding {
    SERVER_OPTIONS_FORWARDING_NO,
    SERVER_OPTIONS_FORWARDING_LOCAL,
    SERVER_OPTIONS_FORWARDING_REMOTE,
    SERVER_OPTIONS_FORWARDING_YES,
};

/* PermitRootLogin: with keys alone, its four values come down to two */
enum server_options_root { SERVER_OPTIONS_ROOT_NO, SERVER_OPTIONS_ROOT_YES };

enum { SERVER_OPTIONS_PORTS_MAX = 64, SERVER_OPTIONS_LISTEN_MAX = 256 };

/* host NULL: every address */
struct server_options_address {
    const char *host;
    uint16_t port;
};

/* Strings are owned by keywords; free with server_options_free. */
struct server_options {
    int ports[SERVER_OPTIONS_PORTS_MAX];
    size_t ports_count;
    bool ports_from_flags;
    /* ListenAddress, port 0: every one of ports */
    struct server_options_address addresses[SERVER_OPTIONS_PORTS_MAX];
    size_t addresses_count;
    /* the two above multiplied out */
    struct server_options_address listen[SERVER_OPTIONS_LISTEN_MAX];
    size_t listen_count;
    int family;
    bool tcp_keepalive;

    struct keyword_words host_keys;
    struct keyword_words authorized_keys;
    bool strict_modes;
    bool pubkey_authentication;
    int permit_root;

    int startups_begin, startups_rate, startups_full;
    int64_t login_grace;
    int auth_tries_max;
    int64_t alive_interval;
    int alive_count_max;

    int forwarding;
    bool disable_forwarding;
    struct keyword_words permit_open;

    /* NULL: our default order */
    const char *ciphers;
    const char *macs;
    const char *kex_algorithms;
    const char *hostkey_algorithms;
    const char *pubkey_algorithms;
    struct shared_options_rekey rekey;

    const char *banner;
    const char *pid_file;
    int log_level;
    int backend;

    /* flags without a keyword */
    const char *config_file;
    const char *log_file;
    bool foreground;
    bool log_to_stderr;
    /* -d, -dd, -ddd: foreground, debug lines to stderr, one connection */
    int debug;

    struct keywords keywords;
    char error[KEYWORDS_ERROR_MAX];
};

/* Reads the command line, then the configuration file. Not reentrant (getopt). */
enum server_options_action server_options_parse(struct server_options *options, int argc,
                                                char **argv);
void server_options_free(struct server_options *options);
void server_options_help(FILE *file);

#endif
