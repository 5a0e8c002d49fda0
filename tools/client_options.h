/*
 * What culvert was asked to do: ssh's flags and ssh_config's keywords in one struct.
 */
#ifndef CULVERT_TOOLS_CLIENT_OPTIONS_H
#define CULVERT_TOOLS_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tools/keywords.h"
#include "tools/shared_options.h"

enum client_options_action {
    CLIENT_OPTIONS_RUN,
    CLIENT_OPTIONS_HELP,        /* -h, --help: to stdout */
    CLIENT_OPTIONS_VERSION,     /* --version: to stdout */
    CLIENT_OPTIONS_VERSION_SSH, /* -V: to stderr, as ssh does */
    CLIENT_OPTIONS_PRINT,       /* -G: the effective configuration */
    CLIENT_OPTIONS_BAD,         /* error says why */
};

/* StrictHostKeyChecking */
enum client_options_strict {
    CLIENT_OPTIONS_STRICT_NO,
    CLIENT_OPTIONS_STRICT_ACCEPT_NEW,
    CLIENT_OPTIONS_STRICT_ASK,
    CLIENT_OPTIONS_STRICT_YES,
};

enum client_options_session { CLIENT_OPTIONS_SESSION_DEFAULT, CLIENT_OPTIONS_SESSION_NONE };

/* Strings are owned by keywords; free with client_options_free. */
struct client_options {
    /* as the user called it */
    const char *host;

    const char *hostname;
    const char *user;
    int port;
    int family;
    const char *bind_address;
    int64_t connect_timeout;
    int connection_attempts;
    bool tcp_keepalive;
    int64_t alive_interval;
    int alive_count_max;

    struct keyword_words identity_files;
    bool identities_only;
    const char *identity_agent;
    bool pubkey_authentication;
    const char *preferred_authentications;
    bool batch_mode;

    int strict;
    struct keyword_words user_known_hosts;
    struct keyword_words global_known_hosts;
    bool hash_known_hosts;
    const char *host_key_alias;

    /* NULL: our default order */
    const char *ciphers;
    const char *macs;
    const char *kex_algorithms;
    const char *hostkey_algorithms;
    const char *pubkey_algorithms;
    struct shared_options_rekey rekey;

    /* each in the grammar of -L */
    struct keyword_words local_forwards;
    bool gateway_ports;
    bool clear_forwardings;
    bool exit_on_forward_failure;

    bool fork_after_auth;
    bool stdin_null;
    int session;
    int log_level;
    int backend;

    /* flags without a keyword */
    const char *log_file;
    bool syslog;
    const char *config_file;
    /* flags that need a session, such as "-t", for one warning; NULL: none */
    const char *needless_flag;

    struct keywords keywords;
    char error[KEYWORDS_ERROR_MAX];
};

/* Reads the command line, then the file of -F. Not reentrant (getopt). */
enum client_options_action client_options_parse(struct client_options *options, int argc,
                                                char **argv);
void client_options_free(struct client_options *options);
void client_options_help(FILE *file);

#endif
