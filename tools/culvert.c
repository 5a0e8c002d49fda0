/*
 * culvert: the client program. Options in, tunnels up, exit status out.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/provider.h"
#include "engine/client.h"
#include "engine/log.h"
#include "engine/worker.h"
#include "tools/client_options.h"
#include "tools/client_setup.h"
#include "tools/daemon.h"
#include "tools/identity.h"
#include "tools/known_hosts_file.h"
#include "tools/version.h"

enum { STATUS_FAILED = 255 /* ssh's, for everything */ };

static struct program {
    struct client_options options;
    struct identities identities;
    struct known_hosts_file known_hosts;
    struct client_setup setup;
    struct daemon daemon;
    struct worker *worker;
    struct client *client;
    int attempts_left, signals, status;
    bool again, ready;
} program = {.daemon.ready_fd = -1, .status = STATUS_FAILED};

/* ---- the broker's questions ---------------------------------------------------------------- */

static void check_host(void *ctx, const struct broker_request *request, struct broker_reply *reply)
{
    struct program *self = ctx;
    known_hosts_file_check(&self->known_hosts, request, reply);
}

static void sign_user(void *ctx, const struct broker_request *request, struct broker_reply *reply)
{
    struct program *self = ctx;
    identity_sign(&self->identities, request, reply);
}

/* ---- what happens inside the loop ---------------------------------------------------------- */

static void on_signal(void *ctx, int number)
{
    struct program *self = ctx;
    log_line(LEVEL_VERBOSE, "Killed by signal %d.", number);
    known_hosts_file_cancel(&self->known_hosts);
    self->signals++;
    if (self->signals > 1) {
        /* asked twice (a process group often is): at once, and no failure either */
        self->status = self->ready ? 0 : STATUS_FAILED;
        worker_quit(self->worker);
    } else if (self->client != NULL) {
        client_stop(self->client);
    }
}

/* log_line escapes what the server wrote, line ends included: so, one line at a time. It is no C
 * text: a NUL ends the line that it stands in. */
static void on_banner(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    while (len > 0) {
        const uint8_t *end = memchr(bytes, '\n', len);
        size_t line = end != NULL ? (size_t)(end - bytes) : len;
        size_t shown = line > 0 && bytes[line - 1] == '\r' ? line - 1 : line;
        log_line(LEVEL_INFO, "%.*s", (int)shown, (const char *)bytes);
        line += end != NULL;
        bytes += line;
        len -= line;
    }
}

static void on_ready(void *ctx)
{
    struct program *self = ctx;
    self->ready = true;
    daemon_ready(&self->daemon);
}

static void on_end(void *ctx, const struct client_end *end)
{
    struct program *self = ctx;
    bool unreached = strncmp(end->text, "connect to host", 15) == 0;
    bool asked = end->stopped || self->signals > 0;
    /* stopped before the forwards were up is no success, least of all with -f */
    self->status = asked && end->was_ready ? 0 : STATUS_FAILED;
    self->again = unreached && !asked && --self->attempts_left > 0;
    if (end->text[0] != '\0' && !asked) {
        bool outside = end->err == ERR_OK && !end->was_ready;
        log_line(LEVEL_ERROR, "%s%s", outside ? "culvert: " : "", end->text);
    }
    worker_quit(self->worker);
}

/* ---- preparation --------------------------------------------------------------------------- */

/* What doesn't come from the options: who answers, and to whom it is told. */
static struct client_config make_config(struct program *self)
{
    struct client_config config = client_setup_config(&self->setup, &self->options);
    config.identities = self->identities.list;
    config.identities_count = self->identities.count;
    config.on_banner = on_banner;
    config.on_ready = on_ready;
    config.on_end = on_end;
    config.ctx = self;
    return config;
}

static bool start_logging(const struct client_options *options)
{
    log_set_level((enum log_level)options->log_level);
    if (options->log_file != NULL) {
        int error = log_open_file(options->log_file);
        if (error < 0) {
            log_line(LEVEL_FATAL, "Couldn't open logfile %s: %s", options->log_file,
                     strerror(-error));
            return false;
        }
    } else if (options->syslog) {
        log_use_syslog("culvert");
    }
    keywords_log_ignored(&options->keywords, "culvert");
    if (options->needless_flag != NULL) {
        log_line(LEVEL_INFO, "Warning: %s ignored, culvert forwards ports only",
                 options->needless_flag);
    }
    return true;
}

