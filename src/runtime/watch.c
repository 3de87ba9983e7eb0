/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/watch.h"

#include <inttypes.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/events.h"
#include "containerd/images.h"
#include "containerd/version.h"
#include "protocol/identifier.h"
#include "runtime/container-exit.h"
#include "runtime/container-lock.h"
#include "runtime/container.h"

/* How soon a container is looked at again that somebody is at work on, or whose shim did not answer: at
 * first, and at most, in microseconds. */
#define AGAIN_FIRST_USEC (50 * USEC_PER_MSEC)
#define AGAIN_MAX_USEC (10 * USEC_PER_SEC)

typedef struct Watch {
        Runtime *runtime;
        const WatchObserver *observer;
        char **again;        /* containers to be looked at again */
        uint64_t again_usec; /* when, CLOCK_MONOTONIC */
        uint64_t pause_usec; /* before the next time */
} Watch;

static int look_again(Watch *w, const char *id, Error *error) {
        if (strv_contains(w->again, id))
                return 0;
        if (!w->again) {
                w->pause_usec = MIN(w->pause_usec ? w->pause_usec * 2 : AGAIN_FIRST_USEC, AGAIN_MAX_USEC);
                w->again_usec = now_usec(CLOCK_MONOTONIC) + w->pause_usec;
        }
        return strv_extend(&w->again, id) < 0 ? error_oom(error) : 0;
}

/* Notes how the task has ended and deletes it, with the container's lock: whoever starts, stops or replaces
 * it just now has his own idea of its end. The labels first: should this process be killed in between, the
 * next watch does it again. */
static int reap_locked(Watch *w, const char *id, Error *error) {
        LOG_CONTEXT("CRUXD_CONTAINER=%s", id);
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_(ctr_process_clear) CtrProcess task = {};
        CtrClient *client = w->runtime->client;
        int r;

        r = ctr_container_get(client, id, &container, error);
        if (r < 0 || !container_is_service(w->runtime, &container.labels))
                return r;
        r = ctr_task_get(client, id, NULL, &task, error);
        if (r < 0 || task.status != CTR_PROCESS_STOPPED)
                return MIN(r, 0);
        const CtrExit end = { .status = task.exit_status, .exited_usec = task.exited_usec };
        /* Cancelled half-way, as task_end() says: and a watch is cancelled whenever the daemon leaves. */
        CTR_SHIELD();
        r = container_note_exit(w->runtime, &container, &end, error);
        if (r < 0)
                return r;
        log_info("Container %s has ended with exit code %" PRIu32, id, end.status);
        r = ctr_task_delete(client, id, NULL, error);
        return r < 0 ? r : 1;
}

/* 1 when it has been done. */
static int reap(Watch *w, const char *id, Error *error) {
        _cleanup_(error_clear) Error e = {};
        _cleanup_close_ int lock = container_try_lock(w->runtime, id, &e);

        int r = lock < 0 ? lock : reap_locked(w, id, &e);
        if (r == -EAGAIN)
                return look_again(w, id, error);
        if (r >= 0 || r == -ENOENT)
                return MAX(r, 0);
        if (e.code == ERROR_UNAVAILABLE || e.code == ERROR_CANCELLED) {
                error_move(error, &e);
                return r;
        }
        log_warning("Failed to remove the ended task of container %s, trying again: %s", id,
                    error_message(&e));
        return look_again(w, id, error);
}

static int tell_container(Watch *w, const CtrContainer *container, const CtrProcess *task, Error *error) {
        _cleanup_free_ char *unit = NULL;
        CtrExit end = {};
        const char *state;

        switch (task->status) {
        case CTR_PROCESS_RUNNING:
        case CTR_PROCESS_PAUSED:
        case CTR_PROCESS_PAUSING:
                state = container_state_to_string(CONTAINER_RUNNING);
                break;
        case CTR_PROCESS_UNKNOWN:
                state = "unknown";
                break;
        default:
                state = container_state_to_string(CONTAINER_STOPPED);
                break;
        }
        if (container->has_runc_options && container->runc_options.systemd_cgroup) {
                unit = runtime_scope(w->runtime, container->id);
                if (!unit)
                        return error_oom(error);
        }
        const bool stopped = streq(state, container_state_to_string(CONTAINER_STOPPED));
        const WatchedContainer watched = {
                .id = container->id,
                .image = strempty(container->image),
                .state = state,
                .created_usec = container->created_usec,
                .pid = stopped ? 0 : task->pid,
                .unit = strempty(unit),
                .has_ended = stopped && container_read_exit(&container->labels, &end),
                .exit_code = end.status,
                .exit_usec = end.exited_usec,
        };
        return w->observer->container(w->observer->userdata, &watched, error);
}

/* The task of a container: one that is not there, or not where containerd can tell, is as one that has ended.
 */
static int get_task(Watch *w, const char *id, CtrProcess *ret, Error *error) {
        _cleanup_(error_clear) Error e = {};

        int r = ctr_task_get(w->runtime->client, id, NULL, ret, &e);
        if (r >= 0)
                return ret->status == CTR_PROCESS_UNKNOWN ? look_again(w, id, error) : 0;
        if (r == -ENOENT) {
                *ret = (CtrProcess) { .status = CTR_PROCESS_CREATED };
                return 0;
        }
        if (e.code == ERROR_UNAVAILABLE || e.code == ERROR_CANCELLED) {
                error_move(error, &e);
                return r;
        }
        log_debug("Cannot tell how the task of container %s is: %s", id, error_message(&e));
        *ret = (CtrProcess) { .status = CTR_PROCESS_UNKNOWN };
        return look_again(w, id, error);
}

