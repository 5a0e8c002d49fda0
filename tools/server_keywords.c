/*
 * The server's keyword table.
 */
#include "tools/server_keywords.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "engine/policy.h"
#include "tools/algorithms.h"
#include "tools/server_options.h"
#include "tools/shared_options.h"

#define FIELD(name) offsetof(struct server_options, name)

static const struct keyword_word forwarding_words[] = {
    {"yes", SERVER_OPTIONS_FORWARDING_YES},       {"all", SERVER_OPTIONS_FORWARDING_YES},
    {"true", SERVER_OPTIONS_FORWARDING_YES},      {"no", SERVER_OPTIONS_FORWARDING_NO},
    {"false", SERVER_OPTIONS_FORWARDING_NO},      {"local", SERVER_OPTIONS_FORWARDING_LOCAL},
    {"remote", SERVER_OPTIONS_FORWARDING_REMOTE}, {NULL, 0},
};

/* we have no passwords and no commands: with keys alone, what is left is yes or no */
static const struct keyword_word root_words[] = {
    {"yes", SERVER_OPTIONS_ROOT_YES},
    {"prohibit-password", SERVER_OPTIONS_ROOT_YES},
    {"without-password", SERVER_OPTIONS_ROOT_YES},
    {"no", SERVER_OPTIONS_ROOT_NO},
    {"forced-commands-only", SERVER_OPTIONS_ROOT_NO},
    {NULL, 0},
};

static bool parse_port(struct keywords *keywords, const struct keyword *row,
                       const struct keyword_words *args)
{
    struct server_options *options = keywords->options;
    bool from_flags = keywords->line == 0;
    int port;
    if (args->count > 1 || !keywords_parse_number(args->at[0], 0, 65535, &port)) {
        return keywords_fail(keywords, "Badly formatted %s number \"%s\"", row->name, args->at[0]);
    }
    if (options->ports_from_flags && !from_flags) {
        /* sshd: a port of the command line makes those of the file void */
        return true;
    }
    if (options->ports_count == SERVER_OPTIONS_PORTS_MAX) {
        return keywords_fail(keywords, "too many ports, at most %d are possible",
                             SERVER_OPTIONS_PORTS_MAX);
    }
    options->ports_from_flags = from_flags;
    options->ports[options->ports_count++] = port;
    return true;
}

static void print_port(FILE *file, const struct keyword *row, const void *at)
{
    (void)row;
    const struct server_options *options = at;
    for (size_t i = 0; i < options->ports_count; i++) {
        fprintf(file, "port %d\n", options->ports[i]);
    }
}

/* host, host:port, [v6]:port, [v6], v6; the text is changed. Port 0: none given. */
static bool split_address(char *text, const char **ret_host, int *ret_port)
{
    char *colon = strchr(text, ':');
    char *port = NULL;
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        text++;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
        port = colon + 1;
    }
    *ret_host = text;
    *ret_port = 0;
    return text[0] != '\0' && strlen(text) < 1025 &&
           (port == NULL || keywords_parse_number(port, 1, 65535, ret_port));
}

static bool parse_address(struct keywords *keywords, const struct keyword *row,
                          const struct keyword_words *args)
{
    struct server_options *options = keywords->options;
    char text[KEYWORDS_LINE_MAX];
    const char *host;
    int port;
    snprintf(text, sizeof text, "%s", args->at[0]);
    if (args->count > 1 || !split_address(text, &host, &port)) {
        return keywords_fail(keywords, "bad %s \"%.256s\"; try 127.0.0.1, [::1]:2222 or name:port",
                             row->name, args->at[0]);
    }
    if (options->addresses_count == SERVER_OPTIONS_PORTS_MAX) {
        return keywords_fail(keywords, "too many addresses, at most %d are possible",
                             SERVER_OPTIONS_PORTS_MAX);
    }
    struct server_options_address *address = &options->addresses[options->addresses_count++];
    address->host = keywords_keep(keywords, host);
    address->port = (uint16_t)port;
    return true;
}

