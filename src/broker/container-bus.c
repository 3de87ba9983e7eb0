/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/container-bus.h"

#include "base/log.h"
#include "base/string-util.h"
#include "broker/bus-call.h"
#include "broker/manager.h"
#include "protocol/bus-text.h"
#include "protocol/identifier.h"

#define CONTAINER_INTERFACE BUS_INTERFACE("Container")

char *container_bus_path(const Container *container) {
        char *path = NULL;

        return sd_bus_path_encode(CONTAINER_PATH, container->object.name, &path) < 0 ? NULL : path;
}

static Container *find_by_path(const Manager *manager, const char *path) {
        _cleanup_free_ char *id = NULL;

        return sd_bus_path_decode(path, CONTAINER_PATH, &id) > 0
                       ? watcher_find_container(&manager->watcher, id)
                       : NULL;
}

static int find_container(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                          sd_bus_error *error) {
        const Bus *b = userdata;
        Container *container = find_by_path(b->manager, path);

        if (!container)
                return 0;
        *ret = container;
        return 1;
}

static int list_containers(sd_bus *bus, const char *prefix, void *userdata, char ***ret,
                           sd_bus_error *error) {
        const ObjectTable *table = &((Bus *) userdata)->manager->watcher.containers;
        _cleanup_strv_ char **paths = new0(char *, table->count + 1);

        for (size_t i = 0; paths && i < table->count; i++) {
                paths[i] = container_bus_path((const Container *) table->items[i]);
                if (!paths[i])
                        return -ENOMEM;
        }
        if (!paths)
                return -ENOMEM;
        *ret = TAKE_PTR(paths);
        return 1;
}

/* ---- methods ------------------------------------------------------------------------------------------- */

static int require_container(const BusCall *call, const Container **ret, Error *error) {
        *ret = find_by_path(call->bus->manager, sd_bus_message_get_path(call->message));
        return *ret ? 0 : error_set(error, ERROR_NOT_FOUND, "there is no such container any more");
}

static int about_id(const BusCall *call, json_object *payload, Error *error) {
        const Container *container = NULL;
        int r = require_container(call, &container, error);

        if (r < 0)
                return r;
        return json_add_string(payload, "id", container->object.name) < 0 ? error_oom(error) : 0;
}

/* What starts a container that is there takes its image's name as well. */
static int about_id_and_image(const BusCall *call, json_object *payload, Error *error) {
        _cleanup_free_ char *ref = NULL, *version = NULL;
        const Container *container = NULL;
        int r = require_container(call, &container, error);

        if (r < 0)
                return r;
        if (!image_name_split(container->image, &ref, &version))
                return error_set(error, ERROR_UNSUPPORTED,
                                 "container \"%s\": its image \"%s\" has no name of the form REF:VERSION",
                                 container->object.name, container->image);
        if (json_add_string(payload, "id", container->object.name) < 0 ||
            json_add_string(payload, "ref", ref) < 0 || json_add_string(payload, "version", version) < 0)
                return error_oom(error);
        return 0;
}

static const BusMethod methods[] = {
        { "Start", COMMAND_IMAGE_START, .about = about_id_and_image },
        { "Stop", COMMAND_CONTAINER_STOP, .about = about_id },
        { "Destroy", COMMAND_CONTAINER_DESTROY, .about = about_id },
        { "Exec",
          COMMAND_CONTAINER_EXEC,
          { { "command", BUS_STRINGS } },
          .about = about_id,
          .answer = bus_answer_exec },
};

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name = sd_bus_message_get_member(m);
        const Container *container = userdata;

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(methods[i].name, name))
                        return bus_call_new(&container->manager->bus, &methods[i], m);
        return -EBADR;
}

static int append_container(sd_bus_message *reply, const Container *container) {
        _cleanup_free_ char *path = container_bus_path(container), *id = NULL, *image = NULL, *state = NULL;

        return path ? sd_bus_message_append(reply, "(ssso)", bus_text(container->object.name, &id),
                                            bus_text(container->image, &image),
                                            bus_text(container->state, &state), path)
                    : -ENOMEM;
}

