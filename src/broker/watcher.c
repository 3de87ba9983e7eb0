/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/watcher.h"

#include <string.h>

#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/container-bus.h"
#include "broker/image-bus.h"
#include "broker/manager.h"
#include "protocol/envelope.h"

/* Pause before another watch. Each waits for containerd by itself for some seconds. */
#define RETRY_FIRST_USEC (200 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * USEC_PER_SEC)

/* How long the bus name waits for the first list, so that whoever is answered first sees all. */
#define PATIENCE_USEC (3 * USEC_PER_SEC)

static void watcher_run(Watcher *watcher);

void watcher_init(Watcher *watcher, Manager *manager) {
        *watcher = (Watcher) { .manager = manager, .retry_usec = RETRY_FIRST_USEC };
}

static void disarm(Watcher *watcher) {
        watcher->start_source = sd_event_source_disable_unref(watcher->start_source);
        watcher->retry_timer = sd_event_source_disable_unref(watcher->retry_timer);
        watcher->patience_timer = sd_event_source_disable_unref(watcher->patience_timer);
}

void watcher_clear(Watcher *watcher) {
        disarm(watcher);
        for (size_t i = 0; i < watcher->containers.count; i++)
                container_free((Container *) watcher->containers.items[i]);
        for (size_t i = 0; i < watcher->images.count; i++)
                image_free((Image *) watcher->images.items[i]);
        object_table_clear(&watcher->containers);
        object_table_clear(&watcher->images);
        free(watcher->version);
        *watcher = (Watcher) {};
}

/* ---- what is known ------------------------------------------------------------------------------------- */

Container *watcher_find_container(const Watcher *watcher, const char *id) {
        return (Container *) object_table_find(&watcher->containers, id);
}

Image *watcher_find_image(const Watcher *watcher, const char *name) {
        return (Image *) object_table_find(&watcher->images, name);
}

int watcher_check(const Watcher *watcher, Error *error) {
        return watcher->listed ? 0
                               : error_set(error, ERROR_UNAVAILABLE,
                                           "containerd at %s has not told yet what there is",
                                           watcher->manager->settings.containerd_address);
}

static int add(Watcher *watcher, ObjectTable *table, Object *object, size_t max, Error *error) {
        int r = object_table_add(table, object, max);

        if (r == -ENOMEM)
                return error_oom(error);
        if (r < 0 && !watcher->full) {
                watcher->full = true;
                log_warning("There are more than %zu containers or images: the rest is not shown on the bus",
                            max);
        }
        return r < 0 ? 0 : 1;
}

static int take_container(Watcher *watcher, json_object *json, Error *error) {
        _cleanup_(container_freep) Container *newer = NULL;
        int r;

        r = container_read(json, &newer, error);
        if (r < 0)
                return r;
        Container *known = watcher_find_container(watcher, newer->object.name);
        if (known) {
                known->object.seen_run = watcher->run;
                unsigned changes = container_take(known, newer);
                if (changes != 0)
                        container_bus_changed(known, changes);
                return 0;
        }
        newer->manager = watcher->manager;
        newer->object.seen_run = watcher->run;
        r = add(watcher, &watcher->containers, &newer->object, CONTAINERS_MAX, error);
        if (r > 0)
                container_bus_added(TAKE_PTR(newer));
        return r;
}

static void drop_container(Watcher *watcher, Container *container) {
        if (!container)
                return;
        container_bus_removed(container); /* which looks for it */
        object_table_remove(&watcher->containers, &container->object);
        container_free(container);
}

static int take_image(Watcher *watcher, json_object *json, Error *error) {
        _cleanup_(image_freep) Image *newer = NULL;
        int r;

        r = image_read(json, &newer, error);
        if (r < 0)
                return r;
        Image *known = watcher_find_image(watcher, newer->object.name);
        if (known) {
                known->object.seen_run = watcher->run;
                unsigned changes = image_take(known, newer);
                if (changes != 0)
                        image_bus_changed(known, changes);
                return 0;
        }
        newer->manager = watcher->manager;
        newer->object.seen_run = watcher->run;
        r = add(watcher, &watcher->images, &newer->object, IMAGES_MAX, error);
        if (r > 0)
                image_bus_added(TAKE_PTR(newer));
        return r;
}

static void drop_image(Watcher *watcher, Image *image) {
        if (!image)
                return;
        image_bus_removed(image);
        object_table_remove(&watcher->images, &image->object);
        image_free(image);
}

/* What this watch has not told of went while nobody watched. */
static void drop_unseen(Watcher *watcher) {
        for (size_t i = watcher->containers.count; i-- > 0;)
                if (watcher->containers.items[i]->seen_run != watcher->run)
                        drop_container(watcher, (Container *) watcher->containers.items[i]);
        for (size_t i = watcher->images.count; i-- > 0;)
                if (watcher->images.items[i]->seen_run != watcher->run)
                        drop_image(watcher, (Image *) watcher->images.items[i]);
}

static void set_ready(Watcher *watcher) {
        watcher->patience_timer = sd_event_source_disable_unref(watcher->patience_timer);
        if (watcher->ready)
                return;
        watcher->ready = true;
        bus_request_name(&watcher->manager->bus);
}

static int set_reachable(Watcher *watcher, bool reachable, const char *version) {
        bool changed =
                watcher->reachable != reachable || !streq(strempty(watcher->version), strempty(version));

        if (free_and_strdup(&watcher->version, version) < 0)
                return -ENOMEM;
        watcher->reachable = reachable;
        if (changed)
                manager_bus_containerd_changed(&watcher->manager->bus);
        return 0;
}

