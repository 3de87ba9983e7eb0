/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/payload.h"

#include "base/string-util.h"
#include "protocol/identifier.h"
#include "protocol/limits.h"

typedef enum MemberType { TYPE_STRING, TYPE_STRV, TYPE_OBJECT, TYPE_BOOL } MemberType;

static const struct {
        Member member;
        const char *name;
        MemberType type;
        size_t offset;
} members[] = {
        { MEMBER_REF, "ref", TYPE_STRING, offsetof(Payload, ref) },
        { MEMBER_VERSION, "version", TYPE_STRING, offsetof(Payload, version) },
        { MEMBER_ID, "id", TYPE_STRING, offsetof(Payload, id) },
        { MEMBER_PATH, "path", TYPE_STRING, offsetof(Payload, path) },
        { MEMBER_COMMAND, "command", TYPE_STRV, offsetof(Payload, command) },
        { MEMBER_RECIPE, "recipe", TYPE_OBJECT, offsetof(Payload, recipe) },
        { MEMBER_RESOURCE, "resource", TYPE_STRING, offsetof(Payload, resource) },
        { MEMBER_OUTPUT, "output", TYPE_STRING, offsetof(Payload, output) },
        { MEMBER_ROOT, "root", TYPE_STRING, offsetof(Payload, root) },
        { MEMBER_ENTRYPOINT, "entrypoint", TYPE_STRV, offsetof(Payload, entrypoint) },
        { MEMBER_PLATFORMS, "platforms", TYPE_STRV, offsetof(Payload, platforms) },
        { MEMBER_PROGRESS, "progress", TYPE_BOOL, offsetof(Payload, progress) },
        { MEMBER_BYTES, "bytes", TYPE_BOOL, offsetof(Payload, bytes) },
};

static const struct {
        const char *name;
        Member member;
} fds[] = {
        { "archive", MEMBER_PATH }, { "context", MEMBER_ROOT },  { "output", MEMBER_OUTPUT },
        { "stdin", MEMBER_STDIN },  { "stdout", MEMBER_STDOUT }, { "stderr", MEMBER_STDERR },
};

Member member_from_fd_name(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                if (streq(fds[i].name, name))
                        return fds[i].member;
        return 0;
}

/* Empty is as good as absent: 1 when the member is there and holds something. */
static int read_member(json_object *payload, const char *name, MemberType type, void *target, Error *error) {
        const char *s = NULL;
        json_object *object = NULL;
        int r;

        switch (type) {
        case TYPE_STRING:
                r = json_get_string(payload, name, &s, error);
                if (r <= 0 || !s[0])
                        return MIN(r, 0);
                return free_and_strdup(target, s) < 0 ? error_oom(error) : 1;
        case TYPE_STRV:
                r = json_get_strv(payload, name, target, error);
                if (r > 0 && !(*(char ***) target)[0]) {
                        *(char ***) target = strv_free(*(char ***) target);
                        return 0;
                }
                return r;
        case TYPE_OBJECT:
                r = json_get_object(payload, name, &object, error);
                if (r > 0)
                        *(json_object **) target = json_object_get(object);
                return r;
        case TYPE_BOOL:
                return json_get_bool(payload, name, target, error);
        }
        return 0;
}

static int check_arguments(const char *name, char *const *strv, Error *error) {
        size_t n = 0, bytes = 0;

        for (; strv && strv[n]; n++) {
                size_t length = strlen(strv[n]) + 1;

                if (length > ARGUMENT_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "member \"%s\": a string of %zu bytes is over the limit of %zu",
                                         name, length - 1, ARGUMENT_MAX - 1);
                bytes += length;
        }
        if (n > ARGUMENTS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "member \"%s\" has %zu strings, over the limit of %u", name, n,
                                 ARGUMENTS_MAX);
        if (bytes > ARGUMENT_BYTES_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "member \"%s\" has %zu bytes, over the limit of %zu", name, bytes,
                                 ARGUMENT_BYTES_MAX);
        return 0;
}

static int check_length(const char *name, const char *s, size_t max, Error *error) {
        size_t n = s ? strlen(s) : 0;

        return n > max ? error_set(error, ERROR_INVALID_ARGUMENT,
                                   "member \"%s\" has %zu bytes, over the limit of %zu", name, n, max)
                       : 0;
}

static int check_lengths(const Payload *payload, Error *error) {
        int r = check_length("resource", payload->resource, RESOURCE_MAX, error);

        if (r >= 0)
                r = check_length("path", payload->path, PATH_BYTES_MAX - 1, error);
        if (r >= 0)
                r = check_length("root", payload->root, PATH_BYTES_MAX - 1, error);
        if (r >= 0)
                r = check_length("output", payload->output, PATH_BYTES_MAX - 1, error);
        return r;
}

/* What takes more than one member to know: the image's name, the container's id and its default. */
static int derive(Payload *payload, const CommandInfo *info, Error *error) {
        int r;

        r = check_lengths(payload, error);
        if (r >= 0)
                r = check_arguments("command", payload->command, error);
        if (r < 0)
                return r;
        if (payload->command && isempty(payload->command[0]))
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"command\" must name a program");
        r = check_arguments("entrypoint", payload->entrypoint, error);
        if (r < 0)
                return r;
        if (strv_length(payload->platforms) > PLATFORMS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "member \"platforms\" has more than %u platforms", PLATFORMS_MAX);
        if (info->required & MEMBER_VERSION) {
                r = image_name_from_parts(payload->ref, payload->version, &payload->image, error);
                if (r < 0)
                        return r;
        }
        if ((info->required | info->optional) & MEMBER_ID) {
                _cleanup_free_ char *given = TAKE_PTR(payload->id);
                return container_id_from_string(given ?: payload->ref, given ? "id" : "ref", &payload->id,
                                                error);
        }
        return 0;
}

int payload_decode(Command command, json_object *payload, Member given, Payload *ret, Error *error) {
        const CommandInfo *info = command_info(command);
        _cleanup_(payload_clear) Payload p = {};
        int r;

        if (payload && !json_object_is_type(payload, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"payload\" must be an object");
        if (!payload && info->required)
                return error_set(error, ERROR_INVALID_ARGUMENT, "command \"%s\" needs a payload", info->name);

        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                if (!((info->required | info->optional) & ~given & members[i].member))
                        continue;
                r = read_member(payload, members[i].name, members[i].type, (char *) &p + members[i].offset,
                                error);
                if (r < 0)
                        return r;
                if (r == 0 && (info->required & members[i].member))
                        return error_set(error, ERROR_INVALID_ARGUMENT, "command \"%s\" needs member \"%s\"",
                                         info->name, members[i].name);
        }

        r = derive(&p, info, error);
        if (r < 0)
                return r;
        *ret = p;
        p = (Payload) {};
        return 0;
}

void payload_clear(Payload *payload) {
        free(payload->ref);
        free(payload->version);
        free(payload->id);
        free(payload->image);
        free(payload->path);
        strv_free(payload->command);
        json_freep(&payload->recipe);
        free(payload->resource);
        free(payload->output);
        free(payload->root);
        strv_free(payload->entrypoint);
        strv_free(payload->platforms);
        *payload = (Payload) {};
}
