/* SPDX-License-Identifier: Apache-2.0 */
#include "build/stage.h"

#include <stdio.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "build/base-image.h"
#include "build/plan.h"
#include "config.h"
#include "runtime/container-spec.h"
#include "runtime/container.h"
#include "runtime/root-check.h"
#include "runtime/rootfs.h"

/* Where the containerd of this machine keeps the bundles of its shims. */
#define CONTAINERD_STATE_DIR "/run/containerd/io.containerd.runtime.v2.task"

/* PID 1 of a stage's container, on the tmpfs that the container has on /run: nothing of it comes into the
 * image. */
#define INIT_PATH "/run/cruxd-init"

int build_stage_begin(Runtime *runtime, const StageInputs *inputs, const Stage *stage, BuildStage *ret,
                      Error *error) {
        int r;

        *ret = (BuildStage){
                .runtime = runtime,
                .stage = stage,
                .platform = inputs->platform,
                .observer = inputs->observer,
                .root_fd = -EBADF,
                .place = {
                        .platform = inputs->platform_name,
                        .n_steps = plan_count_steps(stage->steps, stage->n_steps),
                },
        };
        snprintf(ret->number, sizeof(ret->number), "%zu", (size_t) (stage - inputs->recipe->stages) + 1);
        ret->place.stage = stage->name ?: ret->number;
        inputs->observer->step(inputs->observer->userdata, &ret->place, stage->from);

        r = base_image_get(runtime, inputs, stage, &ret->base, error);
        if (r < 0)
                return error_prefix(error, r, "base image \"%s\"", stage->from);
        const ImageConfig *config = &ret->base.image.config;
        if (step_state_init(&ret->state, config->workdir, config->env) < 0)
                return error_oom(error);

        ret->key = runtime_random_name("cruxd-build");
        if (!ret->key)
                return error_oom(error);
        r = snapshot_prepare(runtime, ret->key, &ret->base.chain, /* temporary= */ true, &ret->mounts, error);
        return r < 0 ? r : snapshot_upper(&ret->mounts, &ret->upper, error);
}

int build_stage_root(BuildStage *stage, int *ret_fd, Error *error) {
        if (stage->root_fd < 0) {
                int r = snapshot_open(&stage->mounts, /* read_only= */ false, &stage->root_fd, error);
                if (r < 0)
                        return r;
        }
        *ret_fd = stage->root_fd;
        return 0;
}

/* What the runtime will mount over, as it is before: so that what it makes for that is not taken for a
 * change. */
static int note_mount_points(BuildStage *stage, int root_fd, Error *error) {
        int r = mount_points_note(&stage->mount_points, root_fd, SPEC_RESOLV_CONF, error);

        for (const char *const *path = spec_default_mount_points; *path && r >= 0; path++)
                r = mount_points_note(&stage->mount_points, root_fd, *path, error);
        return r;
}

static int write_spec(BuildStage *stage, int root_fd, Error *error) {
        static const char *const bind_options[] = { "bind", "ro", NULL };
        static const char *const args[] = { INIT_PATH, NULL };
        const SpecMount init = {
                .destination = INIT_PATH,
                .type = "bind",
                .source = CRUXD_LIBEXECDIR "/cruxd-init",
                .options = bind_options,
        };
        _cleanup_(image_user_clear) ImageUser user = {};
        _cleanup_free_ char *slice = build_slice(stage->runtime);
        _cleanup_free_ char *description = format_string("cruxd build, stage %s", stage->place.stage);
        int r;

        if (!slice || !description)
                return error_oom(error);
        r = container_user(stage->base.image.config.user, root_fd, &user, error);
        if (r < 0)
                return r;
        return container_spec_write(stage->runtime,
                                    &(ContainerSpec) {
                                            .id = stage->key,
                                            .slice = slice,
                                            .args = (char *const *) args,
                                            .env = stage->state.env,
                                            .user = &user,
                                            .description = description,
                                            .mounts = &init,
                                            .n_mounts = 1,
                                    },
                                    &stage->spec, error);
}

static int create_container(BuildStage *stage, Error *error) {
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        int r;

        r = runtime_labels(stage->runtime, /* temporary= */ true, &labels, error);
        if (r < 0)
                return r;
        stage->container = strdup(stage->key);
        if (!stage->container)
                return error_oom(error);
        CtrContainer container = {
                .id = stage->container,
                .labels = labels,
                .runtime = (char *) CTR_RUNTIME_RUNC,
                .has_runc_options = true,
                .runc_options = runtime_runc_options(stage->runtime),
                .spec = stage->spec.data,
                .spec_length = stage->spec.length,
                .snapshotter = (char *) DEFAULT_SNAPSHOTTER,
                .snapshot_key = stage->key,
        };
        return ctr_container_create(stage->runtime->client, &container, error);
}

int build_stage_container(BuildStage *stage, Error *error) {
        int root_fd, r;

        if (stage->container)
                return 0;
        r = build_stage_root(stage, &root_fd, error);
        if (r >= 0)
                r = root_check(root_fd, error);
        if (r >= 0)
                r = note_mount_points(stage, root_fd, error);
        if (r >= 0)
                r = write_spec(stage, root_fd, error);
        if (r < 0)
                return r;

        /* The task mounts the same upper directory. */
        stage->root_fd = safe_close(stage->root_fd);
        r = create_container(stage, error);
        if (r >= 0)
                r = task_start(stage->runtime, stage->container, &stage->mounts, &(CtrStdio) {}, error);
        if (r < 0)
                return error_prefix(error, r, "start the stage's container");
        return rootfs_open_running(CONTAINERD_STATE_DIR, ctr_client_get_namespace(stage->runtime->client),
                                   stage->container, &stage->root_fd, error);
}

int build_stage_end(BuildStage *stage, Error *error) {
        CTR_SHIELD();

        stage->root_fd = safe_close(stage->root_fd);
        if (!stage->container)
                return 0;
        int r = task_end(stage->runtime, stage->container, TASK_KILL, NULL, error);
        if (r < 0)
                return error_prefix(error, r, "end the stage's container");

        _cleanup_(error_clear) Error e = {};
        r = ctr_container_delete(stage->runtime->client, stage->container, &e);
        if (r < 0 && r != -ENOENT) {
                error_move(error, &e);
                return error_prefix(error, r, "remove the stage's container");
        }
        stage->container = mfree(stage->container);
        return 0;
}

void build_stage_clear(BuildStage *stage) {
        _cleanup_(error_clear) Error e = {};
        CTR_SHIELD();

        int r = build_stage_end(stage, &e);
        if (r >= 0 && stage->key)
                r = snapshot_remove(stage->runtime, stage->key, &e);
        if (r < 0)
                runtime_unclean(stage->runtime, "what a stage used,", stage->key, &e);

        import_clear(&stage->base);
        free(stage->key);
        ctr_mounts_clear(&stage->mounts);
        free(stage->upper);
        step_state_clear(&stage->state);
        free(stage->container);
        buffer_clear(&stage->spec);
        mount_points_clear(&stage->mount_points);
        *stage = (BuildStage) { .root_fd = -EBADF };
}