static int set_listed(Watcher *watcher, const char *version) {
        drop_unseen(watcher);
        log_debug("Watching containerd %s: %zu containers, %zu images", version, watcher->containers.count,
                  watcher->images.count);
        if (watcher->complained)
                log_info("Watching containers and images again");
        watcher->complained = false;
        watcher->listed = true;
        watcher->retry_usec = RETRY_FIRST_USEC;
        int r = set_reachable(watcher, true, version);
        set_ready(watcher);
        return r;
}

int watcher_take_line(Watcher *watcher, const char *line, size_t length, Error *error) {
        _cleanup_json_ json_object *payload = NULL;
        json_object *object = NULL;
        const char *word = NULL;
        int r;

        r = reply_decode(line, length, &payload, NULL, error);
        if (r < 0)
                return r;
        if ((r = json_get_object(payload, "container", &object, error)) != 0)
                return r < 0 ? r : take_container(watcher, object, error);
        if ((r = json_get_object(payload, "image", &object, error)) != 0)
                return r < 0 ? r : take_image(watcher, object, error);
        r = json_get_string(payload, "containerGone", &word, error);
        if (r > 0)
                drop_container(watcher, watcher_find_container(watcher, word));
        if (r == 0) {
                r = json_get_string(payload, "imageGone", &word, error);
                if (r > 0)
                        drop_image(watcher, watcher_find_image(watcher, word));
        }
        if (r == 0) {
                r = json_get_string(payload, "listed", &word, error);
                if (r > 0 && set_listed(watcher, word) < 0)
                        return error_oom(error);
        }
        return MIN(r, 0);
}

/* ---- the watch ----------------------------------------------------------------------------------------- */

static int on_part(const AnswerPart *part, void *userdata) {
        _cleanup_(error_clear) Error error = {};
        Watcher *watcher = userdata;

        if (part->kind != REPLY_PROGRESS)
                return 1; /* the job keeps its result */
        if (!part->first || !part->last)
                log_warning("The watch told more than a line may hold, ignoring");
        else if (watcher_take_line(watcher, part->data, part->length, &error) < 0)
                log_warning("Cannot read what the watch tells, ignoring: %s", error_message(&error));
        return 1;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Watcher *watcher = userdata;

        watcher->retry_timer = sd_event_source_disable_unref(watcher->retry_timer);
        watcher_run(watcher);
        return 0;
}

static void retry_later(Watcher *watcher, uint64_t pause_usec) {
        if (watcher->stopped || watcher->manager->stopping || watcher->retry_timer)
                return;
        int r = sd_event_add_time_relative(watcher->manager->event, &watcher->retry_timer, CLOCK_MONOTONIC,
                                           pause_usec, 0, on_retry, watcher);
        if (r < 0)
                log_warning_errno(r, "timer for the next watch: %m, ignoring");
}

static void on_ended(Job *job, bool whole, void *userdata) {
        Watcher *watcher = userdata;
        const Error *result = &job->result;
        uint64_t pause = watcher->retry_usec;

        watcher->job = NULL;
        if (result->code == ERROR_CANCELLED) { /* by watcher_restart() */
                retry_later(watcher, 0);
                return;
        }
        if (!watcher->complained)
                log_warning("Cannot watch containers and images, trying again: %s", error_message(result));
        watcher->complained = true;
        if (result->code == ERROR_UNAVAILABLE || result->code == ERROR_UNSUPPORTED) {
                (void) set_reachable(watcher, false, NULL);
                set_ready(watcher);
        }
        watcher->retry_usec = MIN(watcher->retry_usec * 2, RETRY_MAX_USEC);
        retry_later(watcher, pause);
}

static int start_job(Watcher *watcher, Error *error) {
        static const JobSink sink = { .part = on_part, .ended = on_ended };
        static const char line[] = "{\"version\":0,\"command\":\"watch\"}\n";
        _cleanup_(job_request_clear)
                JobRequest request = { .command = COMMAND_WATCH, .progress = true, .peer = peer_self() };

        int r = job_request_set_line(&request, line, strlen(line));
        if (r < 0)
                return error_set_errno(error, r, "request for a watch");
        return job_new_internal(watcher->manager, &request, &sink, watcher, &watcher->job, error);
}

static void watcher_run(Watcher *watcher) {
        _cleanup_(error_clear) Error error = {};

        if (watcher->stopped || watcher->job)
                return;
        watcher->run++;
        if (start_job(watcher, &error) < 0) {
                log_warning("Failed to watch containers and images, trying again later: %s",
                            error_message(&error));
                retry_later(watcher, RETRY_MAX_USEC);
        }
}

static int on_start(sd_event_source *source, void *userdata) {
        Watcher *watcher = userdata;

        watcher->start_source = sd_event_source_disable_unref(watcher->start_source);
        watcher_run(watcher);
        return 0;
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        set_ready(userdata);
        return 0;
}

void watcher_start(Watcher *watcher) {
        sd_event *event = watcher->manager->event;
        int r;

        r = sd_event_add_defer(event, &watcher->start_source, on_start, watcher);
        if (r >= 0) /* whoever waits at the socket is served first */
                r = sd_event_source_set_priority(watcher->start_source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &watcher->patience_timer, CLOCK_MONOTONIC,
                                               PATIENCE_USEC, 0, on_patience, watcher);
        if (r < 0) {
                log_warning_errno(r, "Failed to prepare the watch of containerd: %m, going on");
                set_ready(watcher);
        }
}

void watcher_restart(Watcher *watcher) {
        if (watcher->job)
                job_cancel(watcher->job, "the settings have changed");
}

void watcher_stop(Watcher *watcher) {
        watcher->stopped = true;
        disarm(watcher);
        if (watcher->job)
                job_cancel(watcher->job, "the daemon ends");
}
