/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/job-bus.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/string-util.h"
#include "broker/bus-call.h"
#include "broker/manager.h"
#include "protocol/bus-text.h"

#define JOB_INTERFACE BUS_INTERFACE("Job")

/* With so many messages that the bus has not taken yet, lines of output are left out: they are in the
 * journal. */
#define LOG_QUEUE_MAX 1024U

const char *job_bus_path(const Job *job, char buffer[static JOB_PATH_MAX]) {
        snprintf(buffer, JOB_PATH_MAX, JOB_PATH "/%" PRIu64, job->id);
        return buffer;
}

Job *job_bus_find(Manager *manager, uint64_t id) {
        LIST_FOREACH (jobs, job, manager->jobs)
                if (job->id == id && !command_info(job->command)->internal)
                        return job;
        return NULL;
}

Job *job_bus_find_path(Manager *manager, const char *path) {
        const char *number = skip_prefix(path, JOB_PATH "/");
        uint64_t id;

        return number && parse_uint64(number, &id) >= 0 ? job_bus_find(manager, id) : NULL;
}

int job_bus_may_cancel(const Job *job, uid_t uid, Error *error) {
        if (uid == 0 || uid == job->peer.uid)
                return 0;
        return error_set(error, ERROR_PERMISSION_DENIED, "job %" PRIu64 " is another user's", job->id);
}

/* ---- properties ---------------------------------------------------------------------------------------- */

static int get_command(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Job *job = userdata;

        return sd_bus_message_append(reply, "s", command_to_string(job->command));
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Job *job = userdata;

        return sd_bus_message_append(reply, "s", job_state_to_string(job->state));
}

static int get_result(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", job_result(userdata));
}

static int get_creator_uid(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Job *job = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) job->peer.uid);
}

static int get_creator_pid(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Job *job = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) job->peer.pid);
}

static int find_job(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                    sd_bus_error *error) {
        const Bus *b = userdata;
        Job *job = job_bus_find_path(b->manager, path);

        if (!job)
                return 0;
        *ret = job;
        return 1;
}

