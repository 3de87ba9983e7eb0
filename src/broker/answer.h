/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A worker's answer, taken apart into its lines without being parsed or held as a whole.
 *
 * A line of up to ANSWER_HOLD_MAX comes out in one part, so that nothing of it has been passed on when the
 * worker dies in the middle. A longer one comes out in several as it arrives, and memory stays bounded
 * whatever its length. */

#include "protocol/envelope.h"

#define ANSWER_HOLD_MAX ((size_t) KIB(64))

/* Zero-initialised is at the start of an answer. */
typedef struct Answer {
        Buffer held;
        bool passed;    /* `held` was given out and is to be dropped */
        bool streaming; /* in a long line */
        ReplyKind kind; /* of that line */
} Answer;

typedef struct AnswerPart {
        ReplyKind kind;
        const char *data; /* borrowed: of the input, or of the Answer until its next call */
        size_t length;
        bool first; /* the line's first part */
        bool last;  /* with its newline */
} AnswerPart;

/* Takes bytes off the front of the input: 1 with a part, 0 when the input is used up, -EBADMSG for what is no
 * line of an answer, -ENOMEM. */
int answer_next(Answer *answer, const char **data, size_t *length, AnswerPart *ret);

/* Whether a line has begun that has not ended. */
static inline bool answer_is_partial(const Answer *answer) {
        return answer->streaming || (answer->held.length > 0 && !answer->passed);
}

/* Back to the start of an answer, without memory. */
void answer_clear(Answer *answer);
