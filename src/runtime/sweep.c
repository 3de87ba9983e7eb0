/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "containerd/leases.h"
#include "runtime/container.h"
#include "runtime/owner.h"
#include "runtime/process.h"
#include "runtime/scope.h"
#include "runtime/snapshot.h"

/* Directories of FIFOs are needed for milliseconds; one this old is nobody's any more. */
#define DIRECTORY_AGE_SEC 60

typedef struct Sweeper {
        Runtime *runtime;
        Sweep done;
        int result; /* the first failure */
        Error error;
        char **snapshots; /* found, to be removed once the walk is over */
} Sweeper;

static void note_failure(Sweeper *s, int r, Error *e, const char *what, const char *name) {
        log_warning("Failed to remove %s %s, going on: %s", what, name, error_message(e));
        if (s->result >= 0) {
                s->result = r;
                error_move(&s->error, e);
                (void) error_prefix(&s->error, r, "%s %s", what, name);
        }
        error_clear(e);
}

static bool is_left_over(const Sweeper *s, const CtrLabels *labels) {
        const char *instance = ctr_labels_get(labels, LABEL_INSTANCE),
                   *owner = ctr_labels_get(labels, LABEL_OWNER);

        return instance && streq(instance, s->runtime->instance) && owner && !owner_is_alive(owner);
}

static void sweep_containers(Sweeper *s) {
        _cleanup_(ctr_containers_clear) CtrContainers containers = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        r = ctr_container_list(s->runtime->client, NULL, &containers, &e);
        if (r < 0)
                note_failure(s, r, &e, "containers of", s->runtime->instance);
        for (size_t i = 0; i < containers.count; i++) {
                const CtrContainer *container = containers.items + i;

                if (!is_left_over(s, &container->labels))
                        continue;
                r = container_destroy(s->runtime, container->id, &e);
                if (r < 0)
                        note_failure(s, r, &e, "container", container->id);
                else
                        s->done.containers++;
        }
}

static int note_snapshot(const CtrSnapshot *snapshot, void *userdata, Error *error) {
        Sweeper *s = userdata;

        if (snapshot->kind != CTR_SNAPSHOT_ACTIVE || !is_left_over(s, &snapshot->labels))
                return 0;
        return strv_extend(&s->snapshots, snapshot->name) < 0 ? error_oom(error) : 0;
}

static void sweep_snapshots(Sweeper *s) {
        _cleanup_(error_clear) Error e = {};
        int r;

        r = ctr_snapshot_walk(s->runtime->client, DEFAULT_SNAPSHOTTER, NULL, note_snapshot, s, &e);
        if (r < 0)
                note_failure(s, r, &e, "snapshots of", s->runtime->instance);
        for (char **key = s->snapshots; key && *key; key++) {
                r = snapshot_remove(s->runtime, *key, &e);
                if (r < 0)
                        note_failure(s, r, &e, "snapshot", *key);
                else
                        s->done.snapshots++;
        }
}

/* Last, so that the garbage collector does not come between: it takes what only a lease held. */
static void sweep_leases(Sweeper *s) {
        _cleanup_(ctr_leases_clear) CtrLeases leases = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        r = ctr_lease_list(s->runtime->client, NULL, &leases, &e);
        if (r < 0)
                note_failure(s, r, &e, "leases of", s->runtime->instance);
        for (size_t i = 0; i < leases.count; i++) {
                if (!is_left_over(s, &leases.items[i].labels))
                        continue;
                r = ctr_lease_delete(s->runtime->client, leases.items[i].id, /* sync= */ true, &e);
                if (r < 0 && r != -ENOENT)
                        note_failure(s, r, &e, "lease", leases.items[i].id);
                else
                        s->done.leases++;
                error_clear(&e);
        }
}

/* A process that is killed between making its FIFOs and having started its command leaves a directory with
 * them. */
static void sweep_directories(Sweeper *s) {
        _cleanup_closedir_ DIR *d = opendir(s->runtime->directory);
        struct dirent *entry;
        struct stat st;

        while (d && (entry = readdir(d))) {
                if (!startswith(entry->d_name, PROCESS_DIRECTORY_PREFIX))
                        continue;
                _cleanup_close_ int fd =
                        openat(dirfd(d), entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &st) < 0 || st.st_mtim.tv_sec > time(NULL) - DIRECTORY_AGE_SEC)
                        continue;
                (void) unlinkat(fd, stream_to_string(STREAM_STDOUT), 0);
                (void) unlinkat(fd, stream_to_string(STREAM_STDERR), 0);
                (void) unlinkat(fd, PROCESS_STDIN_NAME, 0);
                if (unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR) >= 0)
                        s->done.directories++;
        }
}

/* A container that was killed while it was made may leave its scope, which systemd keeps for ever. */
static void sweep_scopes(Sweeper *s) {
        _cleanup_free_ char *prefix = runtime_scope_prefix(s->runtime);

        if (prefix && s->runtime->systemd_cgroup)
                s->done.scopes = scope_stop_empty(prefix);
}

int sweep(Runtime *runtime, Sweep *ret, Error *error) {
        Sweeper s = { .runtime = runtime };

        sweep_containers(&s);
        sweep_snapshots(&s);
        sweep_leases(&s);
        sweep_directories(&s);
        sweep_scopes(&s);
        strv_free(s.snapshots);
        *ret = s.done;
        if (s.result < 0)
                error_move(error, &s.error);
        return s.result;
}