int container_bus_serve_list(BusCall *call, const Peer *peer, Error *error) {
        const Watcher *watcher = &call->bus->manager->watcher;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = watcher_check(watcher, error);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssso)");
        for (size_t i = 0; r >= 0 && i < watcher->containers.count; i++)
                r = append_container(reply, (const Container *) watcher->containers.items[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(call->bus->bus, reply, NULL);
}

int container_bus_serve_get(BusCall *call, const Peer *peer, Error *error) {
        const Watcher *watcher = &call->bus->manager->watcher;
        _cleanup_free_ char *id = NULL, *path = NULL;
        const char *given = "";
        int r;

        r = sd_bus_message_read(call->message, "s", &given);
        if (r < 0)
                return error_set_errno(error, r, "read the arguments");
        r = container_id_from_string(given, "id", &id, error);
        if (r >= 0)
                r = watcher_check(watcher, error);
        if (r < 0)
                return r;
        const Container *container = watcher_find_container(watcher, id);
        if (!container)
                return error_set(error, ERROR_NOT_FOUND, "there is no container \"%s\"", id);
        path = container_bus_path(container);
        return path ? sd_bus_reply_method_return(call->message, "o", path) : error_oom(error);
}

/* ---- properties ---------------------------------------------------------------------------------------- */

#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define PROPERTY(name, type, member) SD_BUS_PROPERTY(name, type, NULL, offsetof(Container, member), EMITS)
#define TEXT(name, member) SD_BUS_PROPERTY(name, "s", bus_get_text, offsetof(Container, member), EMITS)
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED /* access is checked by us */

static const sd_bus_vtable container_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", bus_get_text, offsetof(Container, object.name),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        TEXT("Image", image),
        TEXT("State", state),
        PROPERTY("CreationTimestamp", "t", created_usec),
        PROPERTY("PID", "u", pid),
        TEXT("Unit", unit),
        PROPERTY("ExitCode", "i", exit_code),
        PROPERTY("ExitTimestamp", "t", exit_usec),
        SD_BUS_METHOD("Start", NULL, NULL, on_method, OPEN),
        SD_BUS_METHOD("Stop", NULL, NULL, on_method, OPEN),
        SD_BUS_METHOD("Destroy", NULL, NULL, on_method, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Exec", SD_BUS_ARGS("as", command),
                                SD_BUS_RESULT("i", exitCode, "ay", stdout, "ay", stderr), on_method, OPEN),
        SD_BUS_VTABLE_END,
};

int container_bus_add(Bus *bus) {
        int r = sd_bus_add_fallback_vtable(bus->bus, NULL, CONTAINER_PATH, CONTAINER_INTERFACE,
                                           container_vtable, find_container, bus);

        return r < 0 ? r : sd_bus_add_node_enumerator(bus->bus, NULL, CONTAINER_PATH, list_containers, bus);
}

/* ---- signals ------------------------------------------------------------------------------------------- */

void container_bus_added(const Container *container) {
        const Bus *bus = &container->manager->bus;
        _cleanup_free_ char *path = bus->has_name ? container_bus_path(container) : NULL;

        if (path)
                (void) sd_bus_emit_object_added(bus->bus, path);
}

void container_bus_removed(const Container *container) {
        const Bus *bus = &container->manager->bus;
        _cleanup_free_ char *path = bus->has_name ? container_bus_path(container) : NULL;

        if (path)
                (void) sd_bus_emit_object_removed(bus->bus, path);
}

void container_bus_changed(const Container *container, unsigned changes) {
        static const struct {
                ContainerChange change;
                const char *property;
        } properties[] = {
                { CONTAINER_CHANGE_IMAGE, "Image" },
                { CONTAINER_CHANGE_STATE, "State" },
                { CONTAINER_CHANGE_UNIT, "Unit" },
                { CONTAINER_CHANGE_CREATED, "CreationTimestamp" },
                { CONTAINER_CHANGE_PID, "PID" },
                { CONTAINER_CHANGE_EXIT_CODE, "ExitCode" },
                { CONTAINER_CHANGE_EXIT_TIME, "ExitTimestamp" },
        };
        const Bus *bus = &container->manager->bus;
        _cleanup_free_ char *path = bus->has_name ? container_bus_path(container) : NULL;
        const char *changed[ELEMENTSOF(properties) + 1] = {};
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                if (changes & properties[i].change)
                        changed[n++] = properties[i].property;
        if (path)
                (void) sd_bus_emit_properties_changed_strv(bus->bus, path, CONTAINER_INTERFACE,
                                                           (char **) changed);
}
