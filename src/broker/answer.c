/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/answer.h"

#include <string.h>

static const char *take(const char **data, size_t *length, size_t n) {
        const char *start = *data;

        *data += n;
        *length -= n;
        return start;
}

static int hold(Answer *answer, const char *data, size_t n) {
        if (buffer_append(&answer->held, data, n) < 0)
                return -ENOMEM;
        /* What is none is seen at once, and not when the worker cares to end its line. */
        int kind = reply_kind_from_prefix(answer->held.data, answer->held.length);
        return kind < 0 && kind != -EAGAIN ? -EBADMSG : 0;
}

/* The first part of a line, or the whole. */
static int begin(Answer *answer, const char *data, size_t n, bool whole, AnswerPart *ret) {
        int kind = reply_kind_from_prefix(data, n);

        if (kind < 0)
                return -EBADMSG;
        answer->kind = (ReplyKind) kind;
        answer->streaming = !whole;
        *ret = (AnswerPart) { .kind = answer->kind, .data = data, .length = n, .first = true, .last = whole };
        return 1;
}

int answer_next(Answer *answer, const char **data, size_t *length, AnswerPart *ret) {
        int r;

        if (answer->passed) {
                answer->held.length = 0;
                answer->passed = false;
        }
        if (*length == 0)
                return 0;

        const char *newline = memchr(*data, '\n', *length);
        size_t n = newline ? (size_t) (newline - *data) + 1 : *length;

        if (answer->streaming) {
                answer->streaming = !newline;
                *ret = (AnswerPart) {
                        .kind = answer->kind,
                        .data = take(data, length, n),
                        .length = n,
                        .last = newline,
                };
                return 1;
        }

        if (answer->held.length == 0 && (newline || n > ANSWER_HOLD_MAX))
                return begin(answer, take(data, length, n), n, newline, ret);
        if (answer->held.length + n > ANSWER_HOLD_MAX) { /* the input comes after it, at the next call */
                answer->passed = true;
                return begin(answer, answer->held.data, answer->held.length, false, ret);
        }

        r = hold(answer, take(data, length, n), n);
        if (r < 0 || !newline)
                return r;
        answer->passed = true;
        return begin(answer, answer->held.data, answer->held.length, true, ret);
}

void answer_clear(Answer *answer) {
        buffer_clear(&answer->held);
        *answer = (Answer) {};
}
