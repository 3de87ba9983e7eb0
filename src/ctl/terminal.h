/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is printed, and what differs where people look: colours, and text of others that must not steer the
 * terminal. */

#include "base/json.h"

typedef enum Colour {
        COLOUR_PLAIN,
        COLOUR_BOLD,
        COLOUR_RED,
        COLOUR_GREEN,
        COLOUR_YELLOW,
        COLOUR_CYAN,
        _COLOUR_MAX,
} Colour;

typedef struct Style {
        bool terminal; /* somebody looks */
        bool colours;  /* and wants them: no $NO_COLOR, and not TERM=dumb */
} Style;

/* How to write to an fd. */
Style style_of(int fd);

/* Switches a colour on, or back by COLOUR_PLAIN; "" where there are none. */
const char *style_colour(const Style *style, Colour colour);

/* Appends text that somebody else wrote. For a terminal, control characters other than tab and, where `lines`
 * is set, newline are written as "\x1b"; of a line that goes back to its start by carriage returns, as
 * progress bars do, only what would stay visible is. Elsewhere it goes through as it is. 0 or -ENOMEM. */
int append_text(Buffer *buffer, const Style *style, const char *text, size_t n, bool lines);

/* Writes to standard output. Gives EXIT_SUCCESS, or an error. */
int print_buffer(const Buffer *buffer, Error *error);

/* The same of a payload, as a line of JSON; "{}" where there is none. */
int print_json(json_object *payload, Error *error);