static int look_at_container(Watch *w, const char *id, Error *error) {
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_(ctr_process_clear) CtrProcess task = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        r = ctr_container_get(w->runtime->client, id, &container, &e);
        if (r == -ENOENT || (r >= 0 && !container_is_service(w->runtime, &container.labels)))
                return w->observer->container_gone(w->observer->userdata, id, error);
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        r = get_task(w, id, &task, error);
        if (r >= 0 && task.status == CTR_PROCESS_STOPPED)
                r = reap(w, id, error);
        if (r < 0)
                return r;
        /* Its end is told with how it ended. */
        return r > 0 ? look_at_container(w, id, error) : tell_container(w, &container, &task, error);
}

/* Those that no command can name are none of ours, nor is what is only kept for builds. */
static int look_at_image(Watch *w, const CtrImage *image, Error *error) {
        _cleanup_free_ char *ref = NULL, *version = NULL;

        if (ctr_labels_get(&image->labels, LABEL_BASE) || !image_name_split(image->name, &ref, &version))
                return w->observer->image_gone(w->observer->userdata, image->name, error);
        const WatchedImage watched = {
                .name = image->name,
                .digest = strempty(image->target.digest),
                .created_usec = image->created_usec,
        };
        return w->observer->image(w->observer->userdata, &watched, error);
}

static int look_at_image_of_name(Watch *w, const char *name, Error *error) {
        _cleanup_(ctr_image_clear) CtrImage image = {};
        _cleanup_(error_clear) Error e = {};

        int r = ctr_image_get(w->runtime->client, name, &image, &e);
        if (r == -ENOENT)
                return w->observer->image_gone(w->observer->userdata, name, error);
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        return look_at_image(w, &image, error);
}

static int list_all(Watch *w, Error *error) {
        _cleanup_(ctr_containers_clear) CtrContainers containers = {};
        _cleanup_(ctr_images_clear) CtrImages images = {};
        int r;

        r = ctr_image_list(w->runtime->client, NULL, &images, error);
        for (size_t i = 0; r >= 0 && i < images.count; i++)
                r = look_at_image(w, &images.items[i], error);
        if (r >= 0)
                r = ctr_container_list(w->runtime->client, NULL, &containers, error);
        for (size_t i = 0; r >= 0 && i < containers.count; i++)
                if (container_is_service(w->runtime, &containers.items[i].labels))
                        r = look_at_container(w, containers.items[i].id, error);
        return r;
}

static int handle_event(Watch *w, const CtrEvent *event, Error *error) {
        switch (event->type) {
        case CTR_EVENT_TASK_EXIT:
        case CTR_EVENT_TASK_DELETE:
                if (event->exec_id)
                        return 0;
                _fallthrough_;
        case CTR_EVENT_TASK_START:
        case CTR_EVENT_CONTAINER_CREATE:
        case CTR_EVENT_CONTAINER_UPDATE:
        case CTR_EVENT_CONTAINER_DELETE:
                return event->id ? look_at_container(w, event->id, error) : 0;
        case CTR_EVENT_IMAGE_CREATE:
        case CTR_EVENT_IMAGE_UPDATE:
        case CTR_EVENT_IMAGE_DELETE:
                return event->id ? look_at_image_of_name(w, event->id, error) : 0;
        default:
                return 0;
        }
}

static int handle_again(Watch *w, Error *error) {
        _cleanup_strv_ char **again = TAKE_PTR(w->again);
        int r = 0;

        for (char **id = again; r >= 0 && *id; id++)
                r = look_at_container(w, *id, error);
        if (!w->again)
                w->pause_usec = 0;
        return r;
}

static int follow(Watch *w, CtrEvents *events, Error *error) {
        int r;

        for (;;) {
                _cleanup_(ctr_event_clear) CtrEvent event = {};
                const uint64_t now = now_usec(CLOCK_MONOTONIC);

                if (w->again && now >= w->again_usec) {
                        r = handle_again(w, error);
                        if (r < 0)
                                return r;
                        continue;
                }
                r = ctr_events_next(events, w->again ? w->again_usec - now : USEC_INFINITY, &event, error);
                if (r > 0)
                        r = handle_event(w, &event, error);
                if (r < 0)
                        return r;
        }
}

/* What is published in other namespaces, and all day long in a cluster's, wakes nobody here. */
static int subscribe(Watch *w, CtrEvents **ret, Error *error) {
        _cleanup_(ctr_events_freep) CtrEvents *events = NULL;
        _cleanup_free_ char *filter =
                format_string("namespace==\"%s\",topic~=\"^/(containers|images|tasks|cruxd)/\"",
                              ctr_client_get_namespace(w->runtime->client));
        int r;

        if (!filter)
                return error_oom(error);
        r = ctr_events_subscribe(w->runtime->client, (char *[]) { filter, NULL }, &events, error);
        if (r >= 0)
                r = ctr_events_settle(events, error);
        if (r >= 0)
                *ret = TAKE_PTR(events);
        return r;
}

int watch(Runtime *runtime, const WatchObserver *observer, Error *error) {
        _cleanup_(ctr_events_freep) CtrEvents *events = NULL;
        _cleanup_(ctr_version_clear) CtrVersion version = {};
        Watch w = { .runtime = runtime, .observer = observer };
        int r;

        r = ctr_version_get(runtime->client, &version, error);
        if (r >= 0)
                r = subscribe(&w, &events, error);
        if (r >= 0)
                r = list_all(&w, error);
        if (r >= 0) /* whoever waits for this finds everything */
                r = observer->listed(observer->userdata, version.version, error);
        if (r >= 0)
                r = follow(&w, events, error);
        strv_free(w.again);
        return r;
}
