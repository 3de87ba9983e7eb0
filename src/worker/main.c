/* SPDX-License-Identifier: Apache-2.0 */

/* cruxd-worker: carries commands out, one after another, as the broker sends them. */

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/string-util.h"
#include "config.h"
#include "worker/cancel.h"
#include "worker/handlers.h"

static int reply_with(int fd, json_object *payload, const Error *e) {
        _cleanup_(buffer_clear) Buffer line = {};

        int r = e ? reply_write_error(e, &line) : reply_write(REPLY_OK, payload, &line);
        return r < 0 ? r : write_all(fd, line.data, line.length);
}

/* One command from request to reply. A negative value is of the connection. */
static int work(Runtime *runtime, const ChannelRequest *request, int reply_fd, bool *ret_ok) {
        const Payload *payload = &request->request.payload;
        _cleanup_(error_clear) Error error = {};
        Work w = { .runtime = runtime, .request = request, .reply_fd = reply_fd };
        LOG_CONTEXT("CRUXD_COMMAND=%s", command_to_string(request->request.command));
        LOG_CONTEXT("CRUXD_CLIENT_UID=%u", request->uid);
        LOG_CONTEXT_FIELD("CRUXD_JOB", request->job);
        LOG_CONTEXT_FIELD("CRUXD_RESOURCE", payload->resource ?: payload->image);
        LOG_CONTEXT_FIELD("CRUXD_CONTAINER", payload->id);

        int r = handle(&w, &error);
        _cleanup_json_ json_object *reply = w.payload;
        *ret_ok = r >= 0;
        if (w.replied)
                return r;
        if (r < 0 && *cancel_flag)
                (void) error_recode(&error, ERROR_CANCELLED);
        return reply_with(reply_fd, reply, r < 0 ? &error : NULL);
}

/* Requests from the broker until it closes the connection. */
static int serve(Runtime *runtime, int fd) {
        ctr_client_prepare(runtime->client);
        for (;;) {
                _cleanup_(channel_request_clear) ChannelRequest request = {};
                _cleanup_(error_clear) Error error = {};
                bool ok;

                int r = channel_receive(fd, &request, &error);
                if (r == -EBADMSG)
                        r = reply_with(fd, NULL, &error);
                else if (r > 0) {
                        r = work(runtime, &request, fd, &ok);
                        cancel_reset(runtime->client);
                } else if (r == 0)
                        return EXIT_SUCCESS;
                if (runtime->unclean)
                        return CHANNEL_EXIT_UNCLEAN;
                if (r < 0) {
                        log_error("Lost the connection to the broker: %s",
                                  error_is_set(&error) ? error_message(&error) : errno_words(r));
                        return EXIT_FAILURE;
                }
        }
}

/* One request from stdin, for people and tests. */
static int serve_plain(Runtime *runtime) {
        _cleanup_(channel_request_clear) ChannelRequest request = {};
        _cleanup_(error_clear) Error error = {};
        bool ok = false;

        if (channel_read_plain(STDIN_FILENO, &request, &error) < 0)
                (void) reply_with(STDOUT_FILENO, NULL, &error);
        else if (work(runtime, &request, STDOUT_FILENO, &ok) < 0)
                ok = false;
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_socket(int fd) {
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISSOCK(st.st_mode);
}

static void usage(FILE *f) {
        fputs("usage: cruxd-worker [OPTION…] [<REQUEST]\n\n"
              "Carries out commands of the cruxd protocol: those that the broker sends over fd 3, or without "
              "that\n"
              "one that it reads from standard input.\n\n"
              "  --containerd-address=PATH  containerd's socket\n"
              "  --namespace=NAME           namespace in containerd\n"
              "  --instance=NAME            instance that it works for\n"
              "  --archive-unpacked-max=BYTES\n"
              "                             what a compressed archive may unpack to\n"
              "  --log-level=LEVEL          err, warning, notice, info or debug\n",
              f);
}

/* 0 to go on, 1 when the program is done. */
static int parse_arguments(int argc, char *argv[], RuntimeSettings *settings) {
        enum {
                OPTION_ADDRESS = 256,
                OPTION_NAMESPACE,
                OPTION_INSTANCE,
                OPTION_ARCHIVE_MAX,
                OPTION_LOG_LEVEL
        };
        static const struct option options[] = {
                { "containerd-address", required_argument, NULL, OPTION_ADDRESS },
                { "namespace", required_argument, NULL, OPTION_NAMESPACE },
                { "instance", required_argument, NULL, OPTION_INSTANCE },
                { "archive-unpacked-max", required_argument, NULL, OPTION_ARCHIVE_MAX },
                { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        int c, level;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case OPTION_ADDRESS:
                        settings->address = optarg;
                        break;
                case OPTION_NAMESPACE:
                        settings->namespace = optarg;
                        break;
                case OPTION_INSTANCE:
                        settings->instance = optarg;
                        break;
                case OPTION_ARCHIVE_MAX:
                        if (parse_uint64(optarg, &settings->archive_unpacked_max) < 0) {
                                log_error("\"%s\" is no number of bytes", optarg);
                                return -EINVAL;
                        }
                        break;
                case OPTION_LOG_LEVEL:
                        level = log_level_from_string(optarg);
                        if (level < 0) {
                                log_error("\"%s\" is no log level", optarg);
                                return -EINVAL;
                        }
                        log_set_max_level(level);
                        break;
                case 'h':
                        usage(stdout);
                        return 1;
                default:
                        usage(stderr);
                        return -EINVAL;
                }
        if (optind < argc) {
                usage(stderr);
                return -EINVAL;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(error_clear) Error error = {};
        RuntimeSettings settings = { .directory = getenv("RUNTIME_DIRECTORY"), .cancelled = cancel_flag };
        static Runtime *runtime; /* never freed: see the end */
        const bool serves = is_socket(CHANNEL_FD);
        int r;

        log_open("cruxd");
        log_set_max_level(CRUXD_LOG_LEVEL);
        r = parse_arguments(argc, argv, &settings);
        if (r != 0)
                return r < 0 ? 2 : EXIT_SUCCESS;

        r = cancel_block_signals(&error);
        if (r >= 0)
                r = runtime_new(&settings, &runtime, &error);
        if (r >= 0)
                r = cancel_start(runtime->client, /* with_parent= */ serves, &error);
        if (r < 0) {
                log_error("Failed to start: %s", error_message(&error));
                return EXIT_FAILURE;
        }
        LOG_CONTEXT("CRUXD_INSTANCE=%s", runtime->instance);
        int status = serves ? serve(runtime, CHANNEL_FD) : serve_plain(runtime);

        /* The signal thread uses the client to the end, and the end of the process frees it. */
        return status;
}
