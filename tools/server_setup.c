/*
 * Translates options into the server's configuration.
 */
#include "tools/server_setup.h"

#include <stdio.h>
#include <strings.h>

#include "engine/log.h"
#include "tools/version.h"

/* False: a rule that can't be used, or no memory. A rule too many must stop the start: without it
 * more would be open than the file says. */
static bool make_policy(struct server_setup *setup, const struct server_options *options)
{
    bool any = options->permit_open.count == 0;
    bool on = !options->disable_forwarding;
    int side = options->forwarding;
    struct policy *policy = policy_make();
    setup->policy = policy;
    if (policy == NULL) {
        return false;
    }
    policy->local_forwarding =
        on && (side == SERVER_OPTIONS_FORWARDING_YES || side == SERVER_OPTIONS_FORWARDING_LOCAL);
    policy->remote_forwarding =
        on && (side == SERVER_OPTIONS_FORWARDING_YES || side == SERVER_OPTIONS_FORWARDING_REMOTE);
    for (size_t i = 0; i < options->permit_open.count; i++) {
        const char *rule = options->permit_open.at[i];
        if (strcasecmp(rule, "any") == 0) {
            any = true;
        } else if (strcasecmp(rule, "none") != 0 && !policy_permit_open(policy, rule)) {
            return false;
        }
    }
    policy->open_limited = !any;
    return true;
}

static void read_banner(struct server_setup *setup, const char *path)
{
    int error = files_read(path, LIMIT_BANNER, &setup->banner);
    if (error < 0) {
        log_line(LEVEL_ERROR, "Can't read Banner %s: %s; going on without it", path,
                 files_text(error));
    }
}

bool server_setup_make(struct server_setup *setup, const struct server_options *options,
                       char *ret_why, size_t why_len)
{
    if (!make_policy(setup, options)) {
        snprintf(ret_why, why_len, "PermitOpen: a rule can't be used, or out of memory");
        return false;
    }
    for (size_t i = 0; i < options->listen_count; i++) {
        setup->listen[i] = (struct server_listen){options->listen[i].host, options->listen[i].port};
    }
    if (options->banner != NULL) {
        read_banner(setup, options->banner);
    }
    return true;
}

void server_setup_free(struct server_setup *setup)
{
    policy_free(setup->policy);
    setup->policy = NULL;
    files_free(&setup->banner);
}

struct server_config server_setup_config(const struct server_setup *setup,
                                         const struct server_options *options)
{
    const int64_t second = 1000000000;
    return (struct server_config){
        .listen = setup->listen,
        .listen_count = options->listen_count,
        .family = options->family,
        .tcp_keepalive = options->tcp_keepalive,
        .session =
            {
                .software = VERSION_SOFTWARE,
                .kex_algorithms = options->kex_algorithms,
                .hostkey_algorithms = options->hostkey_algorithms,
                .ciphers = options->ciphers,
                .macs = options->macs,
                .rekey_bytes = options->rekey.bytes,
                .rekey_ns = options->rekey.seconds * second,
                .alive_ns = options->alive_interval * second,
                /* sshd_config(5): a count of 0 disables the end */
                .alive_max = options->alive_count_max == 0 ? SESSION_ALIVE_FOREVER
                                                           : (uint32_t)options->alive_count_max,
                .banner = setup->banner.text,
                .auth_tries_max = (uint32_t)options->auth_tries_max,
                .login_ns = options->login_grace * second,
            },
        .startups_begin = (uint32_t)options->startups_begin,
        .startups_rate = (uint32_t)options->startups_rate,
        .startups_full = (uint32_t)options->startups_full,
        .policy = setup->policy,
        .once = options->debug > 0,
    };
}
