/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A growing run of bytes. Not NUL-terminated. Zero-initialised is empty. */

#include "base/macro.h"

typedef struct Buffer {
        char *data; /* owned, from malloc */
        size_t length;
        size_t allocated;
} Buffer;

/* Makes room for n more bytes behind the length: 0 or -ENOMEM. */
int buffer_reserve(Buffer *buffer, size_t n);

/* 0 or -ENOMEM, and then nothing was appended. */
int buffer_append(Buffer *buffer, const void *data, size_t n);
int buffer_append_string(Buffer *buffer, const char *s);
int buffer_printf(Buffer *buffer, const char *format, ...) _printf_(2, 3);

/* Drops n bytes (at most what is there) from the front. */
void buffer_consume(Buffer *buffer, size_t n);

/* Frees and empties. */
void buffer_clear(Buffer *buffer);
