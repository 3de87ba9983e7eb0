/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/image-bus.h"

#include "base/string-util.h"
#include "broker/bus-call.h"
#include "broker/manager.h"
#include "protocol/bus-text.h"
#include "protocol/identifier.h"

#define IMAGE_INTERFACE BUS_INTERFACE("Image")

char *image_bus_path(const Image *image) {
        char *path = NULL;

        return sd_bus_path_encode(IMAGE_PATH, image->object.name, &path) < 0 ? NULL : path;
}

static Image *find_by_path(const Manager *manager, const char *path) {
        _cleanup_free_ char *name = NULL;

        return sd_bus_path_decode(path, IMAGE_PATH, &name) > 0 ? watcher_find_image(&manager->watcher, name)
                                                               : NULL;
}

static int find_image(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                      sd_bus_error *error) {
        const Bus *b = userdata;
        Image *image = find_by_path(b->manager, path);

        if (!image)
                return 0;
        *ret = image;
        return 1;
}

static int list_images(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        const ObjectTable *table = &((Bus *) userdata)->manager->watcher.images;
        _cleanup_strv_ char **paths = new0(char *, table->count + 1);

        for (size_t i = 0; paths && i < table->count; i++) {
                paths[i] = image_bus_path((const Image *) table->items[i]);
                if (!paths[i])
                        return -ENOMEM;
        }
        if (!paths)
                return -ENOMEM;
        *ret = TAKE_PTR(paths);
        return 1;
}

static int about_name(const BusCall *call, json_object *payload, Error *error) {
        const Image *image = find_by_path(call->bus->manager, sd_bus_message_get_path(call->message));
        _cleanup_free_ char *ref = NULL, *version = NULL;

        if (!image)
                return error_set(error, ERROR_NOT_FOUND, "there is no such image any more");
        if (!image_name_split(image->object.name, &ref, &version) ||
            json_add_string(payload, "ref", ref) < 0 || json_add_string(payload, "version", version) < 0)
                return error_oom(error);
        return 0;
}

static int on_destroy(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const BusMethod method = { "Destroy", COMMAND_IMAGE_DESTROY, .about = about_name };
        const Image *image = userdata;

        return bus_call_new(&image->manager->bus, &method, m);
}

static int append_image(sd_bus_message *reply, const Image *image) {
        _cleanup_free_ char *path = image_bus_path(image), *name = NULL, *digest = NULL;

        return path ? sd_bus_message_append(reply, "(ssto)", bus_text(image->object.name, &name),
                                            bus_text(image->digest, &digest), image->created_usec, path)
                    : -ENOMEM;
}

int image_bus_serve_list(BusCall *call, const Peer *peer, Error *error) {
        const Watcher *watcher = &call->bus->manager->watcher;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = watcher_check(watcher, error);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssto)");
        for (size_t i = 0; r >= 0 && i < watcher->images.count; i++)
                r = append_image(reply, (const Image *) watcher->images.items[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(call->bus->bus, reply, NULL);
}

int image_bus_serve_get(BusCall *call, const Peer *peer, Error *error) {
        const Watcher *watcher = &call->bus->manager->watcher;
        _cleanup_free_ char *path = NULL;
        const char *name = "";
        int r;

        r = sd_bus_message_read(call->message, "s", &name);
        if (r < 0)
                return error_set_errno(error, r, "read the arguments");
        r = watcher_check(watcher, error);
        if (r < 0)
                return r;
        const Image *image = watcher_find_image(watcher, name);
        if (!image)
                return error_set(error, ERROR_NOT_FOUND, "there is no image \"%s\"", name);
        path = image_bus_path(image);
        return path ? sd_bus_reply_method_return(call->message, "o", path) : error_oom(error);
}

#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable image_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", bus_get_text, offsetof(Image, object.name),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Digest", "s", bus_get_text, offsetof(Image, digest), EMITS),
        SD_BUS_PROPERTY("CreationTimestamp", "t", NULL, offsetof(Image, created_usec), EMITS),
        SD_BUS_METHOD("Destroy", NULL, NULL, on_destroy, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int image_bus_add(Bus *bus) {
        int r = sd_bus_add_fallback_vtable(bus->bus, NULL, IMAGE_PATH, IMAGE_INTERFACE, image_vtable,
                                           find_image, bus);

        return r < 0 ? r : sd_bus_add_node_enumerator(bus->bus, NULL, IMAGE_PATH, list_images, bus);
}

void image_bus_added(const Image *image) {
        const Bus *bus = &image->manager->bus;
        _cleanup_free_ char *path = bus->has_name ? image_bus_path(image) : NULL;

        if (path)
                (void) sd_bus_emit_object_added(bus->bus, path);
}

void image_bus_removed(const Image *image) {
        const Bus *bus = &image->manager->bus;
        _cleanup_free_ char *path = bus->has_name ? image_bus_path(image) : NULL;

        if (path)
                (void) sd_bus_emit_object_removed(bus->bus, path);
}

void image_bus_changed(const Image *image, unsigned changes) {
        const Bus *bus = &image->manager->bus;
        _cleanup_free_ char *path = bus->has_name ? image_bus_path(image) : NULL;
        const char *changed[3] = {};
        size_t n = 0;

        if (changes & IMAGE_CHANGE_DIGEST)
                changed[n++] = "Digest";
        if (changes & IMAGE_CHANGE_CREATED)
                changed[n++] = "CreationTimestamp";
        if (path)
                (void) sd_bus_emit_properties_changed_strv(bus->bus, path, IMAGE_INTERFACE,
                                                           (char **) changed);
}