/* All that can fail before the network is touched. */
static bool prepare(struct program *self)
{
    char why[1024];
    struct client_options *options = &self->options;
    if (!start_logging(options)) {
        return false;
    }
    if (options->local_forwards.count == 0 && options->session != CLIENT_OPTIONS_SESSION_NONE) {
        log_line(LEVEL_FATAL, "culvert: nothing to do: give a forward with -L, or -N for a "
                              "connection without one; culvert opens no shell, ssh does");
        return false;
    }
    if (!known_hosts_file_start(&self->known_hosts, options, why, sizeof why) ||
        !client_setup_forwards(&self->setup, options, why, sizeof why)) {
        log_line(LEVEL_FATAL, "culvert: %s", why);
        return false;
    }
    if (options->fork_after_auth) {
        bool keep = options->log_file == NULL && options->log_level >= LEVEL_DEBUG1;
        int error = daemon_fork(&self->daemon, keep);
        if (error < 0) {
            log_line(LEVEL_FATAL, "culvert: can't fork into background: %s", strerror(-error));
            return false;
        }
    }
    if (options->stdin_null) {
        daemon_no_stdin();
    }
    identity_load(&self->identities, options);
    return true;
}

/* ---- run ----------------------------------------------------------------------------------- */

static void run_client(struct program *self)
{
    struct client_config config = make_config(self);
    self->again = false;
    self->client = client_make(self->worker, &config);
    if (self->client == NULL) {
        log_line(LEVEL_FATAL, "culvert: out of memory");
        return;
    }
    client_start(self->client);
    int error = worker_run(self->worker);
    if (error < 0) {
        log_line(LEVEL_FATAL, "culvert: the event loop failed: %s", strerror(-error));
        self->again = false;
    }
    client_free(self->client);
    self->client = NULL;
}

static void run(struct program *self)
{
    char why[256] = "";
    int error = 0;
    struct worker_config config = {
        .backend = (enum io_backend_kind)self->options.backend,
        .handlers = {.check_host = check_host, .sign_user = sign_user, .ctx = self},
        .on_signal = on_signal,
        .ctx = self,
    };
    daemon_raise_limits();
    self->worker = worker_make(&config, &error, why, sizeof why);
    if (self->worker == NULL) {
        log_line(LEVEL_FATAL, "culvert: can't start the event loop: %s",
                 why[0] != '\0' ? why : strerror(-error));
        return;
    }
    log_line(LEVEL_DEBUG1, "%s", why);
    daemon_signals(self->worker);
    self->attempts_left = self->options.connection_attempts;
    run_client(self);
    while (self->again && self->signals == 0) {
        const struct timespec second = {.tv_sec = 1};
        nanosleep(&second, NULL);
        run_client(self);
    }
    daemon_signals(NULL);
    worker_free(self->worker);
}

int main(int argc, char **argv)
{
    daemon_own_stdio();
    /* before the options: which ciphers there are depends on what this machine's provider can do */
    if (!provider_start()) {
        fprintf(stderr, "culvert: the crypto library can't be used on this machine\n");
        return STATUS_FAILED;
    }
    enum client_options_action action = client_options_parse(&program.options, argc, argv);
    switch (action) {
    case CLIENT_OPTIONS_HELP:
        client_options_help(stdout);
        return 0;
    case CLIENT_OPTIONS_VERSION:
    case CLIENT_OPTIONS_VERSION_SSH:
        version_print(action == CLIENT_OPTIONS_VERSION ? stdout : stderr, "culvert");
        return 0;
    case CLIENT_OPTIONS_PRINT:
        keywords_print(&program.options.keywords, stdout);
        return 0;
    case CLIENT_OPTIONS_BAD:
        fprintf(stderr, "culvert: %s\n", program.options.error);
        return STATUS_FAILED;
    case CLIENT_OPTIONS_RUN:
        break;
    }
    if (prepare(&program)) {
        run(&program);
    }
    identity_wipe(&program.identities);
    client_setup_free(&program.setup);
    client_options_free(&program.options);
    return program.status;
}
