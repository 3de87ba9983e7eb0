/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container-prepare.h"

#include "base/fd-util.h"
#include "base/string-util.h"
#include "runtime/container-spec.h"
#include "runtime/image-store.h"
#include "runtime/root-check.h"
#include "runtime/snapshot.h"

char *container_description(const char *id, const char *image_name) {
        return format_string("cruxd container %s (%s)", id, strempty(image_name));
}

/* The spec of a service container: what its image says, and nothing else. */
static int write_spec(Runtime *runtime, const char *id, const char *image_name, const ImageConfig *config,
                      const CtrMounts *mounts, Buffer *ret, Error *error) {
        _cleanup_free_ char *slice = container_slice(runtime);
        _cleanup_free_ char *description = container_description(id, image_name);
        _cleanup_strv_ char **args = image_config_args(config);
        _cleanup_(image_user_clear) ImageUser user = {};
        _cleanup_close_ int root_fd = -EBADF;
        int r;

        if (!slice || !description || !args)
                return error_oom(error);
        if (!args[0])
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "image \"%s\" has neither entrypoint nor command to run", image_name);
        r = snapshot_open(mounts, /* read_only= */ true, &root_fd, error);
        if (r >= 0)
                r = root_check(root_fd, error);
        if (r >= 0)
                r = container_user(config->user, root_fd, &user, error);
        if (r < 0)
                return error_prefix(error, r, "image \"%s\"", image_name);
        return container_spec_write(runtime,
                                    &(ContainerSpec) {
                                            .id = id,
                                            .slice = slice,
                                            .args = args,
                                            .env = config->env,
                                            .cwd = config->workdir,
                                            .user = &user,
                                            .description = description,
                                    },
                                    ret, error);
}

int container_prepare(Runtime *runtime, const char *image_name, const char *id, const char *snapshot_key,
                      CtrContainer *ret, Error *error) {
        _cleanup_(ctr_container_clear) CtrContainer container = { .has_runc_options = true };
        _cleanup_(ctr_mounts_clear) CtrMounts mounts = {};
        _cleanup_(image_clear) Image image = {};
        _cleanup_(buffer_clear) Buffer spec = {};
        Platform platform;
        Digest chain;
        int r;

        platform_host(&platform);
        r = image_store_find(runtime, image_name, &platform, &image, error);
        if (r >= 0)
                r = image_unpack(runtime, &image, &chain, error);
        if (r >= 0)
                r = snapshot_prepare(runtime, snapshot_key, &chain, /* temporary= */ false, &mounts, error);
        if (r >= 0)
                r = write_spec(runtime, id, image_name, &image.config, &mounts, &spec, error);
        if (r >= 0)
                r = runtime_labels(runtime, /* temporary= */ false, &container.labels, error);
        if (r < 0)
                return r;

        CtrRuncOptions options = runtime_runc_options(runtime);
        container.runc_options.systemd_cgroup = options.systemd_cgroup;
        container.spec_length = spec.length;
        container.spec = TAKE_PTR(spec.data);
        if (free_and_strdup(&container.id, id) < 0 || free_and_strdup(&container.image, image_name) < 0 ||
            free_and_strdup(&container.runtime, CTR_RUNTIME_RUNC) < 0 ||
            free_and_strdup(&container.runc_options.binary_name, options.binary_name) < 0 ||
            free_and_strdup(&container.snapshotter, DEFAULT_SNAPSHOTTER) < 0 ||
            free_and_strdup(&container.snapshot_key, snapshot_key) < 0)
                return error_oom(error);
        *ret = container;
        container = (CtrContainer) {};
        return 0;
}
