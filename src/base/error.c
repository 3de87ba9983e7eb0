/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *word;
        int errnum;
} codes[_ERROR_CODE_MAX] = {
        [ERROR_NONE] = { "none", 0 },
        [ERROR_INVALID_ARGUMENT] = { "invalid-argument", EINVAL },
        [ERROR_NOT_FOUND] = { "not-found", ENOENT },
        [ERROR_NOT_RUNNING] = { "not-running", ESRCH },
        [ERROR_ALREADY_EXISTS] = { "already-exists", EEXIST },
        [ERROR_PERMISSION_DENIED] = { "permission-denied", EACCES },
        [ERROR_BUSY] = { "busy", EBUSY },
        [ERROR_CANCELLED] = { "cancelled", ECANCELED },
        [ERROR_COMMAND_FAILED] = { "command-failed", EREMOTEIO },
        [ERROR_BUILD_FAILED] = { "build-failed", EBADE },
        [ERROR_UNSUPPORTED] = { "unsupported", EOPNOTSUPP },
        [ERROR_UNAVAILABLE] = { "unavailable", EHOSTDOWN },
        [ERROR_INTERNAL] = { "internal", EIO },
};

const char *error_code_to_string(ErrorCode code) {
        return code < _ERROR_CODE_MAX ? codes[code].word : codes[ERROR_INTERNAL].word;
}

ErrorCode error_code_from_string(const char *word) {
        for (ErrorCode code = ERROR_INVALID_ARGUMENT; code < _ERROR_CODE_MAX; code++)
                if (streq(codes[code].word, strempty(word)))
                        return code;
        return ERROR_NONE;
}

int error_code_to_errno(ErrorCode code) {
        return code < _ERROR_CODE_MAX ? -codes[code].errnum : -EIO;
}

ErrorCode error_code_from_errno(int errnum) {
        switch (abs(errnum)) {
        case 0:
                return ERROR_NONE;
        case ENOENT:
                return ERROR_NOT_FOUND;
        case EPERM:
        case EACCES:
        case EROFS:
                return ERROR_PERMISSION_DENIED;
        case EINVAL:
        case ENOTDIR:
        case EISDIR:
        case ELOOP:
        case EXDEV:
        case ENAMETOOLONG:
        case E2BIG:
        case EMSGSIZE:
        case EBADMSG:
                return ERROR_INVALID_ARGUMENT;
        default:
                break;
        }
        for (ErrorCode code = ERROR_INVALID_ARGUMENT; code < _ERROR_CODE_MAX; code++)
                if (codes[code].errnum == abs(errnum))
                        return code;
        return ERROR_INTERNAL;
}

static void error_take(Error *error, ErrorCode code, char *message) {
        if (!error) {
                free(message);
                return;
        }
        free(error->message);
        *error = (Error) { .code = code, .message = message };
}

_printf_(1, 0) static char *format_message(const char *format, va_list args) {
        char *message = NULL;
        return vasprintf(&message, format, args) < 0 ? NULL : message;
}

int error_set(Error *error, ErrorCode code, const char *format, ...) {
        if (error) {
                va_list args;
                va_start(args, format);
                error_take(error, code, format_message(format, args));
                va_end(args);
        }
        return error_code_to_errno(code);
}

int error_set_errno(Error *error, int errnum, const char *format, ...) {
        if (error) {
                va_list args;
                va_start(args, format);
                _cleanup_free_ char *context = format_message(format, args);
                va_end(args);

                char *message = NULL;
                if (!context || asprintf(&message, "%s: %s", context, errno_words(errnum)) < 0)
                        message = NULL;
                error_take(error, error_code_from_errno(errnum), message);
        }
        return -abs(errnum);
}

int error_oom(Error *error) {
        error_take(error, ERROR_INTERNAL, NULL);
        return -ENOMEM;
}

int error_prefix(Error *error, int r, const char *format, ...) {
        if (!error_is_set(error))
                return r;

        va_list args;
        va_start(args, format);
        _cleanup_free_ char *context = format_message(format, args);
        va_end(args);

        char *message = NULL;
        if (context && asprintf(&message, "%s: %s", context, error_message(error)) >= 0) {
                free(error->message);
                error->message = message;
        }
        return r;
}

int error_recode(Error *error, ErrorCode code) {
        if (error)
                error->code = code;
        return error_code_to_errno(code);
}

const char *error_message(const Error *error) {
        if (!error_is_set(error))
                return "no error";
        return error->message ? error->message : "out of memory";
}

void error_move(Error *ret, Error *error) {
        error_take(ret, error->code, TAKE_PTR(error->message));
        error->code = ERROR_NONE;
}

void error_clear(Error *error) {
        if (!error)
                return;
        error->message = mfree(error->message);
        error->code = ERROR_NONE;
}

const char *errno_words(int errnum) {
        static _Thread_local char words[128];
        const char *text = strerrordesc_np(abs(errnum));

        if (!text)
                snprintf(words, sizeof(words), "errno %i", abs(errnum));
        else
                /* "No such file" begins a sentence, ours stands inside one; "RPC …" stays as it is. */
                snprintf(words, sizeof(words), "%c%s",
                         text[0] && islower((unsigned char) text[1]) ? tolower((unsigned char) text[0])
                                                                     : text[0],
                         text[0] ? text + 1 : "");
        return words;
}