static void print_address(FILE *file, const struct keyword *row, const void *at)
{
    (void)row;
    const struct server_options *options = at;
    for (size_t i = 0; i < options->listen_count; i++) {
        const char *host = options->listen[i].host;
        bool bracket = host != NULL && strchr(host, ':') != NULL;
        fprintf(file, "listenaddress %s%s%s:%u\n", bracket ? "[" : "", host != NULL ? host : "*",
                bracket ? "]" : "", options->listen[i].port);
    }
}

/* start[:rate:full], as sshd counts unauthenticated connections */
static bool parse_startups(struct keywords *keywords, const struct keyword *row,
                           const struct keyword_words *args)
{
    struct server_options *options = keywords->options;
    int begin, rate = 100, full, used = 0;
    const char *text = args->at[0];
    int found = sscanf(text, "%9d:%9d:%9d%n", &begin, &rate, &full, &used);
    if (found == 1) {
        found = sscanf(text, "%9d%n", &begin, &used) == 1 ? 1 : 0;
        rate = 100;
        full = begin;
    }
    if ((found != 1 && found != 3) || text[used] != '\0' || args->count > 1 || begin < 1 ||
        full < begin || rate < 1 || rate > 100) {
        return keywords_fail(keywords, "Illegal %s spec \"%.64s\"; try 10:30:100", row->name, text);
    }
    options->startups_begin = begin;
    options->startups_rate = rate;
    options->startups_full = full;
    return true;
}

static void print_startups(FILE *file, const struct keyword *row, const void *at)
{
    (void)row;
    const struct server_options *options = at;
    fprintf(file, "maxstartups %d:%d:%d\n", options->startups_begin, options->startups_rate,
            options->startups_full);
}

/* any, none, or a list of rules, all of which must be good: a rule that can't be read stops the
 * start */
static bool parse_permit_open(struct keywords *keywords, const struct keyword *row,
                              const struct keyword_words *args)
{
    struct server_options *options = keywords->options;
    bool alone = args->count == 1 &&
                 (strcasecmp(args->at[0], "any") == 0 || strcasecmp(args->at[0], "none") == 0);
    struct policy *trial = policy_make();
    bool good = trial != NULL;
    for (size_t i = 0; good && !alone && i < args->count; i++) {
        good = policy_permit_open(trial, args->at[i]);
        if (!good) {
            keywords_fail(keywords, "bad %s rule \"%.256s\"; try host:port, [v6]:port or *:port",
                          row->name, args->at[i]);
        }
    }
    policy_free(trial);
    if (good) {
        options->permit_open = *args;
    }
    return good;
}

static void print_permit_open(FILE *file, const struct keyword *row, const void *at)
{
    (void)row;
    const struct server_options *options = at;
    fputs("permitopen", file);
    for (size_t i = 0; i < options->permit_open.count; i++) {
        fprintf(file, " %s", options->permit_open.at[i]);
    }
    fputs(options->permit_open.count == 0 ? " any\n" : "\n", file);
}

#define LATER "not yet"
#define LISTED(row_name, field, algorithms)                                                        \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_CUSTOM, .offset = FIELD(field), .min = algorithms,       \
        .parse = shared_options_parse_algorithms, .print = shared_options_print_algorithms         \
    }
#define CUSTOM(row_name, parse_fn, print_fn, again)                                                \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_CUSTOM, .parse = parse_fn, .print = print_fn,            \
        .repeated = again                                                                          \
    }
#define OBEYED(row_name, row_kind, field)                                                          \
    {                                                                                              \
        .name = row_name, .kind = row_kind, .offset = FIELD(field)                                 \
    }
#define NUMBER(row_name, field, low, high)                                                         \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_INT, .offset = FIELD(field), .min = low, .max = high     \
    }
#define WORD(row_name, field, row_words)                                                           \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_ENUM, .offset = FIELD(field), .words = row_words         \
    }
#define IGNORED(row_name)                                                                          \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_IGNORED                                                  \
    }
#define REFUSED(row_name, row_harmless, row_note)                                                  \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_REFUSED, .harmless = row_harmless, .note = row_note      \
    }

