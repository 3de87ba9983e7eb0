/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "base/version.h"
#include "broker/bus-call.h"
#include "broker/container-bus.h"
#include "broker/image-bus.h"
#include "broker/job-bus.h"
#include "broker/manager.h"

#define MANAGER_INTERFACE BUS_INTERFACE("Manager")

/* ---- commands of the protocol ------------------------------------------------------------------------ */

static int answer_output(json_object *payload, sd_bus_message *reply) {
        const char *output = "";

        return json_get_string(payload, "output", &output, NULL) < 0 ? -EBADMSG
                                                                     : bus_append_text(reply, output);
}

static int answer_container_status(json_object *payload, sd_bus_message *reply) {
        const char *status = "";

        return json_get_string(payload, "status", &status, NULL) < 0 ? -EBADMSG
                                                                     : bus_append_text(reply, status);
}

/* Of one whose output went elsewhere. */
static int answer_exit_code(json_object *payload, sd_bus_message *reply) {
        int64_t exit_code = 0;

        return json_get_int64(payload, "exitCode", &exit_code, NULL) < 0
                       ? -EBADMSG
                       : sd_bus_message_append(reply, "i", (int32_t) exit_code);
}

/* Each character is a byte, see exec_reply_send(). */
static int append_bytes(sd_bus_message *reply, json_object *string) {
        const char *s = string ? json_object_get_string(string) : "";
        const char *end = s + (string ? json_object_get_string_len(string) : 0);
        void *target;
        size_t n = 0;
        int r;

        for (const char *p = s; p < end; p++)
                n += ((unsigned char) *p & 0xc0) != 0x80;
        r = sd_bus_message_append_array_space(reply, 'y', n, &target);
        if (r < 0)
                return r;
        for (unsigned char *to = target; s < end; to++) {
                unsigned c = (unsigned char) *s++;

                if (c >= 0x80) {
                        if ((c & 0xfc) != 0xc0 || s == end)
                                return -EBADMSG;
                        c = c << 6 | ((unsigned char) *s++ & 0x3f);
                }
                *to = (unsigned char) c;
        }
        return 0;
}

int bus_answer_exec(json_object *payload, sd_bus_message *reply) {
        int64_t exit_code = 0;
        int r;

        if (json_get_int64(payload, "exitCode", &exit_code, NULL) < 0)
                return -EBADMSG;
        r = sd_bus_message_append(reply, "i", (int32_t) exit_code);
        if (r >= 0)
                r = append_bytes(reply, json_member(payload, "stdout"));
        if (r >= 0)
                r = append_bytes(reply, json_member(payload, "stderr"));
        return r;
}

#define BUILD_ARGUMENTS \
        { \
                { "recipe", BUS_JSON }, { "resource", BUS_STRING },    { "output", BUS_STRING }, \
                { "root", BUS_STRING }, { "entrypoint", BUS_STRINGS }, { "platforms", BUS_STRINGS }, \
        }
#define BUILD_FD_ARGUMENTS \
        { \
                { "recipe", BUS_JSON }, { "resource", BUS_STRING },    { "output", BUS_FD }, \
                { "context", BUS_FD },  { "entrypoint", BUS_STRINGS }, { "platforms", BUS_STRINGS }, \
        }
#define IMAGE \
        { "ref", BUS_STRING }, { \
                "version", BUS_STRING \
        }
#define ID { "id", BUS_STRING }
#define PATH { "path", BUS_STRING }
#define ARCHIVE { "archive", BUS_FD }
#define WORDS { "command", BUS_STRINGS }
#define STDIO \
        { "stdin", BUS_FD }, { "stdout", BUS_FD }, { \
                "stderr", BUS_FD \
        }

static int serve_status(BusCall *call, const Peer *peer, Error *error) {
        Status status = manager_status(call->bus->manager);
        char uptime[SPAN_MAX];

        return sd_bus_reply_method_return(call->message, "bsust", true, status.version, (uint32_t) status.pid,
                                          format_span(uptime, status.uptime_usec), status.builds);
}

