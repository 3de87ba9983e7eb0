/* SPDX-License-Identifier: Apache-2.0 */

/* What the daemon has, one line each: lists that it gives on the bus alone. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "ctl/bus-client.h"
#include "ctl/terminal.h"

#define COLUMNS_MAX 5
#define CELL_MAX 32 /* of what is no text */

typedef struct Column {
        char type; /* as on the bus; 0 ends a list */
        const char *member;
        const char *title;
        int (*format)(int64_t value, char buffer[static CELL_MAX]); /* NULL: as it is */
} Column;

typedef struct List {
        const char *method;
        const char *fields; /* types of an element's: the columns, and the object's path */
        const char *what;
        Column columns[COLUMNS_MAX + 1];
} List;

/* ---- reading ------------------------------------------------------------------------------------------- */

static int read_value(sd_bus_message *m, char type, json_object **ret) {
        const char *s = NULL;
        uint32_t u = 0;
        uint64_t t = 0;
        int r;

        switch (type) {
        case 's':
                r = sd_bus_message_read_basic(m, type, &s);
                *ret = r > 0 ? json_object_new_string(s) : NULL;
                break;
        case 'u':
                r = sd_bus_message_read_basic(m, type, &u);
                *ret = json_object_new_int64(u);
                break;
        default:
                r = sd_bus_message_read_basic(m, type, &t);
                *ret = json_object_new_int64((int64_t) t);
                break;
        }
        return r < 0 ? r : *ret ? 0 : -ENOMEM;
}

static int read_row(sd_bus_message *m, const Column *columns, json_object **ret) {
        _cleanup_json_ json_object *row = json_object_new_object();
        int r = row ? 0 : -ENOMEM;

        for (const Column *c = columns; c->type && r >= 0; c++) {
                json_object *value = NULL;

                r = read_value(m, c->type, &value);
                if (r >= 0)
                        r = json_add(row, c->member, value);
        }
        if (r >= 0)
                r = sd_bus_message_skip(m, "o");
        if (r >= 0)
                *ret = TAKE_PTR(row);
        return r;
}

static int read_rows(sd_bus_message *m, const List *list, json_object **ret) {
        _cleanup_json_ json_object *rows = json_object_new_array();
        _cleanup_free_ char *type = format_string("(%s)", list->fields);
        int r = rows && type ? 0 : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', type);
        for (;;) {
                json_object *row = NULL;

                if (r >= 0)
                        r = sd_bus_message_enter_container(m, 'r', list->fields);
                if (r <= 0)
                        break;
                r = read_row(m, list->columns, &row);
                if (r >= 0)
                        r = json_append(rows, row);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                *ret = TAKE_PTR(rows);
        return r;
}

static int ask(const Options *options, const List *list, json_object **ret, Error *error) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_client_open(&bus);
        if (r == 0)
                return error_set(error, ERROR_UNAVAILABLE, "the system bus cannot be reached");
        r = bus_client_new_call(bus, options, list->method, &m);
        if (r < 0)
                return error_set_errno(error, r, "make a call");
        r = bus_client_call(bus, m, &reply, error);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(error, ERROR_UNAVAILABLE, "the daemon is not on the system bus");
        r = read_rows(reply, list, ret);
        return r < 0 ? error_set_errno(error, r, "read the daemon's answer") : 0;
}

/* ---- showing ------------------------------------------------------------------------------------------- */

static int format_time(int64_t usec, char buffer[static CELL_MAX]) {
        const time_t t = (time_t) ((uint64_t) usec / USEC_PER_SEC);
        struct tm tm;

        return localtime_r(&t, &tm) && strftime(buffer, CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm) > 0 ? 0 : -EINVAL;
}

static int format_number(int64_t value, char buffer[static CELL_MAX]) {
        snprintf(buffer, CELL_MAX, "%" PRIi64, value);
        return 0;
}

/* The text of a cell, in `buffer` or the value's own. */
static const char *cell(json_object *row, const Column *column, char buffer[static CELL_MAX]) {
        json_object *value = json_member(row, column->member);

        if (column->type == 's')
                return json_object_get_string(value);
        int (*format)(int64_t, char *) = column->format ?: format_number;
        return format(json_object_get_int64(value), buffer) < 0 ? "-" : buffer;
}

