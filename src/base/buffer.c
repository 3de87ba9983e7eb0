/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUFFER_FIRST_ALLOCATION 256U

int buffer_reserve(Buffer *buffer, size_t n) {
        size_t needed;

        if (__builtin_add_overflow(buffer->length, n, &needed))
                return -ENOMEM;
        if (needed <= buffer->allocated)
                return 0;

        size_t allocated =
                MAX(MAX(buffer->allocated + buffer->allocated / 2, needed), (size_t) BUFFER_FIRST_ALLOCATION);
        char *data = realloc(buffer->data, allocated);
        if (!data)
                return -ENOMEM;
        buffer->data = data;
        buffer->allocated = allocated;
        return 0;
}

int buffer_append(Buffer *buffer, const void *data, size_t n) {
        if (n == 0)
                return 0;
        if (buffer_reserve(buffer, n) < 0)
                return -ENOMEM;
        memcpy(buffer->data + buffer->length, data, n);
        buffer->length += n;
        return 0;
}

int buffer_append_string(Buffer *buffer, const char *s) {
        return buffer_append(buffer, s, strlen(s));
}

int buffer_printf(Buffer *buffer, const char *format, ...) {
        va_list args;

        va_start(args, format);
        int n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0 || buffer_reserve(buffer, (size_t) n + 1) < 0)
                return -ENOMEM;

        va_start(args, format);
        vsnprintf(buffer->data + buffer->length, (size_t) n + 1, format, args);
        va_end(args);
        buffer->length += (size_t) n;
        return 0;
}

void buffer_consume(Buffer *buffer, size_t n) {
        n = MIN(n, buffer->length);
        buffer->length -= n;
        if (n > 0 && buffer->length > 0)
                memmove(buffer->data, buffer->data + n, buffer->length);
}

void buffer_clear(Buffer *buffer) {
        free(buffer->data);
        *buffer = (Buffer) {};
}
