/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time-util.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t now_usec(clockid_t clock) {
        struct timespec ts = {};

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

const char *format_span(char buffer[static SPAN_MAX], uint64_t usec) {
        uint64_t seconds = usec / USEC_PER_SEC, minutes = seconds / 60, hours = minutes / 60;

        if (hours > 0)
                snprintf(buffer, SPAN_MAX, "%" PRIu64 "h%" PRIu64 "m%" PRIu64 "s", hours, minutes % 60,
                         seconds % 60);
        else if (minutes > 0)
                snprintf(buffer, SPAN_MAX, "%" PRIu64 "m%" PRIu64 "s", minutes, seconds % 60);
        else
                snprintf(buffer, SPAN_MAX, "%" PRIu64 "s", seconds);
        return buffer;
}

const char *format_timestamp(char buffer[static TIMESTAMP_MAX], uint64_t usec) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        struct tm tm = {};

        gmtime_r(&seconds, &tm);
        strftime(buffer, TIMESTAMP_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return buffer;
}
