/*
 * culvertd: the server program. Configuration in, doors open until a signal.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/provider.h"
#include "engine/log.h"
#include "engine/server.h"
#include "engine/worker.h"
#include "tools/authorize.h"
#include "tools/daemon.h"
#include "tools/hostkey.h"
#include "tools/server_options.h"
#include "tools/server_setup.h"
#include "tools/version.h"

/* sshd's statuses: 1 for flags and host keys, 255 for configuration files and the start itself */
enum { STATUS_USAGE = 1, STATUS_FAILED = 255 };

static struct program {
    struct server_options options;
    struct hostkey hostkey;
    struct authorize authorize;
    struct server_setup setup;
    struct daemon daemon;
    struct worker *worker;
    struct server *server;
    int signals;
    int status;
} program = {.daemon.ready_fd = -1, .status = STATUS_FAILED};

/* ---- the broker's questions ---------------------------------------------------------------- */

static void sign_host(void *ctx, const struct broker_request *request, struct broker_reply *reply)
{
    const struct program *self = ctx;
    hostkey_sign(&self->hostkey, request, reply);
}

static void judge(void *ctx, const struct broker_request *request, struct broker_reply *reply)
{
    const struct program *self = ctx;
    authorize_judge(&self->authorize, request, reply);
}

/* ---- what happens inside the loop ---------------------------------------------------------- */

static void on_signal(void *ctx, int number)
{
    struct program *self = ctx;
    if (number == SIGHUP) {
        log_line(LEVEL_INFO, "Received SIGHUP; reload is not supported yet, restart instead.");
        return;
    }
    log_line(LEVEL_INFO, "Received signal %d; terminating.", number);
    self->signals++;
    if (self->signals > 1) {
        worker_quit(self->worker);
    } else {
        server_stop(self->server);
    }
}

static void on_stopped(void *ctx)
{
    struct program *self = ctx;
    worker_quit(self->worker);
}

/* ---- preparation --------------------------------------------------------------------------- */

/* All that can be wrong with a configuration. A test makes no host key. */
static bool prepare(struct program *self, bool test)
{
    char why[PATHS_MAX + 1024];
    struct server_options *options = &self->options;
    if (!authorize_start(&self->authorize, options, why, sizeof why)) {
        log_line(LEVEL_FATAL, "%s", why);
        return false;
    }
    if (!hostkey_open(&self->hostkey, &options->host_keys, !test, why, sizeof why)) {
        log_line(LEVEL_FATAL, "%s", why);
        log_line(LEVEL_FATAL, "culvertd: no hostkeys available -- exiting.");
        return false;
    }
    if (!server_setup_make(&self->setup, options, why, sizeof why)) {
        log_line(LEVEL_FATAL, "%s", why);
        return false;
    }
    return true;
}

static bool start_logging(const struct server_options *options)
{
    log_set_level((enum log_level)options->log_level);
    if (options->log_file != NULL && options->debug == 0) {
        int error = log_open_file(options->log_file);
        if (error < 0) {
            log_line(LEVEL_FATAL, "Couldn't open logfile %s: %s", options->log_file,
                     strerror(-error));
            return false;
        }
    }
    keywords_log_ignored(&options->keywords, "culvertd");
    return true;
}

/* ---- run ----------------------------------------------------------------------------------- */

/* After the start, lines go where a daemon's lines go; errors of the start were seen by whoever
 * started it. */
static void settle(struct program *self)
{
    const struct server_options *options = &self->options;
    if (options->debug == 0) {
        (void)daemon_write_pid(options->pid_file);
    }
    daemon_ready(&self->daemon);
    if (!options->log_to_stderr && options->log_file == NULL && options->debug == 0) {
        log_use_syslog("culvertd");
    }
}

static void serve(struct program *self)
{
    struct server_config config = server_setup_config(&self->setup, &self->options);
    config.session.hostkey = self->hostkey.blob;
    config.session.hostkey_len = sizeof self->hostkey.blob;
    config.on_stopped = on_stopped;
    config.ctx = self;
    self->server = server_make(self->worker, &config);
    int error = self->server == NULL ? -ENOMEM : server_start(self->server);
    if (error < 0) {
        log_line(LEVEL_FATAL, "Cannot bind any address.%s",
                 error == -EACCES ? " Ports below 1024 need root; try -p 2222." : "");
    } else {
        settle(self);
        error = worker_run(self->worker);
        if (error < 0) {
            log_line(LEVEL_FATAL, "the event loop failed: %s", strerror(-error));
        }
        self->status = error < 0 ? STATUS_FAILED : 0;
        daemon_remove_pid();
    }
    if (self->server != NULL) {
        server_free(self->server);
    }
}

static void run(struct program *self)
{
    char why[256] = "";
    int error = 0;
    struct worker_config config = {
        .backend = (enum io_backend_kind)self->options.backend,
        .handlers = {.sign_host = sign_host, .authorize = judge, .ctx = self},
        .on_signal = on_signal,
        .ctx = self,
    };
    if (!self->options.foreground && self->options.debug == 0) {
        error = daemon_fork(&self->daemon, self->options.log_to_stderr);
        if (error < 0) {
            log_line(LEVEL_FATAL, "can't fork into background: %s", strerror(-error));
            return;
        }
    }
    daemon_raise_limits();
    self->worker = worker_make(&config, &error, why, sizeof why);
    if (self->worker == NULL) {
        log_line(LEVEL_FATAL, "can't start the event loop: %s",
                 why[0] != '\0' ? why : strerror(-error));
        return;
    }
    log_line(LEVEL_DEBUG1, "%s", why);
    daemon_signals(self->worker);
    serve(self);
    daemon_signals(NULL);
    worker_free(self->worker);
}

int main(int argc, char **argv)
{
    daemon_own_stdio();
    /* before the options: which ciphers there are depends on what this machine's provider can do */
    if (!provider_start()) {
        fprintf(stderr, "culvertd: the crypto library can't be used on this machine\n");
        return STATUS_FAILED;
    }
    enum server_options_action action = server_options_parse(&program.options, argc, argv);
    bool test = action == SERVER_OPTIONS_TEST || action == SERVER_OPTIONS_PRINT;
    switch (action) {
    case SERVER_OPTIONS_HELP:
        server_options_help(stdout);
        return 0;
    case SERVER_OPTIONS_VERSION:
        version_print(stdout, "culvertd");
        return 0;
    case SERVER_OPTIONS_VERSION_SSH:
        version_print(stderr, "culvertd");
        return 0;
    case SERVER_OPTIONS_BAD:
        fprintf(stderr, "culvertd: %s\n", program.options.error);
        return program.options.keywords.error[0] != '\0' ? STATUS_FAILED : STATUS_USAGE;
    case SERVER_OPTIONS_TEST:
    case SERVER_OPTIONS_PRINT:
    case SERVER_OPTIONS_RUN:
        break;
    }
    program.status = STATUS_USAGE;
    if (start_logging(&program.options) && prepare(&program, test)) {
        program.status = test ? 0 : STATUS_FAILED;
        if (action == SERVER_OPTIONS_PRINT) {
            keywords_print(&program.options.keywords, stdout);
        } else if (!test) {
            run(&program);
        }
    }
    hostkey_wipe(&program.hostkey);
    server_setup_free(&program.setup);
    server_options_free(&program.options);
    return program.status;
}
