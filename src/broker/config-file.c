/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/config-file.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"

/* Cuts white space off both ends, in place. */
static char *strip(char *s) {
        char *end = s + strlen(s);

        while (end > s && isspace((unsigned char) end[-1]))
                end--;
        *end = '\0';
        while (isspace((unsigned char) *s))
                s++;
        return s;
}

typedef struct Parser {
        const char *file;
        unsigned line;
        char *section; /* borrowed from the text; NULL before the first */
        ConfigHandler handler;
        void *userdata;
} Parser;

static void parse_line(Parser *parser, char *text) {
        char *line = strip(text);
        size_t n = strlen(line);

        if (n == 0 || line[0] == '#' || line[0] == ';')
                return;
        if (line[0] == '[') {
                if (line[n - 1] != ']' || n < 3) {
                        log_warning("%s:%u: a section must be \"[NAME]\", ignoring the line", parser->file,
                                    parser->line);
                        return;
                }
                line[n - 1] = '\0';
                parser->section = line + 1;
                return;
        }

        char *equals = strchr(line, '=');
        if (!equals || equals == line) {
                log_warning("%s:%u: a setting must be \"KEY=VALUE\", ignoring the line", parser->file,
                            parser->line);
                return;
        }
        if (!parser->section) {
                log_warning("%s:%u: a setting before the first section, ignoring", parser->file,
                            parser->line);
                return;
        }
        *equals = '\0';
        parser->handler(parser->file, parser->line, parser->section, strip(line), strip(equals + 1),
                        parser->userdata);
}

int config_read_file(const char *path, ConfigHandler handler, void *userdata, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        Parser parser = { .file = path, .handler = handler, .userdata = userdata };

        /* Whatever is put there, a FIFO say, must not hang the daemon. */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r = fd < 0 ? -errno : read_to_end(fd, &text, CONFIG_FILE_MAX);
        if (r >= 0)
                r = buffer_append(&text, "", 1);
        if (r < 0)
                return error_set_errno(error, r, "read \"%s\"", path);

        if (memchr(text.data, '\0', text.length - 1))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no text file", path);
        char *rest = text.data, *line;
        while ((line = strsep(&rest, "\n"))) {
                parser.line++;
                parse_line(&parser, line);
        }
        return 0;
}

/* Gives whether there was such a file. */
static bool read_if_there(const char *path, ConfigHandler handler, void *userdata) {
        _cleanup_(error_clear) Error error = {};

        int r = config_read_file(path, handler, userdata, &error);
        if (r < 0 && r != -ENOENT)
                log_warning("%s, ignoring", error_message(&error));
        return r != -ENOENT;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Adds the names of a drop-in directory that are not in the list yet. */
static void collect_names(const char *path, char ***names) {
        _cleanup_closedir_ DIR *d = opendir(path);

        if (!d) {
                if (errno != ENOENT && errno != ENOTDIR)
                        log_warning_errno(errno, "open \"%s\": %m, ignoring", path);
                return;
        }
        for (struct dirent *entry; (entry = readdir(d));)
                if (entry->d_name[0] != '.' && endswith(entry->d_name, ".conf") &&
                    !strv_contains(*names, entry->d_name) && strv_extend(names, entry->d_name) < 0)
                        log_warning("out of memory while reading \"%s\", ignoring a file", path);
}

void config_read_directories(const char *const *directories, const char *name, ConfigHandler handler,
                             void *userdata) {
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; directories[i]; i++) {
                _cleanup_free_ char *path = format_string("%s/%s", directories[i], name);
                if (path && read_if_there(path, handler, userdata))
                        break;
        }

        for (size_t i = 0; directories[i]; i++) {
                _cleanup_free_ char *path = format_string("%s/%s.d", directories[i], name);
                if (path)
                        collect_names(path, &names);
        }
        if (names)
                qsort(names, strv_length(names), sizeof(char *), compare_names);

        for (char **n = names; n && *n; n++)
                for (size_t i = 0; directories[i]; i++) {
                        _cleanup_free_ char *path = format_string("%s/%s.d/%s", directories[i], name, *n);
                        if (path && read_if_there(path, handler, userdata))
                                break;
                }
}
