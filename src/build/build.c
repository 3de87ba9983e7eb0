/* SPDX-License-Identifier: Apache-2.0 */
#include "build/build.h"

#include "base/fd-util.h"
#include "base/string-util.h"
#include "build/plan.h"
#include "build/stage-row.h"
#include "oci/reference.h"
#include "runtime/export.h"
#include "runtime/output.h"

typedef struct Build {
        Runtime *runtime;
        const BuildInputs *inputs;
        Plan plan;
        Output *outputs[PLATFORMS_MAX]; /* written, not yet in their places */
        int root_fd;                    /* the client's `root`, to be read */
} Build;

static void build_clear(Build *b) {
        for (size_t i = 0; i < PLATFORMS_MAX; i++)
                output_free(b->outputs[i]);
        safe_close(b->root_fd);
}

/* The name that the archive gives the image: the resource's, where that is one that a container engine takes.
 */
static char *image_name(const char *resource) {
        _cleanup_(reference_clear) Reference reference = {};
        char *name = format_string("%s:latest", resource);

        return name && reference_parse(name, &reference, NULL) >= 0 ? name : mfree(name);
}

static void report_bytes(void *userdata, uint64_t bytes) {
        const BuildStage *stage = userdata;

        stage->observer->bytes(stage->observer->userdata, &stage->place, bytes);
}

static int export_stage(Build *b, BuildStage *stage, int fd, Error *error) {
        _cleanup_free_ char *name = image_name(b->inputs->resource);
        _cleanup_free_ char *created_by = format_string("cruxd build %s", b->inputs->resource);
        const Export export = {
                .name = name,
                .base = &stage->base.image,
                .chain = &stage->base.chain,
                .mounts = &stage->mounts,
                .mount_points = &stage->mount_points,
                .env = stage->state.env,
                .workdir = stage->state.workdir,
                .entrypoint = b->inputs->entrypoint,
                .created_by = created_by,
                .compression = COMPRESSION_GZIP,
                .progress = report_bytes,
                .userdata = stage,
        };

        if (!created_by)
                return error_oom(error);
        stage->place.step = 0;
        stage->observer->step(stage->observer->userdata, &stage->place, "export");
        return image_export(b->runtime, &export, fd, error);
}

/* OUTPUT/image.tar, or OUTPUT/linux-arm64/image.tar where there are several. */
static int open_output(Build *b, const PlatformPlan *platform, Output **ret, Error *error) {
        char subdirectory[PLATFORM_MAX];
        const char *output = b->inputs->output ?: ".";
        _cleanup_free_ char *directory =
                b->plan.n_platforms > 1
                        ? format_string("%s/%s", output,
                                        platform_format_directory(subdirectory, &platform->platform))
                        : strdup(output);

        if (!directory)
                return error_oom(error);
        return output_open(b->inputs->client, b->inputs->output ? -EBADF : b->inputs->output_fd, directory,
                           BUILD_ARCHIVE, /* flags= */ 0, ret, error);
}

static int build_platform(Build *b, size_t i, Error *error) {
        const PlatformPlan *platform = b->plan.platforms + i;
        _cleanup_(stage_row_clear) StageRow row = {};
        const StageInputs inputs = {
                .recipe = b->inputs->recipe,
                .platform = &platform->platform,
                .platform_name = platform->name,
                .client = b->inputs->client,
                .root_fd = b->root_fd,
                .root_name = b->inputs->root ?: ".",
                .observer = b->inputs->observer,
        };
        int r;

        r = stage_row_run(b->runtime, &inputs, &row, error);
        if (r < 0)
                return error_prefix(error, r, "platform %s", platform->name);
        r = open_output(b, platform, &b->outputs[i], error);
        if (r >= 0)
                r = export_stage(b, stage_row_find(&row, platform->output), output_fd(b->outputs[i]), error);
        return error_prefix(error, r, "platform %s: export", platform->name);
}

static int check_path(const char *name, const char *path, Error *error) {
        if (!path || path[0] == '/')
                return 0;
        return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" must be an absolute path: \"%s\"", name,
                         path);
}

/* An fd may be O_PATH, or opened by somebody with more rights than he who gave it. */
static int open_root(Build *b, Error *error) {
        const BuildInputs *inputs = b->inputs;

        b->root_fd = identity_open_directory(inputs->client, inputs->root ? -EBADF : inputs->root_fd,
                                             inputs->root ?: ".", error);
        return error_prefix(error, MIN(b->root_fd, 0), "root");
}

static int build_all(Build *b, Error *error) {
        _cleanup_(runtime_lease_endp) Runtime *leased = NULL;
        int r;

        r = check_path("root", b->inputs->root, error);
        if (r >= 0)
                r = check_path("output", b->inputs->output, error);
        if (r < 0)
                return r;
        r = plan_make(b->inputs->recipe, b->inputs->platforms, &b->plan, error);
        if (r >= 0)
                r = open_root(b, error);
        if (r < 0)
                return r;

        r = runtime_lease_begin(b->runtime, &leased, error);
        for (size_t i = 0; i < b->plan.n_platforms && r >= 0; i++)
                r = build_platform(b, i, error);
        for (size_t i = 0; i < b->plan.n_platforms && r >= 0; i++)
                r = output_commit(b->outputs[i], error);
        return r;
}

int build(Runtime *runtime, const BuildInputs *inputs, Error *error) {
        _cleanup_(build_clear) Build b = { .runtime = runtime, .inputs = inputs, .root_fd = -EBADF };

        int r = build_all(&b, error);
        if (r >= 0)
                return 0;
        if (error && error->code == ERROR_INTERNAL && r != -ENOMEM)
                r = error_recode(error, ERROR_BUILD_FAILED);
        return error_prefix(error, r, "build failed");
}
