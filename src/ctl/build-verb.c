/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "ctl/build-request.h"
#include "ctl/build-view.h"
#include "ctl/call.h"

static int read_recipe(const char *path, json_object **ret, Error *error) {
        if (!path || streq(path, "-")) {
                if (!path && isatty(STDIN_FILENO))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "there is no recipe: name its file, or give it on standard input");
                return recipe_read(STDIN_FILENO, "standard input", ret, error);
        }
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(error, errno, "%s", path);
        return recipe_read(fd, path, ret, error);
}

static int show_progress(json_object *payload, void *userdata, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};

        if (build_view_add(userdata, payload, &text) < 0)
                return error_oom(error);
        return print_buffer(&text, error);
}

static int show_progress_json(json_object *payload, void *userdata, Error *error) {
        return print_json(payload, error);
}

/* Ends the view in any case, so that a message after it stands in a line of its own. */
static int follow(const Options *options, json_object *payload, json_object **ret, Error *error) {
        BuildView view = { .style = style_of(STDOUT_FILENO) };
        _cleanup_(buffer_clear) Buffer text = {};

        int r = call(options, COMMAND_BUILD, payload, show_progress, &view, ret, error);
        if (build_view_end(&view, &text) >= 0)
                (void) print_buffer(&text, NULL);
        return r;
}

static int tell_end(const Options *options, json_object *reply, uint64_t usec, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        const char *output = "";
        int r;

        r = json_get_string(reply, "output", &output, error);
        if (r < 0)
                return r;
        if (options->quiet)
                r = buffer_printf(&text, "%s\n", output);
        else
                r = buffer_printf(&text, "done after %" PRIu64 ".%" PRIu64 " s, the image is in %s\n",
                                  usec / USEC_PER_SEC, usec % USEC_PER_SEC / (100 * USEC_PER_MSEC), output);
        return r < 0 ? error_oom(error) : print_buffer(&text, error);
}

int verb_build(const Options *options, Error *error) {
        _cleanup_json_ json_object *recipe = NULL, *payload = NULL, *reply = NULL;
        uint64_t started = now_usec(CLOCK_MONOTONIC);
        int r;

        r = read_recipe(options->arguments[0], &recipe, error);
        if (r < 0)
                return r;
        _cleanup_free_ char *directory = getcwd(NULL, 0);
        if (!directory)
                return error_set_errno(error, errno, "the current directory");
        r = build_request_new(options, recipe, directory, !options->quiet, &payload, error);
        if (r < 0)
                return r;

        if (options->json)
                r = call(options, COMMAND_BUILD, payload, show_progress_json, NULL, &reply, error);
        else
                r = follow(options, payload, &reply, error);
        if (r < 0)
                return r;
        return options->json ? print_json(reply, error)
                             : tell_end(options, reply, now_usec(CLOCK_MONOTONIC) - started, error);
}
