/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "build/lines.h"
#include "build/step.h"
#include "oci/spec.h"
#include "runtime/process.h"

typedef struct Output {
        BuildStage *stage;
        Stream stream; /* of the lines that are being passed on */
        Lines lines[_STREAM_MAX];
        Tail errors;
} Output;

static void pass_line(void *userdata, const char *line, size_t n, bool partial) {
        Output *output = userdata;
        const BuildObserver *observer = output->stage->observer;

        observer->line(observer->userdata, &output->stage->place, output->stream, line, n, partial);
}

static int take_output(void *userdata, Stream stream, const char *data, size_t n, Error *error) {
        Output *output = userdata;

        output->stream = stream;
        if (lines_add(&output->lines[stream], data, n) < 0 ||
            (stream == STREAM_STDERR && tail_add(&output->errors, data, n) < 0))
                return error_oom(error);
        return 0;
}

static void output_clear(Output *output) {
        for (Stream s = 0; s < _STREAM_MAX; s++)
                lines_clear(&output->lines[s]);
        tail_clear(&output->errors);
}

/* An image that sets no PATH gets the usual one, for the command alone: its config stays without. */
static int complete_env(const StepState *state, char ***ret) {
        _cleanup_strv_ char **env = strv_copy(state->env);

        if (!env)
                return -ENOMEM;
        for (char **e = env; *e; e++)
                if (startswith(*e, "PATH=")) {
                        *ret = TAKE_PTR(env);
                        return 0;
                }
        if (env_set(&env, SPEC_DEFAULT_PATH) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(env);
        return 0;
}

static int write_process(const BuildStage *stage, const StepState *state, const char *command, Buffer *ret,
                         Error *error) {
        const char *const args[] = { state->shell, "-c", command, NULL };
        _cleanup_strv_ char **env = NULL;

        if (complete_env(state, &env) < 0)
                return error_oom(error);
        return spec_write_exec(
                stage->spec.data, stage->spec.length,
                &(SpecExec) { .args = (char *const *) args, .env = env, .cwd = state->workdir ?: "/" }, ret,
                error);
}

int step_run(BuildStage *stage, const StepState *state, const char *command, Error *error) {
        _cleanup_(output_clear) Output output = { .stage = stage };
        _cleanup_(buffer_clear) Buffer process = {};
        int exit_code = 0, r;

        for (Stream s = 0; s < _STREAM_MAX; s++)
                output.lines[s] = (Lines) { .line = pass_line, .userdata = &output };

        r = build_stage_container(stage, error);
        if (r >= 0)
                r = write_process(stage, state, command, &process, error);
        if (r < 0)
                return r;
        r = process_run(stage->runtime, stage->container, &process,
                        &(ProcessStdio) { .output = take_output, .userdata = &output }, &exit_code, error);
        for (Stream s = 0; s < _STREAM_MAX; s++) {
                output.stream = s;
                lines_finish(&output.lines[s]);
        }
        if (r < 0)
                return error_prefix(error, r, "command failed");
        if (exit_code == 0)
                return 0;
        _cleanup_free_ char *quoted = tail_to_string(&output.errors);
        return error_set(error, ERROR_COMMAND_FAILED, "command failed: exit code %i: %s", exit_code,
                         strempty(quoted));
}
