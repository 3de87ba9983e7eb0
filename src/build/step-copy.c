/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "build/step.h"
#include "runtime/copy.h"

static int report(void *userdata, const CopyStatistics *so_far) {
        BuildStage *stage = userdata;
        const BuildObserver *observer = stage->observer;

        observer->bytes(observer->userdata, &stage->place, so_far->bytes);
        return ctr_client_is_cancelled(stage->runtime->client) ? -ECANCELED : 0;
}

static char *destination_path(const StepState *state, const Step *step) {
        if (step->copy_destination[0] == '/')
                return strdup(step->copy_destination);
        return format_string("%s/%s", state->workdir, step->copy_destination);
}

/* A source on the client's side, as its path there. */
static char *source_words(const char *root, const char *source) {
        return format_string(endswith(root, "/") ? "%s%s" : "%s/%s", root, source + strspn(source, "/"));
}

/* The source is closed before anything else mounts its upper directory: it is open for this copy alone. */
static int open_stage(const BuildStage *source, int *ret_fd, Error *error) {
        return snapshot_open(&source->mounts, /* read_only= */ true, ret_fd, error);
}

int step_copy(BuildStage *stage, const StageInputs *inputs, const StepState *state, const Step *step,
              const BuildStage *source, Error *error) {
        _cleanup_close_ int source_fd = -EBADF;
        _cleanup_free_ char *path = NULL, *name = NULL;
        int root_fd, r;

        if (step->copy_destination[0] != '/' && !state->workdir)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "copy failed: relative dest \"%s\" requires workdir",
                                 step->copy_destination);
        path = destination_path(state, step);
        name = source ? format_string("%s:%s", step->copy_stage, step->copy_source)
                      : source_words(inputs->root_name, step->copy_source);
        if (!path || !name)
                return error_oom(error);

        r = build_stage_root(stage, &root_fd, error);
        if (r >= 0 && source)
                r = open_stage(source, &source_fd, error);
        if (r < 0)
                return error_prefix(error, r, "copy failed");
        const CopySource from = {
                .root_fd = source ? source_fd : inputs->root_fd,
                .path = step->copy_source,
                .name = name,
                .identity = source ? NULL : inputs->client,
                .keep_owners = source,
                .refuse_devices = !source,
        };
        const CopyDestination to = { .root_fd = root_fd, .path = path, .upper = stage->upper };
        r = copy_tree(&from, &to, report, stage, NULL, error);
        return error_prefix(error, r, "copy failed");
}
