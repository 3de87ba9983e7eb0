/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/macro.h"

#define NSEC_PER_SEC UINT64_C(1000000000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX

/* Microseconds of a clock. */
uint64_t now_usec(clockid_t clock);

/* Long enough for any span that format_span() prints. */
#define SPAN_MAX 32

/* A span in whole seconds as "7m33s", "1h0m5s", "0s" (Go's time.Duration, which the protocol shows); gives
 * `buffer`. */
const char *format_span(char buffer[static SPAN_MAX], uint64_t usec);

#define TIMESTAMP_MAX 40

/* RFC 3339 in UTC with seconds: "2026-11-24T02:56:29Z"; gives `buffer`. */
const char *format_timestamp(char buffer[static TIMESTAMP_MAX], uint64_t usec);
