/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container-spec.h"

#include "base/string-util.h"
#include "protocol/bus-text.h"
#include "runtime/rootfs.h"

/* A scope whose processes ignore SIGTERM, as a PID 1 without handlers does, would hold up the stop of its
 * slice for DefaultTimeoutStopSec; a second is enough for those that do not. GVariant text, as runc and crun
 * parse it. */
#define SCOPE_STOP_TIMEOUT "uint64 1000000"

char *container_slice(const Runtime *runtime) {
        return format_string("cruxd-%s.slice", runtime->instance);
}

char *build_slice(const Runtime *runtime) {
        return format_string("cruxd-%s-build.slice", runtime->instance);
}

/* An image without the file has no users or groups; one whose file cannot be read is broken. */
static int read_user_file(int root_fd, const char *path, Buffer *ret, Error *error) {
        _cleanup_(error_clear) Error e = {};

        int r = rootfs_read_file(root_fd, path, USER_FILE_MAX, ret, &e);
        if (r >= 0 || r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r == -EFBIG)
                return error_set(error, ERROR_INVALID_ARGUMENT, "image: %s is larger than %llu bytes", path,
                                 (unsigned long long) USER_FILE_MAX);
        error_move(error, &e);
        return error_prefix(error, r, "image");
}

int container_user(const char *user, int root_fd, ImageUser *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer passwd = {}, group = {};
        int r;

        r = read_user_file(root_fd, "/etc/passwd", &passwd, error);
        if (r >= 0)
                r = read_user_file(root_fd, "/etc/group", &group, error);
        if (r < 0)
                return r;
        return image_user_resolve(user, passwd.data, passwd.length, group.data, group.length, ret, error);
}

/* A string in GVariant text format. */
static char *quote(const char *s) {
        _cleanup_(buffer_clear) Buffer b = {};
        int r = buffer_append_string(&b, "'");

        for (; *s && r >= 0; s++) {
                if (*s == '\'' || *s == '\\')
                        r = buffer_append_string(&b, "\\");
                if (r >= 0)
                        r = buffer_append(&b, s, 1);
        }
        if (r >= 0)
                r = buffer_append(&b, "'", 2);
        return r < 0 ? NULL : TAKE_PTR(b.data);
}

int container_spec_write(const Runtime *runtime, const ContainerSpec *spec, Buffer *ret, Error *error) {
        _cleanup_free_ char *cgroups_path = runtime_cgroups_path(runtime, spec->slice, spec->id);
        _cleanup_free_ char *copy = NULL;
        const char *text = bus_text(spec->description, &copy); /* the OCI runtime tells systemd by sd-bus */
        _cleanup_free_ char *description = text ? quote(text) : NULL;

        if (!cgroups_path || !description)
                return error_oom(error);
        const SpecAnnotation annotations[] = {
                { "org.systemd.property.TimeoutStopUSec", SCOPE_STOP_TIMEOUT },
                { "org.systemd.property.Description", description },
        };
        const SpecInputs inputs = {
                .args = spec->args,
                .env = spec->env,
                .cwd = spec->cwd,
                .user = spec->user,
                .cgroups_path = cgroups_path,
                .mounts = spec->mounts,
                .n_mounts = spec->n_mounts,
                .annotations = annotations,
                .n_annotations = runtime->systemd_cgroup ? ELEMENTSOF(annotations) : 0,
        };
        return spec_write(&inputs, ret, error);
}
