/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one error convention.
 *
 * A function that can fail gives an int: 0 or more on success, a negative errno on failure. Where the words
 * matter (nearly everywhere above base/), its last parameter is an Error, which the function fills in
 * whenever, and only when, it gives a negative value. The errno is for code that must tell failures apart on
 * the spot; the Error is what reaches the client: a stable code for programs and a message for people. On the
 * way up each layer may put its context before the message ("stage 1: step 2: …") with error_prefix(); nobody
 * logs an error that he returns.
 *
 * An Error belongs to whoever declared it, `_cleanup_(error_clear) Error error = {};`. A NULL Error is taken
 * everywhere and means that the caller does not care for words. */

#include "base/macro.h"

typedef enum ErrorCode {
        ERROR_NONE, /* not set */
        ERROR_INVALID_ARGUMENT,
        ERROR_NOT_FOUND,
        ERROR_NOT_RUNNING,
        ERROR_ALREADY_EXISTS,
        ERROR_PERMISSION_DENIED,
        ERROR_BUSY,
        ERROR_CANCELLED,
        ERROR_COMMAND_FAILED,
        ERROR_BUILD_FAILED,
        ERROR_UNSUPPORTED,
        ERROR_UNAVAILABLE,
        ERROR_INTERNAL,
        _ERROR_CODE_MAX,
} ErrorCode;

typedef struct Error {
        ErrorCode code;
        char *message; /* owned; NULL when there was no memory for it: read it with error_message() */
} Error;

/* The word for programs: "invalid-argument". Never NULL. */
const char *error_code_to_string(ErrorCode code) _const_;

/* The code of a word, or ERROR_NONE for a word that is none. */
ErrorCode error_code_from_string(const char *word) _pure_;

/* The negative errno that goes with a code, and the code that fits an errno best (either sign). */
int error_code_to_errno(ErrorCode code) _const_;
ErrorCode error_code_from_errno(int errnum) _const_;

/* Fills in the error, replacing what was there, and gives the code's errno: `return error_set(error, …)`. */
int error_set(Error *error, ErrorCode code, const char *format, ...) _printf_(3, 4);

/* The same from an errno (either sign): the message is "FORMAT: words of the errno"; gives the errno,
 * negative. */
int error_set_errno(Error *error, int errnum, const char *format, ...) _printf_(3, 4);

/* Out of memory: allocates nothing, gives -ENOMEM. */
int error_oom(Error *error);

/* Puts "FORMAT: " before the message and gives r, unchanged: `return error_prefix(error, r, "stage %u", n)`.
 */
int error_prefix(Error *error, int r, const char *format, ...) _printf_(3, 4);

/* Replaces the code, keeping the message; gives the new code's errno. */
int error_recode(Error *error, ErrorCode code);

/* The words; never NULL. The string belongs to the error. */
const char *error_message(const Error *error);

static inline bool error_is_set(const Error *error) {
        return error && error->code != ERROR_NONE;
}

/* Moves an error into *ret (which may be NULL) and leaves the source clear. */
void error_move(Error *ret, Error *error);

/* Frees and resets. Takes a clear one, and NULL. */
void error_clear(Error *error);

/* The words of an errno (either sign), beginning in lower case: "no such file or directory". The string is
 * static or thread-local: use it at once. */
const char *errno_words(int errnum);
