/* SPDX-License-Identifier: Apache-2.0 */

/* cruxctl, the people's way to cruxd: see cruxctl(1). */

#include <string.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/version.h"
#include "ctl/exit-status.h"
#include "ctl/options.h"
#include "ctl/terminal.h"

/* "cruxctl: CODE: MESSAGE", in one write. */
static void print_error(const Error *error, bool is_usage) {
        Style style = style_of(STDERR_FILENO);
        _cleanup_(buffer_clear) Buffer text = {};
        const char *message = error_message(error);
        int r;

        r = buffer_printf(&text, "cruxctl: %s", style_colour(&style, COLOUR_RED));
        if (r >= 0 && !is_usage)
                r = buffer_printf(&text, "%s: ", error_code_to_string(error->code));
        if (r >= 0)
                r = append_text(&text, &style, message, strlen(message), /* lines= */ true);
        if (r >= 0)
                r = buffer_printf(&text, "%s\n%s", style_colour(&style, COLOUR_PLAIN),
                                  is_usage ? "Try \"cruxctl --help\".\n" : "");
        if (r >= 0)
                (void) write_all(STDERR_FILENO, text.data, text.length);
}

static int run(const Options *options, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        int r;

        if (!options->help && !options->version)
                return options->verb->run(options, error);
        r = options->help ? options_append_help(&text) : buffer_printf(&text, "%s\n", version_string());
        return r < 0 ? error_oom(error) : print_buffer(&text, error);
}

int main(int argc, char *argv[]) {
        _cleanup_(options_clear) Options options = {};
        _cleanup_(error_clear) Error error = {};
        bool is_usage;
        int r;

        r = options_parse(argc, argv, &options, &error);
        is_usage = r < 0;
        if (r >= 0)
                r = run(&options, &error);
        if (r >= 0)
                return r;
        print_error(&error, is_usage);
        if (options.verb && options.verb->flags & VERB_EXEC)
                return EXIT_TOOL_FAILED;
        return is_usage ? EXIT_USAGE : exit_status_of_error(error.code);
}