static int list_jobs(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        const Bus *b = userdata;
        _cleanup_strv_ char **paths = new0(char *, 1);
        char path[JOB_PATH_MAX];

        if (!paths)
                return -ENOMEM;
        LIST_FOREACH (jobs, job, b->manager->jobs)
                if (!command_info(job->command)->internal && strv_extend(&paths, job_bus_path(job, path)) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(paths);
        return 1;
}

static int serve_cancel(BusCall *call, const Peer *peer, Error *error) {
        Job *job = job_bus_find_path(call->bus->manager, sd_bus_message_get_path(call->message));
        int r;

        if (!job)
                return error_set(error, ERROR_NOT_FOUND, "there is no such job any more");
        r = job_bus_may_cancel(job, peer->uid, error);
        if (r < 0)
                return r;
        job_cancel(job, "it was asked for");
        return sd_bus_reply_method_return(call->message, NULL);
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const BusMethod method = { .name = "Cancel", .action = ACTION_INSPECT, .serve = serve_cancel };
        const Job *job = userdata;

        return bus_call_new(&job->manager->bus, &method, m);
}

#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "t", NULL, offsetof(Job, id), CONSTANT),
        SD_BUS_PROPERTY("Command", "s", get_command, 0, CONSTANT),
        SD_BUS_PROPERTY("Resource", "s", NULL, offsetof(Job, resource), CONSTANT),
        SD_BUS_PROPERTY("CreatorUID", "u", get_creator_uid, 0, CONSTANT),
        SD_BUS_PROPERTY("CreatorPID", "u", get_creator_pid, 0, CONSTANT),
        SD_BUS_PROPERTY("CreationTimestamp", "t", NULL, offsetof(Job, created_real_usec), CONSTANT),
        SD_BUS_PROPERTY("State", "s", get_state, 0, EMITS),
        SD_BUS_PROPERTY("Result", "s", get_result, 0, EMITS),
        SD_BUS_PROPERTY("Platform", "s", bus_get_text, offsetof(Job, place.platform), EMITS),
        SD_BUS_PROPERTY("Stage", "s", bus_get_text, offsetof(Job, place.stage), EMITS),
        SD_BUS_PROPERTY("Step", "u", NULL, offsetof(Job, place.step), EMITS),
        SD_BUS_PROPERTY("Steps", "u", NULL, offsetof(Job, place.n_steps), EMITS),
        SD_BUS_PROPERTY("Bytes", "t", NULL, offsetof(Job, place.bytes), EMITS),
        SD_BUS_METHOD("Cancel", NULL, NULL, on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Log", SD_BUS_ARGS("s", stream, "s", line), 0),
        SD_BUS_VTABLE_END,
};

int job_bus_add(Bus *bus) {
        int r = sd_bus_add_fallback_vtable(bus->bus, NULL, JOB_PATH, JOB_INTERFACE, job_vtable, find_job,
                                           bus);

        return r < 0 ? r : sd_bus_add_node_enumerator(bus->bus, NULL, JOB_PATH, list_jobs, bus);
}

/* ---- signals ------------------------------------------------------------------------------------------- */

static void on_created(Job *job, void *userdata) {
        const Bus *bus = userdata;
        char path[JOB_PATH_MAX];

        if (!bus->has_name)
                return;
        (void) sd_bus_emit_object_added(bus->bus, job_bus_path(job, path));
        (void) sd_bus_emit_signal(bus->bus, BUS_PATH, BUS_INTERFACE("Manager"), "JobNew", "to", job->id,
                                  path);
}

static void on_changed(Job *job, void *userdata) {
        const Bus *bus = userdata;
        char path[JOB_PATH_MAX];

        if (bus->has_name)
                (void) sd_bus_emit_properties_changed(bus->bus, job_bus_path(job, path), JOB_INTERFACE,
                                                      "State", "Result", NULL);
}

static void on_ended(Job *job, void *userdata) {
        const char *words = error_is_set(&job->result) ? error_message(&job->result) : "";
        const Bus *bus = userdata;
        _cleanup_free_ char *copy = NULL;
        char path[JOB_PATH_MAX];

        if (!bus->has_name)
                return;
        on_changed(job, userdata);
        (void) sd_bus_emit_signal(bus->bus, BUS_PATH, BUS_INTERFACE("Manager"), "JobRemoved", "toss", job->id,
                                  job_bus_path(job, path), job_result(job), bus_text(words, &copy));
        (void) sd_bus_emit_object_removed(bus->bus, path);
        if (job->command == COMMAND_BUILD)
                (void) sd_bus_emit_properties_changed(bus->bus, BUS_PATH, BUS_INTERFACE("Manager"), "Builds",
                                                      NULL);
}

static void emit_line(const Bus *bus, const char *path, const JobLine *line) {
        _cleanup_free_ char *copy = NULL;
        uint64_t queued = 0;

        if (sd_bus_get_n_queued_write(bus->bus, &queued) >= 0 && queued < LOG_QUEUE_MAX)
                (void) sd_bus_emit_signal(bus->bus, path, JOB_INTERFACE, "Log", "ss", line->stream,
                                          bus_text(line->text, &copy));
}

static void on_progress(Job *job, const AnswerPart *part, void *userdata) {
        const Bus *bus = userdata;
        _cleanup_(job_line_clear) JobLine line = {};
        char path[JOB_PATH_MAX];

        if (!bus->has_name || !part->first ||
            !part->last) /* a longer one is no place, and an odd line of output */
                return;
        job_bus_path(job, path);
        switch (job_place_read(&job->place, part->data, part->length, &line)) {
        case JOB_NEWS_PLACE:
                (void) sd_bus_emit_properties_changed(bus->bus, path, JOB_INTERFACE, "Platform", "Stage",
                                                      "Step", "Steps", NULL);
                break;
        case JOB_NEWS_BYTES:
                (void) sd_bus_emit_properties_changed(bus->bus, path, JOB_INTERFACE, "Bytes", NULL);
                break;
        case JOB_NEWS_LINE:
                emit_line(bus, path, &line);
                break;
        default: /* nothing that we know */
                break;
        }
}

const JobObserver job_bus_observer = {
        .created = on_created,
        .changed = on_changed,
        .progress = on_progress,
        .ended = on_ended,
};
