/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/container.h"

#include "base/string-util.h"
#include "protocol/identifier.h"

static int read_word(json_object *json, const char *name, char **ret, Error *error) {
        const char *word = "";
        int r = json_get_string(json, name, &word, error);

        if (r >= 0 && free_and_strdup(ret, word) < 0)
                return error_oom(error);
        return r;
}

static int read_number(json_object *json, const char *name, int64_t max, int64_t *ret, Error *error) {
        int r = json_get_int64(json, name, ret, error);

        if (r > 0 && (*ret < 0 || *ret > max))
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"%s\" is out of range", name);
        return r;
}

int container_read(json_object *json, Container **ret, Error *error) {
        _cleanup_(container_freep) Container *container = new0(Container, 1);
        int64_t created = 0, pid = 0, exit_code = -1, exited = 0;
        int r;

        if (!container)
                return error_oom(error);
        r = read_word(json, "id", &container->object.name, error);
        if (r >= 0 && !identifier_is_valid(container->object.name))
                r = error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no container's id",
                              container->object.name);
        if (r >= 0)
                r = read_word(json, "image", &container->image, error);
        if (r >= 0)
                r = read_word(json, "state", &container->state, error);
        if (r >= 0)
                r = read_word(json, "unit", &container->unit, error);
        if (r >= 0)
                r = read_number(json, "created", INT64_MAX, &created, error);
        if (r >= 0)
                r = read_number(json, "pid", UINT32_MAX, &pid, error);
        if (r >= 0)
                r = read_number(json, "exitCode", INT32_MAX, &exit_code, error);
        if (r >= 0)
                r = read_number(json, "exited", INT64_MAX, &exited, error);
        if (r < 0)
                return r;
        container->created_usec = (uint64_t) created;
        container->pid = (uint32_t) pid;
        container->exit_code = (int32_t) exit_code;
        container->exit_usec = (uint64_t) exited;
        *ret = TAKE_PTR(container);
        return 0;
}

Container *container_free(Container *container) {
        if (!container)
                return NULL;
        free(container->object.name);
        free(container->image);
        free(container->state);
        free(container->unit);
        return mfree(container);
}

static bool take_word(char **old, char **newer) {
        char *kept = *old;

        if (streq(*old, *newer))
                return false;
        *old = *newer;
        *newer = kept;
        return true;
}

#define TAKE_NUMBER(member, change) \
        do { \
                if (container->member != newer->member) \
                        changes |= (change); \
                container->member = newer->member; \
        } while (false)

unsigned container_take(Container *container, Container *newer) {
        unsigned changes = 0;

        if (take_word(&container->image, &newer->image))
                changes |= CONTAINER_CHANGE_IMAGE;
        if (take_word(&container->state, &newer->state))
                changes |= CONTAINER_CHANGE_STATE;
        if (take_word(&container->unit, &newer->unit))
                changes |= CONTAINER_CHANGE_UNIT;
        TAKE_NUMBER(created_usec, CONTAINER_CHANGE_CREATED);
        TAKE_NUMBER(pid, CONTAINER_CHANGE_PID);
        TAKE_NUMBER(exit_code, CONTAINER_CHANGE_EXIT_CODE);
        TAKE_NUMBER(exit_usec, CONTAINER_CHANGE_EXIT_TIME);
        return changes;
}
