/*
 * The client's keyword table.
 */
#include "tools/client_keywords.h"

#include <stddef.h>
#include <string.h>

#include "tools/algorithms.h"
#include "tools/client_options.h"
#include "tools/forward.h"
#include "tools/shared_options.h"

#define FIELD(name) offsetof(struct client_options, name)

static const struct keyword_word strict_words[] = {
    {"yes", CLIENT_OPTIONS_STRICT_YES},  {"true", CLIENT_OPTIONS_STRICT_YES},
    {"ask", CLIENT_OPTIONS_STRICT_ASK},  {"accept-new", CLIENT_OPTIONS_STRICT_ACCEPT_NEW},
    {"no", CLIENT_OPTIONS_STRICT_NO},    {"off", CLIENT_OPTIONS_STRICT_NO},
    {"false", CLIENT_OPTIONS_STRICT_NO}, {NULL, 0},
};

static const struct keyword_word session_words[] = {
    {"none", CLIENT_OPTIONS_SESSION_NONE},
    {"default", CLIENT_OPTIONS_SESSION_DEFAULT},
    {NULL, 0},
};

/* "unbound" and "host-bound" say which signature is used, and both are public keys */
static bool parse_pubkey(struct keywords *keywords, const struct keyword *row,
                         const struct keyword_words *args)
{
    bool *field = keywords_field(keywords, row);
    const char *word = args->at[0];
    if (algorithms_match("yes,true,unbound,host-bound", word, strlen(word))) {
        *field = true;
    } else if (algorithms_match("no,false", word, strlen(word))) {
        *field = false;
    } else {
        return keywords_fail(keywords, "%s is yes or no, not \"%s\"", row->name, word);
    }
    return true;
}

static void print_pubkey(FILE *file, const struct keyword *row, const void *options)
{
    const bool *field = (const void *)((const char *)options + row->offset);
    fprintf(file, "pubkeyauthentication %s\n", *field ? "yes" : "no");
}

/* A file writes two words, a command line one: glued with ':' as OpenSSH does it. */
static bool parse_local_forward(struct keywords *keywords, const struct keyword *row,
                                const struct keyword_words *args)
{
    char glued[KEYWORDS_LINE_MAX];
    char why[FORWARD_ERROR_SIZE];
    struct forward forward;
    if (args->count > 2) {
        return keywords_fail(keywords, "keyword LocalForward extra arguments at end of line");
    }
    snprintf(glued, sizeof glued, "%s%s%s", args->at[0], args->count == 2 ? ":" : "",
             args->count == 2 ? args->at[1] : "");
    if (!forward_parse(glued, &forward, why)) {
        return keywords_fail(keywords, "%s", why);
    }
    forward_free(&forward);
    return keywords_add(keywords, keywords_field(keywords, row), glued);
}

static void print_local_forward(FILE *file, const struct keyword *row, const void *options)
{
    const struct keyword_words *words = (const void *)((const char *)options + row->offset);
    for (size_t i = 0; i < words->count; i++) {
        fprintf(file, "localforward %s\n", words->at[i]);
    }
}

