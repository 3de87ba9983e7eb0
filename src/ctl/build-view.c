/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/build-view.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/string-util.h"

/* Back to the line's start, and nothing in it. */
#define OVERWRITE "\r\033[K"

const char *format_size(char buffer[static SIZE_TEXT_MAX], uint64_t bytes) {
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        size_t unit = 0;

        if (bytes < KIB(1)) {
                snprintf(buffer, SIZE_TEXT_MAX, "%" PRIu64 " B", bytes);
                return buffer;
        }
        while (bytes >= MIB(1)) {
                bytes >>= 10;
                unit++;
        }
        uint64_t tenths = bytes * 10 / KIB(1);
        snprintf(buffer, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
        return buffer;
}

int build_view_end(BuildView *view, Buffer *buffer) {
        const char *text = view->in_transit ? OVERWRITE : view->in_line ? "\n" : "";

        view->in_transit = view->in_line = false;
        return buffer_append_string(buffer, text);
}

static const char *get_string(json_object *payload, const char *name) {
        const char *s = NULL;

        return json_get_string(payload, name, &s, NULL) > 0 ? s : NULL;
}

static int add_step(BuildView *view, json_object *payload, const char *words, Buffer *buffer) {
        int64_t step = 0, of = 0;
        int r;

        (void) json_get_int64(payload, "step", &step, NULL);
        (void) json_get_int64(payload, "of", &of, NULL);
        r = build_view_end(view, buffer);
        if (r >= 0)
                r = buffer_append_string(buffer,
                                         style_colour(&view->style, step > 0 ? COLOUR_CYAN : COLOUR_BOLD));
        if (r >= 0 && step > 0)
                r = buffer_printf(buffer, "[%" PRIi64 "/%" PRIi64 "] ", step, of);
        else if (r >= 0)
                r = buffer_printf(buffer, "stage %s (%s): ", strempty(get_string(payload, "stage")),
                                  strempty(get_string(payload, "platform")));
        /* A command of several lines goes on under its first. */
        for (const char *line = words, *end; r >= 0; line = end + 1) {
                end = strchrnul(line, '\n');
                r = append_text(buffer, &view->style, line, (size_t) (end - line), /* lines= */ false);
                if (!*end)
                        break;
                if (r >= 0)
                        r = buffer_append_string(buffer, "\n      ");
        }
        return r < 0 ? r : buffer_printf(buffer, "%s\n", style_colour(&view->style, COLOUR_PLAIN));
}

static int add_line(BuildView *view, json_object *payload, json_object *line, Buffer *buffer) {
        bool partial = false, is_error = streq(strempty(get_string(payload, "stream")), "stderr");
        int r = 0;

        (void) json_get_bool(payload, "partial", &partial, NULL);
        if (view->in_transit)
                r = build_view_end(view, buffer);
        if (r >= 0 && !view->in_line)
                r = buffer_append_string(buffer, "  | ");
        if (r >= 0 && is_error)
                r = buffer_append_string(buffer, style_colour(&view->style, COLOUR_YELLOW));
        if (r >= 0)
                r = append_text(buffer, &view->style, json_object_get_string(line),
                                (size_t) json_object_get_string_len(line), /* lines= */ false);
        if (r >= 0 && is_error)
                r = buffer_append_string(buffer, style_colour(&view->style, COLOUR_PLAIN));
        view->in_line = partial;
        return r < 0 || partial ? r : buffer_append_string(buffer, "\n");
}

static int add_bytes(BuildView *view, int64_t bytes, Buffer *buffer) {
        char text[SIZE_TEXT_MAX];
        int r;

        if (!view->style.terminal)
                return 0;
        r = build_view_end(view, buffer);
        view->in_transit = true;
        return r < 0 ? r : buffer_printf(buffer, "  %s", format_size(text, (uint64_t) MAX(bytes, 0)));
}

int build_view_add(BuildView *view, json_object *payload, Buffer *buffer) {
        json_object *line = json_member(payload, "line");
        const char *words = get_string(payload, "words");
        int64_t bytes;

        if (words)
                return add_step(view, payload, words, buffer);
        if (json_object_is_type(line, json_type_string))
                return add_line(view, payload, line, buffer);
        if (json_get_int64(payload, "bytes", &bytes, NULL) > 0)
                return add_bytes(view, bytes, buffer);
        return 0;
}
