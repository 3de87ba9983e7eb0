/* SPDX-License-Identifier: Apache-2.0 */
#include "log/container.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/string-util.h"

#define DEFAULT_INSTANCE "default"
#define MAIN_SOCKET "/run/systemd/journal/socket"

static const char *variable(char *const environment[], const char *name) {
        for (; *environment; environment++) {
                const char *rest = skip_prefix(*environment, name);
                if (rest && *rest == '=')
                        return rest + 1;
        }
        return "";
}

ContainerLog container_log_parse(int argc, char *const argv[], char *const environment[]) {
        ContainerLog container = {
                .id = variable(environment, "CONTAINER_ID"),
                .namespace = variable(environment, "CONTAINER_NAMESPACE"),
        };
        const struct {
                const char *key;
                const char **value;
        } table[] = {
                { "instance", &container.instance },
                { "name", &container.name },
                { "unit", &container.unit },
                { "journal-namespace", &container.journal_namespace },
        };

        for (int i = 1; i + 1 < argc; i += 2)
                for (size_t k = 0; k < ELEMENTSOF(table); k++)
                        if (streq(argv[i], table[k].key))
                                *table[k].value = argv[i + 1];
        if (isempty(container.name))
                container.name = container.id;
        if (isempty(container.instance))
                container.instance = DEFAULT_INSTANCE;
        return container;
}

/* A value with a newline needs the binary form: the name, the value's length in 64 bits, the value. */
static int add_field(Buffer *buffer, const char *name, const char *value) {
        if (!strchr(value, '\n'))
                return buffer_printf(buffer, "%s=%s\n", name, value);

        uint64_t length = htole64(strlen(value));
        int r = buffer_printf(buffer, "%s\n", name);
        if (r >= 0)
                r = buffer_append(buffer, &length, sizeof(length));
        if (r >= 0)
                r = buffer_append_string(buffer, value);
        return r >= 0 ? buffer_append_string(buffer, "\n") : r;
}

int container_log_fields(const ContainerLog *container, Buffer *ret) {
        bool named = !streq(container->instance, DEFAULT_INSTANCE);
        _cleanup_free_ char *scope = format_string("cruxd-%s%s%s.scope", named ? container->instance : "",
                                                   named ? "--" : "", container->id);
        if (!scope)
                return -ENOMEM;

        const struct {
                const char *name, *value;
        } table[] = {
                { "SYSLOG_IDENTIFIER", container->name },
                { "CONTAINER_NAME", container->name },
                { "CONTAINER_ID", container->id },
                { "CONTAINER_NAMESPACE", container->namespace },
                { "CRUXD_INSTANCE", container->instance },
                { "CRUXD_CONTAINER", container->id },
                { "OBJECT_SYSTEMD_UNIT", isempty(container->unit) ? scope : container->unit },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                int r = add_field(ret, table[i].name, table[i].value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Of what systemd takes as a namespace, what this has any use for. */
static bool is_journal_namespace(const char *name) {
        return !isempty(name) && strlen(name) < 64 && name[0] != '.' &&
               name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] ==
                       '\0';
}

const char *container_log_socket(const ContainerLog *container, char buffer[static JOURNAL_SOCKET_PATH_MAX]) {
        if (is_journal_namespace(container->journal_namespace))
                snprintf(buffer, JOURNAL_SOCKET_PATH_MAX, "/run/systemd/journal.%s/socket",
                         container->journal_namespace);
        else
                strcpy(buffer, MAIN_SOCKET);
        return buffer;
}