#define LATER "not yet"
#define LISTED(row_name, field, algorithms)                                                        \
    {                                                                                              \
        .name = row_name, .kind = KEYWORD_CUSTOM, .offset = FIELD(field), .min = algorithms,       \
        .parse = shared_options_parse_algorithms, .print = shared_options_print_algorithms         \
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

const struct keyword client_keywords[] = {
    /* where to and as whom */
    OBEYED("Hostname", KEYWORD_STRING, hostname),
    OBEYED("User", KEYWORD_STRING, user),
    NUMBER("Port", port, 1, 65535),
    WORD("AddressFamily", family, shared_options_families),
    OBEYED("BindAddress", KEYWORD_STRING, bind_address),
    OBEYED("ConnectTimeout", KEYWORD_TIME, connect_timeout),
    NUMBER("ConnectionAttempts", connection_attempts, 1, 1000000),
    OBEYED("TCPKeepAlive", KEYWORD_FLAG, tcp_keepalive),
    OBEYED("ServerAliveInterval", KEYWORD_TIME, alive_interval),
    NUMBER("ServerAliveCountMax", alive_count_max, 0, 1000000),
    /* keys of ours */
    OBEYED("IdentityFile", KEYWORD_REPEATED, identity_files),
    OBEYED("IdentitiesOnly", KEYWORD_FLAG, identities_only),
    OBEYED("IdentityAgent", KEYWORD_STRING, identity_agent),
    {.name = "PubkeyAuthentication",
     .kind = KEYWORD_CUSTOM,
     .offset = FIELD(pubkey_authentication),
     .parse = parse_pubkey,
     .print = print_pubkey},
    OBEYED("PreferredAuthentications", KEYWORD_STRING, preferred_authentications),
    OBEYED("BatchMode", KEYWORD_FLAG, batch_mode),
    /* the server's key */
    WORD("StrictHostKeyChecking", strict, strict_words),
    OBEYED("UserKnownHostsFile", KEYWORD_WORDS, user_known_hosts),
    OBEYED("GlobalKnownHostsFile", KEYWORD_WORDS, global_known_hosts),
    OBEYED("HashKnownHosts", KEYWORD_FLAG, hash_known_hosts),
    OBEYED("HostKeyAlias", KEYWORD_STRING, host_key_alias),
    /* algorithms */
    LISTED("Ciphers", ciphers, ALGORITHMS_CIPHER),
    LISTED("MACs", macs, ALGORITHMS_MAC),
    LISTED("KexAlgorithms", kex_algorithms, ALGORITHMS_KEX),
    LISTED("HostKeyAlgorithms", hostkey_algorithms, ALGORITHMS_HOSTKEY),
    LISTED("PubkeyAcceptedAlgorithms", pubkey_algorithms, ALGORITHMS_PUBKEY),
    LISTED("PubkeyAcceptedKeyTypes", pubkey_algorithms, ALGORITHMS_PUBKEY),
    {.name = "RekeyLimit",
     .kind = KEYWORD_CUSTOM,
     .offset = FIELD(rekey),
     .parse = shared_options_parse_rekey,
     .print = shared_options_print_rekey},
    /* forwards */
    {.name = "LocalForward",
     .kind = KEYWORD_CUSTOM,
     .offset = FIELD(local_forwards),
     .parse = parse_local_forward,
     .print = print_local_forward,
     .repeated = true},
    OBEYED("GatewayPorts", KEYWORD_FLAG, gateway_ports),
    OBEYED("ClearAllForwardings", KEYWORD_FLAG, clear_forwardings),
    OBEYED("ExitOnForwardFailure", KEYWORD_FLAG, exit_on_forward_failure),
    /* the program */
    OBEYED("ForkAfterAuthentication", KEYWORD_FLAG, fork_after_auth),
    OBEYED("StdinNull", KEYWORD_FLAG, stdin_null),
    WORD("SessionType", session, session_words),
    WORD("LogLevel", log_level, shared_options_levels),
    WORD("CulvertIOBackend", backend, shared_options_backends),
    {.name = "IgnoreUnknown", .kind = KEYWORD_CUSTOM, .parse = shared_options_parse_ignore_unknown},

    /* other ways to the server or other forwards: going on without them would do something else
     * than was asked for */
    REFUSED("Host", NULL, "sections of configuration files are " LATER " read"),
    REFUSED("Match", NULL, "sections of configuration files are " LATER " read"),
    REFUSED("Include", NULL, "further configuration files are " LATER " read"),
    REFUSED("ProxyCommand", "none", "connections through a command are " LATER " possible"),
    REFUSED("ProxyJump", "none",
            "jump hosts are " LATER " possible; run two, the second through "
            "a forward of the first"),
    REFUSED("RemoteForward", NULL, "only local forwards (-L) are possible for now"),
    REFUSED("DynamicForward", NULL, "only local forwards (-L) are possible for now"),
    REFUSED("BindInterface", NULL, "use BindAddress with an address of that interface"),
    REFUSED("RemoteCommand", "none", "culvert forwards only; use ssh for commands"),
    REFUSED("RefuseConnection", NULL, "this configuration forbids the connection"),
    REFUSED("RevokedHostKeys", "none",
            "mark the keys @revoked in a known_hosts file, those are refused"),
    REFUSED("VerifyHostKeyDNS", "no,false", "host keys are checked by known_hosts files only"),
    REFUSED("KnownHostsCommand", "none", "host keys are checked by known_hosts files only"),
    REFUSED("CheckHostIP", "no,false", "host keys are checked by name only"),
    REFUSED("PKCS11Provider", "none", "load the provider into ssh-agent (ssh-add -s)"),
    REFUSED("SmartcardDevice", "none", "load the provider into ssh-agent (ssh-add -s)"),
    REFUSED("SecurityKeyProvider", "internal", "load the key into ssh-agent (ssh-add)"),
    REFUSED("ChannelTimeout", "none", "timeouts of channels are " LATER " possible"),

    /* sessions, terminals, X11, agents: culvert forwards only */
    IGNORED("AddKeysToAgent"),
    IGNORED("EnableEscapeCommandline"),
    IGNORED("EscapeChar"),
    IGNORED("ForwardAgent"),
    IGNORED("ForwardX11"),
    IGNORED("ForwardX11Timeout"),
    IGNORED("ForwardX11Trusted"),
    IGNORED("LocalCommand"),
    IGNORED("ObscureKeystrokeTiming"),
    IGNORED("PermitLocalCommand"),
    IGNORED("RequestTTY"),
    IGNORED("SendEnv"),
    IGNORED("SetEnv"),
    IGNORED("Tunnel"),
    IGNORED("TunnelDevice"),
    IGNORED("XAuthLocation"),
    /* ways to log in that we don't have: none is tried */
    IGNORED("CASignatureAlgorithms"),
    IGNORED("CertificateFile"),
    IGNORED("ChallengeResponseAuthentication"),
    IGNORED("EnableSSHKeysign"),
    IGNORED("GSSAPIAuthentication"),
    IGNORED("GSSAPIClientIdentity"),
    IGNORED("GSSAPIDelegateCredentials"),
    IGNORED("GSSAPIKeyExchange"),
    IGNORED("GSSAPIKexAlgorithms"),
    IGNORED("GSSAPIRenewalForcesRekey"),
    IGNORED("GSSAPIServerIdentity"),
    IGNORED("GSSAPITrustDNS"),
    IGNORED("HostbasedAcceptedAlgorithms"),
    IGNORED("HostbasedAuthentication"),
    IGNORED("HostbasedKeyTypes"),
    IGNORED("KbdInteractiveAuthentication"),
    IGNORED("KbdInteractiveDevices"),
    IGNORED("KeyboardInteractiveAuthentication"),
    IGNORED("NumberOfPasswordPrompts"),
    IGNORED("PasswordAuthentication"),
    IGNORED("RequiredRSASize"),
    /* matters of taste, and things where doing less is safe */
    IGNORED("CanonicalDomains"),
    IGNORED("CanonicalizeFallbackLocal"),
    IGNORED("CanonicalizeHostname"),
    IGNORED("CanonicalizeMaxDots"),
    IGNORED("CanonicalizePermittedCNAMEs"),
    IGNORED("Compression"),
    IGNORED("CompressionLevel"),
    IGNORED("ControlMaster"),
    IGNORED("ControlPath"),
    IGNORED("ControlPersist"),
    IGNORED("FingerprintHash"),
    IGNORED("IPQoS"),
    IGNORED("LogVerbose"),
    IGNORED("NoHostAuthenticationForLocalhost"),
    IGNORED("PermitRemoteOpen"),
    IGNORED("Protocol"),
    IGNORED("ProxyUseFdpass"),
    IGNORED("StreamLocalBindMask"),
    IGNORED("StreamLocalBindUnlink"),
    IGNORED("SyslogFacility"),
    IGNORED("Tag"),
    IGNORED("UpdateHostKeys"),
    IGNORED("UseKeychain"),
    IGNORED("UsePrivilegedPort"),
    IGNORED("UseRoaming"),
    IGNORED("VersionAddendum"),
    IGNORED("VisualHostKey"),
    IGNORED("WarnWeakCrypto"),
};

const size_t client_keywords_count = sizeof client_keywords / sizeof client_keywords[0];