/* ---- jobs --------------------------------------------------------------------------------------------- */

static int append_job(sd_bus_message *reply, const Job *job) {
        char path[JOB_PATH_MAX];

        return sd_bus_message_append(reply, "(tssuso)", job->id, command_to_string(job->command),
                                     strempty(job->resource), (uint32_t) job->peer.uid,
                                     job_state_to_string(job->state), job_bus_path(job, path));
}

static int serve_list_jobs(BusCall *call, const Peer *peer, Error *error) {
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(tssuso)");
        LIST_FOREACH (jobs, job, call->bus->manager->jobs)
                if (r >= 0 && !command_info(job->command)->internal)
                        r = append_job(reply, job);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(call->bus->bus, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int find_named_job(BusCall *call, Job **ret, Error *error) {
        uint64_t id = 0;

        int r = sd_bus_message_read(call->message, "t", &id);
        if (r < 0)
                return error_set_errno(error, r, "read the arguments");
        *ret = job_bus_find(call->bus->manager, id);
        return *ret ? 0 : error_set(error, ERROR_NOT_FOUND, "there is no job %" PRIu64, id);
}

static int serve_get_job(BusCall *call, const Peer *peer, Error *error) {
        char path[JOB_PATH_MAX];
        Job *job;

        int r = find_named_job(call, &job, error);
        return r < 0 ? r : sd_bus_reply_method_return(call->message, "o", job_bus_path(job, path));
}

static int serve_cancel_job(BusCall *call, const Peer *peer, Error *error) {
        Job *job;

        int r = find_named_job(call, &job, error);
        if (r >= 0)
                r = job_bus_may_cancel(job, peer->uid, error);
        if (r < 0)
                return r;
        job_cancel(job, "it was asked for");
        return sd_bus_reply_method_return(call->message, NULL);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static const BusMethod methods[] = {
        { "Build", COMMAND_BUILD, BUILD_ARGUMENTS, .answer = answer_output },
        { "StartBuild", COMMAND_BUILD, BUILD_ARGUMENTS, .starts = true },
        { "BuildFD", COMMAND_BUILD, BUILD_FD_ARGUMENTS },
        { "StartBuildFD", COMMAND_BUILD, BUILD_FD_ARGUMENTS, .starts = true },
        { "ImageImport", COMMAND_IMAGE_IMPORT, { IMAGE, PATH } },
        { "StartImageImport", COMMAND_IMAGE_IMPORT, { IMAGE, PATH }, .starts = true },
        { "ImageImportFD", COMMAND_IMAGE_IMPORT, { IMAGE, ARCHIVE } },
        { "StartImageImportFD", COMMAND_IMAGE_IMPORT, { IMAGE, ARCHIVE }, .starts = true },
        { "ImageStart", COMMAND_IMAGE_START, { IMAGE, ID } },
        { "ImageDestroy", COMMAND_IMAGE_DESTROY, { IMAGE } },
        { "ContainerStop", COMMAND_CONTAINER_STOP, { ID } },
        { "ContainerDestroy", COMMAND_CONTAINER_DESTROY, { ID } },
        { "ContainerStatus", COMMAND_CONTAINER_STATUS, { ID }, .answer = answer_container_status },
        { "ContainerExec", COMMAND_CONTAINER_EXEC, { ID, WORDS }, .answer = bus_answer_exec },
        { "ContainerExecFD", COMMAND_CONTAINER_EXEC, { ID, WORDS, STDIO }, .answer = answer_exit_code },
        { "ContainerUpdate", COMMAND_CONTAINER_UPDATE, { IMAGE, ID, PATH } },
        { "StartContainerUpdate", COMMAND_CONTAINER_UPDATE, { IMAGE, ID, PATH }, .starts = true },
        { "Status", .action = ACTION_INSPECT, .serve = serve_status },
        { "ListJobs", .action = ACTION_INSPECT, .serve = serve_list_jobs },
        { "GetJob", .action = ACTION_INSPECT, .serve = serve_get_job },
        { "ListContainers", .action = ACTION_INSPECT, .serve = container_bus_serve_list },
        { "GetContainer", .action = ACTION_INSPECT, .serve = container_bus_serve_get },
        { "ListImages", .action = ACTION_INSPECT, .serve = image_bus_serve_list },
        { "GetImage", .action = ACTION_INSPECT, .serve = image_bus_serve_get },
        { "CancelJob", .action = ACTION_INSPECT, .serve = serve_cancel_job },
};

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name = sd_bus_message_get_member(m);

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(methods[i].name, name))
                        return bus_call_new(userdata, &methods[i], m);
        return -EBADR; /* not ours: sd-bus says so */
}

/* ---- properties --------------------------------------------------------------------------------------- */

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Manager *manager = ((Bus *) userdata)->manager;
        const Settings *settings = &manager->settings;
        const struct {
                const char *name;
                const char *value;
        } strings[] = {
                { "Version", version_string() },
                { "Instance", manager->options->instance },
                { "Namespace", settings->namespace },
                { "ContainerdAddress", settings->containerd_address },
                { "ContainerdVersion", manager->watcher.version },
        };
        const struct {
                const char *name;
                uint64_t value;
        } numbers[] = {
                { "Builds", manager->state.builds },
                { "StartTimestamp", manager->state.start_real_usec },
                { "ConnectionsMax", settings->connections_max },
                { "ConnectionsPerUserMax", settings->connections_per_user_max },
                { "CommandsMax", settings->commands_max },
                { "CommandsPerUserMax", settings->commands_per_user_max },
                { "BuildsMax", settings->builds_max },
                { "BuildsPerUserMax", settings->builds_per_user_max },
                { "SessionsMax", settings->sessions_max },
                { "SessionsPerUserMax", settings->sessions_per_user_max },
                { "QueueMax", settings->queue_max },
                { "QueuePerUserMax", settings->queue_per_user_max },
                { "RequestMemoryMax", settings->request_memory_max },
                { "RequestMemoryPerUserMax", settings->request_memory_per_user_max },
        };

        if (streq(property, "ContainerdReachable"))
                return sd_bus_message_append(reply, "b", manager->watcher.reachable);
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (streq(strings[i].name, property))
                        return bus_append_text(reply, strings[i].value);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(numbers[i].name, property))
                        return sd_bus_message_append(reply, "t", numbers[i].value);
        return -ENXIO;
}

