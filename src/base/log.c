/* SPDX-License-Identifier: Apache-2.0 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

typedef enum LogTarget {
        LOG_TARGET_PLAIN,
        LOG_TARGET_TERMINAL,
        LOG_TARGET_JOURNAL,
} LogTarget;

struct LogContext {
        LogContext *outer;
        char field[];
};

/* A message has this many fields at most: 7 of its own, the rest from its caller and the context. */
#define LOG_FIELDS_MAX 48

/* What a program says of itself is bounded; output of steps and containers does not come this way. */
#define LOG_LINE_MAX 16384

static const char *log_identifier = "cruxd";
static LogTarget log_target = LOG_TARGET_PLAIN;
static int log_max_level = LOG_INFO;
static _Thread_local LogContext *log_context;

/* $JOURNAL_STREAM holds device and inode of the stream that systemd connected: see systemd.exec(5). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *identifier) {
        log_identifier = identifier;
        if (stderr_is_journal())
                log_target = LOG_TARGET_JOURNAL;
        else if (isatty(STDERR_FILENO))
                log_target = LOG_TARGET_TERMINAL;
        else
                log_target = LOG_TARGET_PLAIN;
}

void log_set_max_level(int level) {
        log_max_level = level;
}

int log_get_max_level(void) {
        return log_max_level;
}

static const char *const level_words[] = { "emerg",   "alert",  "crit", "err",
                                           "warning", "notice", "info", "debug" };

int log_level_from_string(const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(level_words); i++)
                if (streq(level_words[i], word) || (word[0] == '0' + (char) i && !word[1]))
                        return (int) i;
        return -EINVAL;
}

const char *log_level_to_string(int level) {
        return level >= 0 && level < (int) ELEMENTSOF(level_words) ? level_words[level] : "info";
}

static void add_field(struct iovec *fields, size_t *n, const char *field) {
        if (*n < LOG_FIELDS_MAX)
                fields[(*n)++] = (struct iovec) { .iov_base = (char *) field, .iov_len = strlen(field) };
}

static void write_journal(int level, int errnum, const char *file, int line, const char *function,
                          const char *const *more, const char *message) {
        struct iovec fields[LOG_FIELDS_MAX];
        char priority[32], place[32], number[32], code_file[256], code_function[128], identifier[128];
        size_t n = 0;

        add_field(fields, &n, message);
        snprintf(priority, sizeof(priority), "PRIORITY=%i", level);
        add_field(fields, &n, priority);
        snprintf(identifier, sizeof(identifier), "SYSLOG_IDENTIFIER=%s", log_identifier);
        add_field(fields, &n, identifier);
        snprintf(code_file, sizeof(code_file), "CODE_FILE=%s", file);
        add_field(fields, &n, code_file);
        snprintf(place, sizeof(place), "CODE_LINE=%i", line);
        add_field(fields, &n, place);
        snprintf(code_function, sizeof(code_function), "CODE_FUNC=%s", function);
        add_field(fields, &n, code_function);
        if (errnum) {
                snprintf(number, sizeof(number), "ERRNO=%i", errnum);
                add_field(fields, &n, number);
        }
        for (; more && *more; more++)
                add_field(fields, &n, *more);
        for (LogContext *c = log_context; c; c = c->outer)
                add_field(fields, &n, c->field);

        (void) sd_journal_sendv(fields, (int) n);
}

static void write_terminal(int level, const char *message) {
        static const char *const colours[] = {
                [LOG_EMERG] = "\033[1;31m",
                [LOG_ALERT] = "\033[1;31m",
                [LOG_CRIT] = "\033[1;31m",
                [LOG_ERR] = "\033[1;31m",
                [LOG_WARNING] = "\033[1;33m",
                [LOG_NOTICE] = "\033[1m",
                [LOG_INFO] = "",
                [LOG_DEBUG] = "\033[2m",
        };
        const char *colour = getenv("NO_COLOR") ? "" : colours[level];

        dprintf(STDERR_FILENO, "%s%s%s\n", colour, message, colour[0] ? "\033[0m" : "");
}

int log_write(int level, int errnum, const char *file, int line, const char *function,
              const char *const *fields, const char *format, ...) {
        static const char name[] = "MESSAGE=";
        char message[LOG_LINE_MAX] = "MESSAGE=";
        int saved_errno = errno;
        va_list args;

        errnum = abs(errnum);
        errno = errnum; /* for %m */
        va_start(args, format);
        vsnprintf(message + strlen(name), sizeof(message) - strlen(name), format, args);
        va_end(args);

        if (log_target == LOG_TARGET_JOURNAL)
                write_journal(level, errnum, file, line, function, fields, message);
        else if (log_target == LOG_TARGET_TERMINAL)
                write_terminal(level, message + strlen(name));
        else
                dprintf(STDERR_FILENO, "<%i>%s\n", level, message + strlen(name));

        errno = saved_errno;
        return -errnum;
}

/* Without a place in the code: what is passed on was not said here. */
static void write_journal_bytes(int level, const char *const *more, const char *data, size_t n) {
        static const char name[] = "MESSAGE=";
        struct iovec fields[LOG_FIELDS_MAX];
        char priority[32], identifier[128];
        size_t n_fields = 1;

        char *message = malloc(strlen(name) + n);
        if (!message)
                return;
        memcpy(message, name, strlen(name));
        memcpy(message + strlen(name), data, n);
        fields[0] = (struct iovec) { .iov_base = message, .iov_len = strlen(name) + n };
        snprintf(priority, sizeof(priority), "PRIORITY=%i", level);
        add_field(fields, &n_fields, priority);
        snprintf(identifier, sizeof(identifier), "SYSLOG_IDENTIFIER=%s", log_identifier);
        add_field(fields, &n_fields, identifier);
        for (; more && *more; more++)
                add_field(fields, &n_fields, *more);
        for (LogContext *c = log_context; c; c = c->outer)
                add_field(fields, &n_fields, c->field);

        (void) sd_journal_sendv(fields, (int) n_fields);
        free(message);
}

void log_bytes(int level, const char *const *fields, const char *prefix, const char *data, size_t n) {
        int saved_errno = errno;

        if (level > log_max_level)
                return;
        if (log_target == LOG_TARGET_JOURNAL)
                write_journal_bytes(level, fields, data, n);
        else if (log_target == LOG_TARGET_TERMINAL)
                dprintf(STDERR_FILENO, "%s%.*s\n", prefix, (int) n, data);
        else
                dprintf(STDERR_FILENO, "<%i>%s%.*s\n", level, prefix, (int) n, data);
        errno = saved_errno;
}

LogContext *log_context_push(const char *format, ...) {
        va_list args;

        va_start(args, format);
        int n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0)
                return NULL;

        LogContext *context = malloc(sizeof(*context) + (size_t) n + 1);
        if (!context)
                return NULL;
        va_start(args, format);
        vsnprintf(context->field, (size_t) n + 1, format, args);
        va_end(args);
        context->outer = log_context;
        log_context = context;
        return context;
}

LogContext *log_context_push_field(const char *name, const char *value) {
        return value && value[0] ? log_context_push("%s=%s", name, value) : NULL;
}

void log_context_pop(LogContext **context) {
        if (!*context)
                return;
        log_context = (*context)->outer;
        free(*context);
        *context = NULL;
}
