/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "config.h"
#include "containerd/images.h"
#include "containerd/leases.h"
#include "oci/spec.h"
#include "runtime/container-exit.h"
#include "runtime/container-lock.h"
#include "runtime/container-prepare.h"
#include "runtime/root-check.h"
#include "runtime/scope.h"
#include "runtime/snapshot.h"

/* Who finds that another has just made the container or its task looks again, so often. */
#define START_TRIES 3U

const char *container_state_to_string(ContainerState state) {
        switch (state) {
        case CONTAINER_RUNNING:
                return "running";
        case CONTAINER_STOPPED:
                return "stopped";
        default:
                return "not created";
        }
}

/* 1 when the container is there, 0 when it is not. */
static int find_container(Runtime *runtime, const char *id, CtrContainer *ret, Error *error) {
        _cleanup_(error_clear) Error e = {};

        int r = ctr_container_get(runtime->client, id, ret, &e);
        if (r >= 0)
                return 1;
        if (r == -ENOENT)
                return 0;
        error_move(error, &e);
        return r;
}

static int require_container(Runtime *runtime, const char *id, CtrContainer *ret, Error *error) {
        int r = find_container(runtime, id, ret, error);

        if (r == 0)
                return error_set(error, ERROR_NOT_FOUND, "container \"%s\" in namespace \"%s\": not found",
                                 id, ctr_client_get_namespace(runtime->client));
        return r;
}

/* One call where the container runs, which is what is asked most: containerd knows no task without its
 * container. */
int container_get_state(Runtime *runtime, const char *id, ContainerState *ret, Error *error) {
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        TaskState task;
        int r;

        r = task_get_state(runtime, id, &task, NULL, error);
        if (r < 0)
                return r;
        if (task == TASK_RUNNING) {
                *ret = CONTAINER_RUNNING;
                return 0;
        }
        if (task == TASK_ABSENT) {
                r = find_container(runtime, id, &container, error);
                if (r < 0)
                        return r;
                if (r == 0) {
                        *ret = CONTAINER_NOT_CREATED;
                        return 0;
                }
        }
        *ret = CONTAINER_STOPPED;
        return 0;
}

static void describe_scope(const Runtime *runtime, const CtrContainer *container) {
        _cleanup_free_ char *unit = runtime_scope(runtime, container->id);
        _cleanup_free_ char *description = container_description(container->id, container->image);

        if (unit && description && runtime->systemd_cgroup)
                scope_describe(unit, description);
}

int container_start_task(Runtime *runtime, const CtrContainer *container, Error *error) {
        _cleanup_(ctr_mounts_clear) CtrMounts mounts = {};
        _cleanup_free_ char *logger =
                format_string("binary://" CRUXD_LIBEXECDIR "/cruxd-log?instance=%s", runtime->instance);
        int r;

        if (!logger)
                return error_oom(error);
        r = snapshot_mounts(runtime, container->snapshot_key, &mounts, error);
        if (r < 0)
                return r;
        r = task_start(runtime, container->id, &mounts, &(CtrStdio) { .out = logger, .err = logger }, error);
        if (r >= 0)
                describe_scope(runtime, container);
        return r;
}

/* Undoes what was made for something that failed. */
static void remove_snapshot(Runtime *runtime, const char *key) {
        _cleanup_(error_clear) Error e = {};
        CTR_SHIELD();

        if (snapshot_remove(runtime, key, &e) < 0)
                runtime_unclean(runtime, "snapshot", key, &e);
}

/* Whether the call that should make it failed or not: the container is there when it names this snapshot,
 * which no other one does. */
static int remove_container_of(Runtime *runtime, const char *id, const char *key) {
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_(error_clear) Error e = {};
        CTR_SHIELD();

        int r = find_container(runtime, id, &container, &e);
        if (r > 0 && streq(strempty(container.snapshot_key), key)) {
                r = ctr_container_delete(runtime->client, id, &e);
                if (r == -ENOENT)
                        return 0;
        }
        if (r < 0)
                runtime_unclean(runtime, "container", id, &e);
        return r;
}

/* Every try has a snapshot of its own, so that two who start the same container cannot harm one another: one
 * of them gets the id, the other one -EEXIST. */
