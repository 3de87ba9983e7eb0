/* SPDX-License-Identifier: Apache-2.0 */

/* The daemon: see cruxd(8), and src/ARCHITECTURE.md for what is where. */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/message-id.h"
#include "base/version.h"
#include "broker/manager.h"
#include "config.h"

/* What the shell takes for a wrong command line. */
#define EXIT_USAGE 2

/* Large requests are to be given back whole when they are done, instead of raising the bar for the next. */
#define MMAP_THRESHOLD (128 * 1024)

static void prepare_process(void) {
        struct rlimit limit;
        sigset_t mask;

        (void) mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        (void) signal(SIGPIPE, SIG_IGN);
        /* sd-event's child sources want it so. */
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        /* Connections are bounded by settings, and not by a limit that is there for programs with select(2).
         */
        if (getrlimit(RLIMIT_NOFILE, &limit) >= 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static int run_daemon(const Options *options) {
        _cleanup_(manager_freep) Manager *manager = NULL;
        _cleanup_(error_clear) Error error = {};
        LOG_CONTEXT("CRUXD_INSTANCE=%s", options->instance);

        prepare_process();
        if (options->log_level >= 0)
                log_set_max_level(options->log_level);
        if (manager_new(options, &manager, &error) < 0 || manager_start(manager, &error) < 0) {
                log_struct(LOG_ERR, LOG_FIELDS("MESSAGE_ID=" MESSAGE_START_FAILED), "Failed to start: %s",
                           error_message(&error));
                return EXIT_FAILURE;
        }
        log_info("cruxd %s is ready, instance \"%s\", namespace \"%s\"", version_string(), options->instance,
                 manager->settings.namespace);

        int r = manager_run(manager);
        if (r < 0)
                log_error_errno(r, "Event loop failed: %m");
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_worker(const Options *options, char *argv[]) {
        const char *program = options->worker ?: CRUXD_LIBEXECDIR "/cruxd-worker";

        /* What stands behind the command is the worker's; its name takes the place before. */
        char **arguments = argv + (options->verb_options - (char *const *) argv) - 1;
        arguments[0] = (char *) program;
        execv(program, arguments);
        log_error_errno(errno, "Failed to execute \"%s\": %m", program);
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        _cleanup_(error_clear) Error error = {};
        Options options;

        log_open("cruxd");
        log_set_max_level(CRUXD_LOG_LEVEL);
        if (options_parse(argc, argv, &options, &error) < 0) {
                fprintf(stderr, "cruxd: %s\nTry \"cruxd --help\".\n", error_message(&error));
                return EXIT_USAGE;
        }

        switch (options.verb) {
        case VERB_HELP:
                options_print_help("cruxd");
                return EXIT_SUCCESS;
        case VERB_VERSION:
                printf("%s\n", version_string());
                return EXIT_SUCCESS;
        case VERB_WORKER:
                return run_worker(&options, argv);
        default:
                return run_daemon(&options);
        }
}