const struct keyword server_keywords[] = {
    /* where it listens */
    CUSTOM("Port", parse_port, print_port, true),
    CUSTOM("ListenAddress", parse_address, print_address, true),
    WORD("AddressFamily", family, shared_options_families),
    OBEYED("TCPKeepAlive", KEYWORD_FLAG, tcp_keepalive),
    CUSTOM("MaxStartups", parse_startups, print_startups, false),
    /* who may come in */
    OBEYED("HostKey", KEYWORD_REPEATED, host_keys),
    OBEYED("AuthorizedKeysFile", KEYWORD_WORDS, authorized_keys),
    OBEYED("StrictModes", KEYWORD_FLAG, strict_modes),
    OBEYED("PubkeyAuthentication", KEYWORD_FLAG, pubkey_authentication),
    WORD("PermitRootLogin", permit_root, root_words),
    OBEYED("LoginGraceTime", KEYWORD_TIME, login_grace),
    NUMBER("MaxAuthTries", auth_tries_max, 1, 1000),
    OBEYED("Banner", KEYWORD_STRING, banner),
    /* what they may do */
    WORD("AllowTcpForwarding", forwarding, forwarding_words),
    OBEYED("DisableForwarding", KEYWORD_FLAG, disable_forwarding),
    CUSTOM("PermitOpen", parse_permit_open, print_permit_open, false),
    OBEYED("ClientAliveInterval", KEYWORD_TIME, alive_interval),
    NUMBER("ClientAliveCountMax", alive_count_max, 0, 1000000),
    /* algorithms */
    LISTED("Ciphers", ciphers, ALGORITHMS_CIPHER),
    LISTED("MACs", macs, ALGORITHMS_MAC),
    LISTED("KexAlgorithms", kex_algorithms, ALGORITHMS_KEX),
    LISTED("HostKeyAlgorithms", hostkey_algorithms, ALGORITHMS_HOSTKEY),
    LISTED("PubkeyAcceptedAlgorithms", pubkey_algorithms, ALGORITHMS_PUBKEY),
    {.name = "RekeyLimit",
     .kind = KEYWORD_CUSTOM,
     .offset = FIELD(rekey),
     .parse = shared_options_parse_rekey,
     .print = shared_options_print_rekey},
    /* the program */
    WORD("LogLevel", log_level, shared_options_levels),
    OBEYED("PidFile", KEYWORD_STRING, pid_file),
    WORD("CulvertIOBackend", backend, shared_options_backends),
    {.name = "IgnoreUnknown", .kind = KEYWORD_CUSTOM, .parse = shared_options_parse_ignore_unknown},

    /* each of these keeps somebody out or narrows what they may do: without it more would be
     * allowed than the file says */
    REFUSED("Match", NULL, "sections of configuration files are " LATER " read"),
    REFUSED("Include", NULL, "further configuration files are " LATER " read"),
    REFUSED("AllowUsers", NULL,
            "users are virtual; give each allowed user a file of its own: "
            "AuthorizedKeysFile DIR/%u"),
    REFUSED("DenyUsers", NULL,
            "users are virtual; give each allowed user a file of its own: "
            "AuthorizedKeysFile DIR/%u"),
    REFUSED("AllowGroups", NULL, "users are virtual and in no group"),
    REFUSED("DenyGroups", NULL, "users are virtual and in no group"),
    REFUSED("AuthenticationMethods", "any,publickey", "publickey is the only method"),
    REFUSED("AuthorizedKeysCommand", "none", "only files are read, see AuthorizedKeysFile"),
    REFUSED("AuthorizedPrincipalsCommand", "none", "certificates are " LATER " accepted"),
    REFUSED("AuthorizedPrincipalsFile", "none", "certificates are " LATER " accepted"),
    REFUSED("TrustedUserCAKeys", "none", "certificates are " LATER " accepted"),
    REFUSED("RevokedKeys", "none", "take revoked keys out of the AuthorizedKeysFile"),
    REFUSED("PubkeyAuthOptions", "none", "FIDO keys are " LATER " accepted"),
    REFUSED("HostKeyAgent", "none", "name the host key's file with HostKey"),
    REFUSED("ChannelTimeout", "none", "timeouts of channels are " LATER " possible"),
    REFUSED("UnusedConnectionTimeout", "none",
            "timeouts of idle connections are " LATER " possible"),
    REFUSED("PerSourceMaxStartups", "none", "use MaxStartups"),
    REFUSED("PerSourcePenalties", "no", "use MaxStartups and LoginGraceTime"),
    REFUSED("RefuseConnection", "no", "only in Match sections, which are " LATER " read"),
    REFUSED("RDomain", "none", "routing domains are not supported"),

    /* accounts, sessions, terminals, other forwards: there are none, whatever these say */
    IGNORED("AcceptEnv"),
    IGNORED("AllowAgentForwarding"),
    IGNORED("AllowStreamLocalForwarding"),
    IGNORED("ChrootDirectory"),
    IGNORED("ExposeAuthInfo"),
    IGNORED("ForceCommand"),
    IGNORED("GatewayPorts"),
    IGNORED("MaxSessions"),
    IGNORED("PermitListen"),
    IGNORED("PermitTTY"),
    IGNORED("PermitTunnel"),
    IGNORED("PermitUserEnvironment"),
    IGNORED("PermitUserRC"),
    IGNORED("PrintLastLog"),
    IGNORED("PrintMotd"),
    IGNORED("SetEnv"),
    IGNORED("SshdSessionPath"),
    IGNORED("SshdAuthPath"),
    IGNORED("StreamLocalBindMask"),
    IGNORED("StreamLocalBindUnlink"),
    IGNORED("Subsystem"),
    IGNORED("UseLogin"),
    IGNORED("X11DisplayOffset"),
    IGNORED("X11Forwarding"),
    IGNORED("X11MaxDisplays"),
    IGNORED("X11UseLocalhost"),
    IGNORED("XAuthLocation"),
    /* ways to log in that we never accept */
    IGNORED("AuthorizedKeysCommandUser"),
    IGNORED("AuthorizedPrincipalsCommandUser"),
    IGNORED("CASignatureAlgorithms"),
    IGNORED("ChallengeResponseAuthentication"),
    IGNORED("GSSAPIAuthentication"),
    IGNORED("GSSAPICleanupCredentials"),
    IGNORED("GSSAPIKeyExchange"),
    IGNORED("GSSAPIStoreCredentialsOnRekey"),
    IGNORED("GSSAPIStrictAcceptorCheck"),
    IGNORED("HostbasedAcceptedAlgorithms"),
    IGNORED("HostbasedAuthentication"),
    IGNORED("HostbasedUsesNameFromPacketOnly"),
    IGNORED("IgnoreRhosts"),
    IGNORED("IgnoreUserKnownHosts"),
    IGNORED("KbdInteractiveAuthentication"),
    IGNORED("KerberosAuthentication"),
    IGNORED("KerberosGetAFSToken"),
    IGNORED("KerberosOrLocalPasswd"),
    IGNORED("KerberosTicketCleanup"),
    IGNORED("PasswordAuthentication"),
    IGNORED("PermitEmptyPasswords"),
    IGNORED("RequiredRSASize"),
    IGNORED("SecurityKeyProvider"),
    IGNORED("UsePAM"),
    IGNORED("PAMServiceName"),
    /* matters of taste */
    IGNORED("Compression"),
    IGNORED("DebianBanner"),
    IGNORED("FingerprintHash"),
    IGNORED("HostCertificate"),
    IGNORED("IPQoS"),
    IGNORED("KeyRegenerationInterval"),
    IGNORED("LogVerbose"),
    IGNORED("ModuliFile"),
    IGNORED("PerSourceNetBlockSize"),
    IGNORED("PerSourcePenaltyExemptList"),
    IGNORED("Protocol"),
    IGNORED("ServerKeyBits"),
    IGNORED("SyslogFacility"),
    IGNORED("UseDNS"),
    IGNORED("UsePrivilegeSeparation"),
    IGNORED("VersionAddendum"),
};

const size_t server_keywords_count = sizeof server_keywords / sizeof server_keywords[0];
