/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/build-view.h"
#include "test.h"

static const Style file = {}, terminal = { .terminal = true },
                   coloured = { .terminal = true, .colours = true };

/* Feeds payloads to a view and compares what it shows of them. */
static void check(const char *const *payloads, Style style, const char *expected) {
        _cleanup_(buffer_clear) Buffer text = {};
        BuildView view = { .style = style };

        for (; *payloads; payloads++) {
                _cleanup_json_ json_object *payload = NULL;

                ASSERT_OK(json_parse(*payloads, strlen(*payloads), 8, &payload, NULL));
                ASSERT_OK(build_view_add(&view, payload, &text));
        }
        ASSERT_OK(build_view_end(&view, &text));
        ASSERT_OK(buffer_append(&text, "", 1));
        ASSERT_STREQ(text.data, expected);
}

#define VIEW(style, expected, ...) check((const char *const[]) { __VA_ARGS__, NULL }, style, expected)

#define PLACE "\"job\":\"1\",\"platform\":\"linux/amd64\",\"stage\":\"make\",\"of\":2,"

TEST(a_build) {
        VIEW(file,
             "stage make (linux/amd64): gcc.tar\n"
             "[1/2] run make\n"
             "  | cc a.c\n"
             "  | warning\n"
             "stage make (linux/amd64): export\n",
             "{" PLACE "\"step\":0,\"words\":\"gcc.tar\"}", "{" PLACE "\"step\":1,\"words\":\"run make\"}",
             "{" PLACE "\"step\":1,\"stream\":\"stdout\",\"line\":\"cc a.c\"}",
             "{" PLACE "\"step\":1,\"stream\":\"stderr\",\"line\":\"warning\"}",
             "{" PLACE "\"step\":0,\"words\":\"export\"}", "{" PLACE "\"step\":0,\"bytes\":4096}");
}

TEST(a_command_of_several_lines) {
        VIEW(terminal, "[2/2] run a\n      b\n", "{" PLACE "\"step\":2,\"words\":\"run a\\nb\"}");
}

TEST(a_line_in_parts) {
        VIEW(file, "  | one line\n  | unfinished\n[1/2] run x\n",
             "{\"stream\":\"stdout\",\"line\":\"one \",\"partial\":true}",
             "{\"stream\":\"stdout\",\"line\":\"line\"}",
             "{\"stream\":\"stdout\",\"line\":\"unfinished\",\"partial\":true}",
             "{" PLACE "\"step\":1,\"words\":\"run x\"}");
}

TEST(bytes_are_overwritten_on_a_terminal) {
        VIEW(terminal, "  512 B\r\033[K  1.5 KiB\r\033[K  | x\n", "{\"bytes\":512}", "{\"bytes\":1536}",
             "{\"line\":\"x\"}");
        VIEW(terminal, "  512 B\r\033[K", "{\"bytes\":512}");
        VIEW(file, "", "{\"bytes\":512}");
}

TEST(what_is_not_known_shows_nothing) {
        VIEW(terminal, "", "{}", "{\"line\":5}", "{\"bytes\":\"many\"}", "{\"words\":null}",
             "{\"news\":\"x\"}");
}

TEST(output_does_not_steer_the_terminal) {
        static const char payload[] =
                "{\"stream\":\"stdout\",\"line\":\"a\\u001b[2Jb\\tc\\u0000d\\u009be\\u007f\xc3\xa9\"}";

        VIEW(terminal, "  | a\\x1b[2Jb\tc\\x00d\\xc2\\x9be\\x7f\xc3\xa9\n", payload);
}

TEST(progress_bars_show_their_end) {
        VIEW(terminal, "  |  100%\n", "{\"line\":\" 10%\\r 50%\\r 100%\\r\"}");
        VIEW(file, "  |  10%\r 50%\n", "{\"line\":\" 10%\\r 50%\"}");
}

TEST(colours_end_with_their_line) {
        VIEW(coloured, "\033[36m[1/2] run x\033[0m\n  | \033[33moh\033[0m\n",
             "{" PLACE "\"step\":1,\"words\":\"run x\"}", "{\"stream\":\"stderr\",\"line\":\"oh\"}");
}

TEST(messages_keep_their_lines) {
        static const char message[] = "failed:\n\033[31mred\n";
        _cleanup_(buffer_clear) Buffer text = {};

        ASSERT_OK(append_text(&text, &terminal, message, strlen(message), /* lines= */ true));
        ASSERT_OK(buffer_append(&text, "", 1));
        ASSERT_STREQ(text.data, "failed:\n\\x1b[31mred\n");
}

TEST(sizes) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } table[] = {
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1.0 KiB" },
                { MIB(1) - 1, "1023.9 KiB" },
                { MIB(1), "1.0 MiB" },
                { GIB(8) + MIB(512), "8.5 GiB" },
                { UINT64_MAX, "15.9 EiB" },
        };
        char buffer[SIZE_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                ASSERT_STREQ(format_size(buffer, table[i].bytes), table[i].text);
}
