/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Logging of programs. Libraries return errors; programs log them, each once.
 *
 * Where stderr leads to the journal, every message goes to it by its native protocol, with its priority, its
 * place in the code, the fields of the message and those of the thread's context. On a terminal it is one
 * readable line; anywhere else it is a plain line with the "<N>" priority prefix of sd-daemon(3). */

#include <syslog.h>

#include "base/macro.h"

/* Chooses the target by looking at stderr. `identifier` becomes SYSLOG_IDENTIFIER and must outlive the
 * program. */
void log_open(const char *identifier);

/* Messages less urgent than this syslog level are dropped before they are formatted. */
void log_set_max_level(int level);
int log_get_max_level(void);

/* The level of a word ("err", "info", "debug" …) or number; negative errno -EINVAL for what is neither. */
int log_level_from_string(const char *word);
const char *log_level_to_string(int level);

/* Sends one message. `fields` is NULL or a NULL-terminated array of "NAME=value" that this message has beyond
 * its context. `errnum` (either sign, 0 for none) becomes ERRNO= and gives "%m" its meaning. Gives
 * -abs(errnum). errno is kept. */
int log_write(int level, int errnum, const char *file, int line, const char *function,
              const char *const *fields, const char *format, ...) _printf_(7, 8);

/* The same for a message of any bytes and length: output of programs. On a terminal `prefix` stands before
 * it. */
void log_bytes(int level, const char *const *fields, const char *prefix, const char *data, size_t n);

#define log_full(level, errnum, fields, ...) \
        ({ \
                int _level = (level), _errnum = (errnum); \
                _level <= log_get_max_level() \
                        ? log_write(_level, _errnum, __FILE__, __LINE__, __func__, (fields), __VA_ARGS__) \
                        : -abs(_errnum); \
        })

#define log_debug(...) log_full(LOG_DEBUG, 0, NULL, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, 0, NULL, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, 0, NULL, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, 0, NULL, __VA_ARGS__)
#define log_error(...) log_full(LOG_ERR, 0, NULL, __VA_ARGS__)

/* With an errno (either sign), for "%m": `return log_error_errno(r, "Failed to …: %m")`. */
#define log_debug_errno(errnum, ...) log_full(LOG_DEBUG, (errnum), NULL, __VA_ARGS__)
#define log_info_errno(errnum, ...) log_full(LOG_INFO, (errnum), NULL, __VA_ARGS__)
#define log_warning_errno(errnum, ...) log_full(LOG_WARNING, (errnum), NULL, __VA_ARGS__)
#define log_error_errno(errnum, ...) log_full(LOG_ERR, (errnum), NULL, __VA_ARGS__)

/* With fields of this message alone: log_struct(LOG_INFO, LOG_FIELDS("MESSAGE_ID=…", field), "Stage %u …",
 * n). */
#define log_struct(level, fields, ...) log_full((level), 0, (fields), __VA_ARGS__)
#define LOG_FIELDS(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* The thread's context: fields that every message has until the scope that pushed them is left.
 *
 *     LOG_CONTEXT("CRUXD_JOB=%s", id);
 *
 * Contexts must be popped in the reverse order of pushing, which scopes do by themselves. A failed push gives
 * NULL and costs the field alone. */
typedef struct LogContext LogContext;
LogContext *log_context_push(const char *format, ...) _printf_(1, 2);
void log_context_pop(LogContext **context);

/* The same for "NAME=value", unless the value is NULL or empty. */
LogContext *log_context_push_field(const char *name, const char *value);
#define LOG_CONTEXT_FIELD(name, value) \
        _cleanup_(log_context_pop) _unused_ LogContext *UNIQUE(_log_context_) = \
                log_context_push_field(name, value)

#define LOG_CONTEXT(...) \
        _cleanup_(log_context_pop) _unused_ LogContext *UNIQUE(_log_context_) = log_context_push(__VA_ARGS__)