static int create_and_start(Runtime *runtime, const char *image_name, const char *id, Error *error) {
        _cleanup_(runtime_lease_endp) Runtime *leased = NULL;
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_free_ char *key = runtime_random_name(id);
        bool created = false; /* or it cannot be told */
        int r;

        if (!key)
                return error_oom(error);
        r = runtime_lease_begin(runtime, &leased, error);
        if (r < 0)
                return r;
        r = container_prepare(runtime, image_name, id, key, &container, error);
        if (r >= 0) {
                /* Cancelled, containerd may go on with it when this is over. */
                CTR_SHIELD();
                r = ctr_container_create(runtime->client, &container, error);
                created = r != -EEXIST;
        }
        if (r >= 0)
                r = container_start_task(runtime, &container, error);
        if (r >= 0)
                return 0;

        /* A container that stays keeps its snapshot: it could never be started without. */
        if (!created || remove_container_of(runtime, id, key) >= 0)
                remove_snapshot(runtime, key);
        return r;
}

/* What ran in it before may have left anything in the places that matter. */
static int check_snapshot(Runtime *runtime, const char *key, Error *error) {
        _cleanup_(ctr_mounts_clear) CtrMounts mounts = {};
        _cleanup_close_ int root_fd = -EBADF;
        int r;

        r = snapshot_mounts(runtime, key, &mounts, error);
        if (r == -ENOENT) {
                error_clear(error);
                return error_set(error, ERROR_NOT_FOUND,
                                 "its snapshot \"%s\" is gone, it can only be destroyed or updated", key);
        }
        if (r >= 0)
                r = snapshot_open(&mounts, /* read_only= */ true, &root_fd, error);
        return r < 0 ? r : root_check(root_fd, error);
}

static int start_existing(Runtime *runtime, const CtrContainer *container, Error *error) {
        TaskState state;
        CtrExit end;
        bool ended = false;
        int r;

        r = task_get_state(runtime, container->id, &state, NULL, error);
        if (r < 0 || state == TASK_RUNNING)
                return r;
        if (state != TASK_ABSENT) {
                r = task_end(runtime, container->id, TASK_KILL, &end, error);
                if (r < 0)
                        return r;
                ended = r > 0 && state == TASK_STOPPED;
        }
        r = check_snapshot(runtime, container->snapshot_key, error);
        if (r < 0)
                (void) error_prefix(error, r, "container \"%s\"", container->id);
        else
                r = container_start_task(runtime, container, error);
        if (r >= 0)
                container_forget_exit(runtime, container);
        else if (ended) /* by itself, and stopped it stays */
                container_note_end(runtime, container->id, &end);
        return r;
}

int container_start(Runtime *runtime, const char *image_name, const char *id, Error *error) {
        _cleanup_close_ int lock = container_lock(runtime, id, error);
        int r = lock;

        for (unsigned tries = 0; lock >= 0 && tries < START_TRIES; tries++) {
                _cleanup_(ctr_container_clear) CtrContainer container = {};

                error_clear(error);
                r = find_container(runtime, id, &container, error);
                if (r < 0)
                        return r;
                r = r > 0 ? start_existing(runtime, &container, error)
                          : create_and_start(runtime, image_name, id, error);
                if (r != -EEXIST)
                        return r;
        }
        return r;
}

int container_stop(Runtime *runtime, const char *id, Error *error) {
        _cleanup_close_ int lock = container_lock(runtime, id, error);
        CtrExit end;
        int r;

        if (lock < 0)
                return lock;
        r = task_end(runtime, id, TASK_STOP, &end, error);
        if (r > 0)
                container_note_end(runtime, id, &end);
        return MIN(r, 0);
}

/* Whichever image it is of, or only while it is of this one. */
static int destroy(Runtime *runtime, const char *id, const char *image_name, Error *error) {
        _cleanup_close_ int lock = container_lock(runtime, id, error);
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        if (lock < 0)
                return lock;
        r = find_container(runtime, id, &container, error);
        if (r < 0)
                return r;
        bool exists = r > 0;
        if (image_name && (!exists || !streq(strempty(container.image), image_name)))
                return 0;
        r = task_end(runtime, id, TASK_KILL, NULL, error);
        if (r < 0 || !exists)
                return MIN(r, 0);
        r = ctr_container_delete(runtime->client, id, &e);
        if (r < 0 && r != -ENOENT) {
                error_move(error, &e);
                return r;
        }
        return isempty(container.snapshot_key) ? 0 : snapshot_remove(runtime, container.snapshot_key, error);
}

int container_destroy(Runtime *runtime, const char *id, Error *error) {
        return destroy(runtime, id, /* image_name= */ NULL, error);
}

int container_exec(Runtime *runtime, const char *id, char *const *command, const ProcessStdio *stdio,
                   int *ret_exit_code, Error *error) {
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_(buffer_clear) Buffer process = {};
        TaskState state;
        int r;

        r = require_container(runtime, id, &container, error);
        if (r < 0)
                return r;
        r = task_get_state(runtime, id, &state, NULL, error);
        if (r < 0)
                return r;
        if (state != TASK_RUNNING)
                return error_set(error, ERROR_NOT_RUNNING, "no running task found: task %s not found", id);
        r = spec_write_exec(container.spec, container.spec_length, &(SpecExec) { .args = command }, &process,
                            error);
        if (r < 0)
                return r;
        return process_run(runtime, id, &process, stdio, ret_exit_code, error);
}

