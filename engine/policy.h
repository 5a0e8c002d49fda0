/*
 * Policy: may this peer open a channel to there? One pure function over parsed rules.
 *
 * A policy is what the administrator allows (AllowTcpForwarding, PermitOpen) or what one key's line
 * allows (restrict, port-forwarding, permitopen). Both are asked, and both must say yes. Names are
 * matched as written, without lookups, as OpenSSH's PermitOpen does.
 */
#ifndef CULVERT_ENGINE_POLICY_H
#define CULVERT_ENGINE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_RULES_MAX = 4096 };

/* host NULL: any host. port 0: any port. */
struct policy_rule {
    char *host;
    uint16_t port;
};

struct policy {
    bool local_forwarding;
    bool remote_forwarding;
    /* false: every target; true: only those that a rule names (no rule: none) */
    bool open_limited;
    size_t open_count;
    struct policy_rule *open;
};

/* Allocates one that allows all. NULL: out of memory. */
struct policy *policy_make(void);
struct policy *policy_copy(const struct policy *policy);
void policy_free(struct policy *policy);

/* "host:port", "[v6]:port", "*" for either. False on anything else; the policy is unchanged. */
__attribute__((warn_unused_result)) bool policy_permit_open(struct policy *policy,
                                                            const char *rule);

/*
 * The policy of one authorized_keys line from its options text (sshd(8), AUTHORIZED_KEYS FILE
 * FORMAT): restrict, port-forwarding, no-port-forwarding, permitopen; others are skipped here, the
 * broker has judged them. NULL: out of memory or an option that can't be parsed.
 */
struct policy *policy_from_options(const char *options, size_t len);

/* May a direct-tcpip channel go to host, port? On no, *ret_why is a static phrase for the log. */
bool policy_may_open(const struct policy *policy, const char *host, uint16_t port,
                     const char **ret_why);

#endif