/* Characters, which is what they take on a terminal, more or less. */
static size_t width(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char) *s & 0xC0) != 0x80;
        return n;
}

static int append_cell(Buffer *text, const Style *style, const char *s, size_t pad_to) {
        size_t n = width(s);

        int r = append_text(text, style, s, strlen(s), /* lines= */ false);
        for (; r >= 0 && n < pad_to; n++)
                r = buffer_append_string(text, " ");
        return r;
}

/* One line; NULL is that of the titles. The last column ends where it ends. */
static int append_row(Buffer *text, const Style *style, const List *list, json_object *row,
                      const size_t *widths) {
        char buffer[CELL_MAX];
        int r = 0;

        for (size_t i = 0; list->columns[i].type && r >= 0; i++) {
                const Column *c = &list->columns[i];
                bool last = !c[1].type;

                r = append_cell(text, style, row ? cell(row, c, buffer) : c->title, last ? 0 : widths[i]);
                if (r >= 0)
                        r = buffer_append_string(text, last ? "\n" : "  ");
        }
        return r;
}

static int append_table(Buffer *text, const Style *style, const List *list, json_object *rows, bool titles) {
        const size_t n = json_object_array_length(rows);
        size_t widths[COLUMNS_MAX] = {};
        char buffer[CELL_MAX];
        int r = 0;

        for (size_t i = 0; list->columns[i].type; i++) {
                widths[i] = titles ? width(list->columns[i].title) : 0;
                for (size_t k = 0; k < n; k++) {
                        const char *s = cell(json_object_array_get_idx(rows, k), &list->columns[i], buffer);
                        widths[i] = MAX(widths[i], width(s));
                }
        }
        if (titles) {
                r = buffer_append_string(text, style_colour(style, COLOUR_BOLD));
                if (r >= 0)
                        r = append_row(text, style, list, NULL, widths);
                if (r >= 0)
                        r = buffer_append_string(text, style_colour(style, COLOUR_PLAIN));
        }
        for (size_t k = 0; k < n && r >= 0; k++)
                r = append_row(text, style, list, json_object_array_get_idx(rows, k), widths);
        return r;
}

static int show(const Options *options, const List *list, Error *error) {
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(buffer_clear) Buffer text = {};
        Style style = style_of(STDOUT_FILENO);
        int r;

        if (options->socket)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "lists are asked for on the system bus: name an instance, not a socket");
        r = ask(options, list, &rows, error);
        if (r < 0)
                return r;
        if (options->json)
                return print_json(rows, error);
        if (json_object_array_length(rows) > 0)
                r = append_table(&text, &style, list, rows, !options->quiet);
        else if (!options->quiet)
                r = buffer_printf(&text, "No %s.\n", list->what);
        return r < 0 ? error_oom(error) : print_buffer(&text, error);
}

int verb_list(const Options *options, Error *error) {
        static const List list = {
                .method = "ListContainers",
                .fields = "ssso",
                .what = "containers",
                .columns = { { 's', "id", "CONTAINER", NULL },
                             { 's', "image", "IMAGE", NULL },
                             { 's', "state", "STATE", NULL } },
        };
        return show(options, &list, error);
}

int verb_images(const Options *options, Error *error) {
        static const List list = {
                .method = "ListImages",
                .fields = "ssto",
                .what = "images",
                .columns = { { 's', "name", "IMAGE", NULL },
                             { 's', "digest", "DIGEST", NULL },
                             { 't', "created", "CREATED", format_time } },
        };
        return show(options, &list, error);
}

int verb_jobs(const Options *options, Error *error) {
        static const List list = {
                .method = "ListJobs",
                .fields = "tssuso",
                .what = "jobs",
                .columns = { { 't', "id", "JOB", NULL },
                             { 's', "command", "COMMAND", NULL },
                             { 's', "resource", "RESOURCE", NULL },
                             { 'u', "uid", "UID", NULL },
                             { 's', "state", "STATE", NULL } },
        };
        return show(options, &list, error);
}