/* What there was of a container before its update. */
typedef struct Former {
        CtrContainer container;
        TaskState state;
        CtrExit end; /* of its task, where it has ended */
        bool ended;
} Former;

static void former_clear(Former *former) {
        ctr_container_clear(&former->container);
}

/* The container as it was, and its task when it had one. */
static void roll_back(Runtime *runtime, const Former *former, const CtrContainer *new) {
        const CtrContainer *old = &former->container;
        const bool was_running = former->state == TASK_RUNNING;
        _cleanup_(error_clear) Error e = {};
        CTR_SHIELD();

        int r = ctr_container_update(runtime->client, old,
                                     CTR_CONTAINER_IMAGE | CTR_CONTAINER_SPEC | CTR_CONTAINER_SNAPSHOT_KEY,
                                     &e);
        if (r >= 0)
                remove_snapshot(runtime, new->snapshot_key);
        if (r >= 0 && was_running)
                r = start_existing(runtime, old, &e);
        if (r < 0)
                log_error("Failed to bring back container %s after its update failed: %s", old->id,
                          error_message(&e));
        if (former->ended && (r < 0 || !was_running))
                container_note_end(runtime, old->id, &former->end);
}

/* The new container in the old one's place. */
static int replace(Runtime *runtime, Former *former, const CtrContainer *new, Error *error) {
        const CtrContainer *old = &former->container;
        int r;

        /* As soon as the container names another one, only the lease keeps its snapshot from the garbage
         * collector. */
        if (!isempty(old->snapshot_key)) {
                r = ctr_lease_add_resource(runtime->client, runtime->lease, "snapshots/" DEFAULT_SNAPSHOTTER,
                                           old->snapshot_key, error);
                if (r < 0)
                        return r;
        }
        {
                /* Half ended is no state to come back from. */
                CTR_SHIELD();
                r = task_end(runtime, old->id, TASK_STOP, &former->end, error);
                former->ended = r > 0 && former->state != TASK_CREATED;
        }
        if (r >= 0)
                r = ctr_container_update(
                        runtime->client, new,
                        CTR_CONTAINER_IMAGE | CTR_CONTAINER_SPEC | CTR_CONTAINER_SNAPSHOT_KEY, error);
        return r < 0 ? r : container_start_task(runtime, new, error);
}

int container_update(Runtime *runtime, const char *image_name, const char *id, Error *error) {
        _cleanup_close_ int lock = container_lock(runtime, id, error);
        _cleanup_(runtime_lease_endp) Runtime *leased = NULL;
        _cleanup_(former_clear) Former former = {};
        _cleanup_(ctr_container_clear) CtrContainer new = {};
        _cleanup_free_ char *key = runtime_random_name(id);
        int r;

        if (lock < 0)
                return lock;
        if (!key)
                return error_oom(error);
        r = require_container(runtime, id, &former.container, error);
        if (r >= 0)
                r = task_get_state(runtime, id, &former.state, NULL, error);
        if (r >= 0)
                r = runtime_lease_begin(runtime, &leased, error);
        if (r < 0)
                return r;
        r = container_prepare(runtime, image_name, id, key, &new, error);
        if (r < 0) {
                remove_snapshot(runtime, key);
                return r;
        }

        r = replace(runtime, &former, &new, error);
        if (r < 0) {
                roll_back(runtime, &former, &new);
                return r;
        }
        container_forget_exit(runtime, &former.container); /* its labels are the container's still */
        if (!isempty(former.container.snapshot_key))
                remove_snapshot(runtime, former.container.snapshot_key);
        return 0;
}

int image_destroy(Runtime *runtime, const char *image_name, Error *error) {
        _cleanup_(ctr_containers_clear) CtrContainers containers = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        r = ctr_container_list(runtime->client, NULL, &containers, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < containers.count; i++) {
                if (!streq(strempty(containers.items[i].image), image_name))
                        continue;
                /* Until its lock is ours it may be updated to another one. */
                r = destroy(runtime, containers.items[i].id, image_name, error);
                if (r < 0)
                        return error_prefix(error, r, "container \"%s\"", containers.items[i].id);
        }
        r = ctr_image_delete(runtime->client, image_name, /* sync= */ true, &e);
        if (r < 0 && r != -ENOENT) {
                error_move(error, &e);
                return r;
        }
        return 0;
}