#define OPEN SD_BUS_VTABLE_UNPRIVILEGED /* access is checked by us */
#define METHOD SD_BUS_METHOD_WITH_ARGS
#define CONSTANT(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define LIMIT(name) SD_BUS_PROPERTY(name, "t", get_property, 0, 0)
#define IN_BUILD \
        SD_BUS_ARGS("s", recipe, "s", resource, "s", output, "s", root, "as", entrypoint, "as", platforms)
#define IN_BUILD_FD \
        SD_BUS_ARGS("s", recipe, "s", resource, "h", output, "h", root, "as", entrypoint, "as", platforms)
#define IN_IMPORT_FD SD_BUS_ARGS("s", ref, "s", version, "h", archive)
#define IN_IMPORT SD_BUS_ARGS("s", ref, "s", version, "s", path)
#define IN_UPDATE SD_BUS_ARGS("s", ref, "s", version, "s", id, "s", path)
#define OUT_JOB SD_BUS_RESULT("o", job)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Version", "s"),
        CONSTANT("Instance", "s"),
        SD_BUS_PROPERTY("Namespace", "s", get_property, 0, 0),
        SD_BUS_PROPERTY("ContainerdAddress", "s", get_property, 0, 0),
        SD_BUS_PROPERTY("ContainerdVersion", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ContainerdReachable", "b", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        CONSTANT("StartTimestamp", "t"),
        SD_BUS_PROPERTY("Builds", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        LIMIT("ConnectionsMax"),
        LIMIT("ConnectionsPerUserMax"),
        LIMIT("CommandsMax"),
        LIMIT("CommandsPerUserMax"),
        LIMIT("BuildsMax"),
        LIMIT("BuildsPerUserMax"),
        LIMIT("SessionsMax"),
        LIMIT("SessionsPerUserMax"),
        LIMIT("QueueMax"),
        LIMIT("QueuePerUserMax"),
        LIMIT("RequestMemoryMax"),
        LIMIT("RequestMemoryPerUserMax"),

        METHOD("Status", SD_BUS_NO_ARGS,
               SD_BUS_RESULT("b", running, "s", version, "u", pid, "s", uptime, "t", builds), on_method,
               OPEN),
        METHOD("Build", IN_BUILD, SD_BUS_RESULT("s", output), on_method, OPEN),
        METHOD("ImageImport", IN_IMPORT, SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ImageStart", SD_BUS_ARGS("s", ref, "s", version, "s", id), SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ImageDestroy", SD_BUS_ARGS("s", ref, "s", version), SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ContainerStop", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ContainerDestroy", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ContainerStatus", SD_BUS_ARGS("s", id), SD_BUS_RESULT("s", status), on_method, OPEN),
        METHOD("ContainerExec", SD_BUS_ARGS("s", id, "as", command),
               SD_BUS_RESULT("i", exitCode, "ay", stdout, "ay", stderr), on_method, OPEN),
        METHOD("ContainerUpdate", IN_UPDATE, SD_BUS_NO_RESULT, on_method, OPEN),

        METHOD("BuildFD", IN_BUILD_FD, SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ImageImportFD", IN_IMPORT_FD, SD_BUS_NO_RESULT, on_method, OPEN),
        METHOD("ContainerExecFD", SD_BUS_ARGS("s", id, "as", command, "h", stdin, "h", stdout, "h", stderr),
               SD_BUS_RESULT("i", exitCode), on_method, OPEN),

        METHOD("StartBuild", IN_BUILD, OUT_JOB, on_method, OPEN),
        METHOD("StartImageImport", IN_IMPORT, OUT_JOB, on_method, OPEN),
        METHOD("StartBuildFD", IN_BUILD_FD, OUT_JOB, on_method, OPEN),
        METHOD("StartImageImportFD", IN_IMPORT_FD, OUT_JOB, on_method, OPEN),
        METHOD("StartContainerUpdate", IN_UPDATE, OUT_JOB, on_method, OPEN),
        METHOD("ListContainers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssso)", containers), on_method, OPEN),
        METHOD("GetContainer", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", container), on_method, OPEN),
        METHOD("ListImages", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssto)", images), on_method, OPEN),
        METHOD("GetImage", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", image), on_method, OPEN),
        METHOD("ListJobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(tssuso)", jobs), on_method, OPEN),
        METHOD("GetJob", SD_BUS_ARGS("t", id), OUT_JOB, on_method, OPEN),
        METHOD("CancelJob", SD_BUS_ARGS("t", id), SD_BUS_NO_RESULT, on_method, OPEN),
        SD_BUS_SIGNAL_WITH_ARGS("JobNew", SD_BUS_ARGS("t", id, "o", job), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobRemoved", SD_BUS_ARGS("t", id, "o", job, "s", result, "s", message), 0),
        SD_BUS_VTABLE_END,
};

int manager_bus_add(Bus *bus) {
        return sd_bus_add_object_vtable(bus->bus, NULL, BUS_PATH, MANAGER_INTERFACE, manager_vtable, bus);
}

void manager_bus_containerd_changed(const Bus *bus) {
        if (bus->has_name)
                (void) sd_bus_emit_properties_changed(bus->bus, BUS_PATH, MANAGER_INTERFACE,
                                                      "ContainerdVersion", "ContainerdReachable", NULL);
}
