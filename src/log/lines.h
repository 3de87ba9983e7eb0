/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A stream of bytes as lines, in constant memory. */

#include "base/macro.h"

/* A longer line is cut into parts of at most so many bytes, not inside a UTF-8 sequence. */
#define LINE_BYTES_MAX ((size_t) KIB(64))

/* A line without its newline, or a part of one: `begins` and `ends` say which. The bytes are the buffer's. */
typedef void (*LineHandler)(void *userdata, const char *line, size_t length, bool begins, bool ends);

/* Zero-initialised is empty. */
typedef struct LineBuffer {
        size_t length;
        size_t searched;               /* no newline before this */
        bool in_line;                  /* parts of the present line have been given out */
        char data[LINE_BYTES_MAX + 1]; /* so that the newline after a line of the greatest length is seen */
} LineBuffer;

/* Where to put more bytes; at least one finds room. */
char *line_buffer_space(LineBuffer *buffer, size_t *ret_size);

/* Says that n bytes have been put there, and gives out the lines that are complete. */
void line_buffer_added(LineBuffer *buffer, size_t n, LineHandler handler, void *userdata);

/* Gives out what is left as a line: the stream has ended. */
void line_buffer_end(LineBuffer *buffer, LineHandler handler, void *userdata);
