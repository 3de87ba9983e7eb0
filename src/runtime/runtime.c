/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "containerd/introspection.h"
#include "containerd/leases.h"
#include "containerd/namespaces.h"
#include "containerd/version.h"
#include "oci/digest.h"
#include "runtime/owner.h"

/* crun starts a process several times faster than runc. */
static const char *const crun_paths[] = { "/usr/bin/crun", "/usr/local/bin/crun", "/usr/sbin/crun" };

static const char *find_crun(void) {
        for (size_t i = 0; i < ELEMENTSOF(crun_paths); i++)
                if (access(crun_paths[i], X_OK) >= 0)
                        return crun_paths[i];
        return NULL;
}

int runtime_new(const RuntimeSettings *settings, Runtime **ret, Error *error) {
        _cleanup_(runtime_freep) Runtime *runtime = new0(Runtime, 1);
        _cleanup_free_ char *namespace = NULL;
        const char *instance = settings->instance ?: DEFAULT_INSTANCE;

        if (!runtime)
                return error_oom(error);
        namespace = settings->namespace                 ? strdup(settings->namespace)
                    : streq(instance, DEFAULT_INSTANCE) ? strdup("cruxd")
                                                        : format_string("cruxd-%s", instance);
        if (!namespace || free_and_strdup(&runtime->instance, instance) < 0 ||
            free_and_strdup(&runtime->directory, settings->directory ?: "/run/cruxd") < 0 ||
            free_and_strdup(&runtime->oci_runtime, settings->oci_runtime ?: find_crun()) < 0)
                return error_oom(error);
        runtime->systemd_cgroup = sd_booted() > 0;
        runtime->archive_unpacked_max = settings->archive_unpacked_max;
        runtime->cancelled = settings->cancelled;

        int r = owner_self(&runtime->owner, error);
        if (r < 0)
                return r;
        r = ctr_client_new(settings->address, namespace, &runtime->client, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(runtime);
        return 0;
}

Runtime *runtime_free(Runtime *runtime) {
        if (!runtime)
                return NULL;
        ctr_client_free(runtime->client);
        free(runtime->instance);
        free(runtime->directory);
        free(runtime->oci_runtime);
        free(runtime->content_root);
        free(runtime->owner);
        free(runtime->lease);
        return mfree(runtime);
}

int runtime_ready(Runtime *runtime, Error *error) {
        int r;

        if (runtime->checked)
                return 0;
        r = ctr_version_check(runtime->client, error);
        if (r >= 0)
                r = ctr_namespace_ensure(runtime->client, error);
        if (r < 0)
                return r;
        runtime->checked = true;
        return 0;
}

CtrRuncOptions runtime_runc_options(const Runtime *runtime) {
        return (CtrRuncOptions) { .binary_name = runtime->oci_runtime,
                                  .systemd_cgroup = runtime->systemd_cgroup };
}

char *runtime_cgroups_path(const Runtime *runtime, const char *slice, const char *id) {
        const char *instance = runtime->instance;
        bool named = !streq(instance, DEFAULT_INSTANCE);

        /* The OCI runtime makes "PREFIX-ID.scope" of "SLICE:PREFIX:ID". */
        if (runtime->systemd_cgroup)
                return named ? format_string("%s:cruxd-%s-:%s", slice, instance, id)
                             : format_string("%s:cruxd:%s", slice, id);
        return named ? format_string("/cruxd-%s/%s", instance, id) : format_string("/cruxd/%s", id);
}

char *runtime_scope(const Runtime *runtime, const char *id) {
        _cleanup_free_ char *prefix = runtime_scope_prefix(runtime);

        return prefix ? format_string("%s%s.scope", prefix, id) : NULL;
}

char *runtime_scope_prefix(const Runtime *runtime) {
        return streq(runtime->instance, DEFAULT_INSTANCE) ? strdup("cruxd-")
                                                          : format_string("cruxd-%s--", runtime->instance);
}

/* Where containerd keeps its blobs as files; NULL where it does not say or the directory is not ours to read.
 */
static const char *content_root(Runtime *runtime) {
        _cleanup_(error_clear) Error error = {};

        if (!runtime->content_root_known) {
                if (ctr_introspection_content_root(runtime->client, &runtime->content_root, &error) < 0)
                        log_debug("Cannot tell where containerd keeps its blobs, asking for them instead: %s",
                                  error_message(&error));
                runtime->content_root_known = error.code != ERROR_CANCELLED;
        }
        return runtime->content_root;
}

int runtime_open_blob(Runtime *runtime, const char *digest) {
        const char *root = content_root(runtime), *hex = skip_prefix(digest, DIGEST_PREFIX);
        _cleanup_free_ char *path = root && hex ? format_string("%s/blobs/sha256/%s", root, hex) : NULL;

        int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
        return fd < 0 ? -EBADF : fd;
}

char *runtime_random_name(const char *prefix) {
        uint64_t random;

        /* Never short for so few bytes, and never interrupted once the kernel's pool is there: getrandom(2).
         */
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return NULL;
        return format_string("%s-%016" PRIx64, prefix, random);
}

void runtime_unclean(Runtime *runtime, const char *what, const char *name, const Error *error) {
        log_warning("Failed to remove %s %s, leaving it to be swept: %s", what, name, error_message(error));
        runtime->unclean = true;
}

int runtime_labels(const Runtime *runtime, bool temporary, CtrLabels *ret, Error *error) {
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};

        if (ctr_labels_set(&labels, LABEL_INSTANCE, runtime->instance) < 0 ||
            (temporary && ctr_labels_set(&labels, LABEL_OWNER, runtime->owner) < 0))
                return error_oom(error);
        *ret = labels;
        labels = (CtrLabels) {};
        return 0;
}

int runtime_lease_begin(Runtime *runtime, Runtime **ret, Error *error) {
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        _cleanup_free_ char *id = runtime_random_name("cruxd");
        int r;

        if (!id)
                return error_oom(error);
        r = runtime_labels(runtime, /* temporary= */ true, &labels, error);
        if (r < 0)
                return r;
        r = ctr_lease_create(runtime->client, id, LEASE_EXPIRE_USEC, &labels, error);
        if (r < 0)
                return r;
        runtime->lease = TAKE_PTR(id);
        *ret = runtime;
        r = ctr_client_set_lease(runtime->client, runtime->lease);
        return r < 0 ? error_oom(error) : 0;
}

void runtime_lease_end(Runtime *runtime) {
        _cleanup_(error_clear) Error error = {};
        CTR_SHIELD();

        (void) ctr_client_set_lease(runtime->client, NULL);
        if (ctr_lease_delete(runtime->client, runtime->lease, /* sync= */ false, &error) < 0 &&
            error.code != ERROR_NOT_FOUND)
                runtime_unclean(runtime, "lease", runtime->lease, &error);
        runtime->lease = mfree(runtime->lease);
}
