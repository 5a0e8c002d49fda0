/*
 * Translates options into the client's configuration.
 */
#include "tools/client_setup.h"

#include <stdio.h>

#include "tools/version.h"

bool client_setup_forwards(struct client_setup *setup, const struct client_options *options,
                           char *ret_why, size_t why_len)
{
    const struct keyword_words *specs = &options->local_forwards;
    for (size_t i = 0; i < specs->count; i++) {
        char why[FORWARD_ERROR_SIZE];
        struct forward *forward = &setup->forwards[i];
        if (!forward_parse(specs->at[i], forward, why)) {
            snprintf(ret_why, why_len, "%s", why);
            return false;
        }
        setup->list[i] = (struct client_forward){
            .bind = forward->bind_given ? forward->bind : NULL,
            .port = forward->listen_port,
            .host = forward->host,
            .host_port = forward->host_port,
        };
        setup->count = i + 1;
    }
    return true;
}

void client_setup_free(struct client_setup *setup)
{
    for (size_t i = 0; i < setup->count; i++) {
        forward_free(&setup->forwards[i]);
    }
    setup->count = 0;
}

struct client_config client_setup_config(const struct client_setup *setup,
                                         const struct client_options *options)
{
    const int64_t second = 1000000000;
    return (struct client_config){
        .host = options->hostname,
        .host_shown = options->host,
        .port = (uint16_t)options->port,
        .family = options->family,
        .bind_address = options->bind_address,
        .connect_timeout_ns = options->connect_timeout * second,
        .tcp_keepalive = options->tcp_keepalive,
        .session =
            {
                .software = VERSION_SOFTWARE,
                .user = options->user,
                .kex_algorithms = options->kex_algorithms,
                .hostkey_algorithms = options->hostkey_algorithms,
                .ciphers = options->ciphers,
                .macs = options->macs,
                .rekey_bytes = options->rekey.bytes,
                .rekey_ns = options->rekey.seconds * second,
                .alive_ns = options->alive_interval * second,
                .alive_max = (uint32_t)options->alive_count_max,
            },
        .forwards = setup->list,
        .forwards_count = setup->count,
        .gateway_ports = options->gateway_ports,
        .exit_on_forward_failure = options->exit_on_forward_failure,
    };
}
