/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A containerd for one test program: its own root, state and socket on a tmpfs of its own mount namespace, so
 * that it can be stopped, killed and started again, and is gone with the program. The system's own is not
 * touched. */

#include "containerd/client.h"
#include "containerd/types.h"
#include "tests/unit/test.h"

#define ASSERT_SUCCESS(expression) \
        do { \
                Error _e = {}; \
                Error *e = &_e; \
                int _r = (expression); \
                if (_r < 0) \
                        test_fail(__FILE__, __LINE__, "%s: %s", #expression, error_message(e)); \
        } while (false)

/* Fails with this errno, and with words in which this stands. The expression takes `e` for its Error. */
#define ASSERT_ERROR(expression, errnum, words) \
        do { \
                Error _e = {}; \
                Error *e = &_e; \
                int _r = (expression); \
                if (_r != -(errnum)) \
                        test_fail(__FILE__, __LINE__, "%s is %i (%s), expected %i", #expression, _r, \
                                  error_message(e), -(errnum)); \
                ASSERT_TRUE(error_is_set(e)); \
                ASSERT_EQ(error_code_to_errno(e->code), -(errnum)); \
                ASSERT_CONTAINS(error_message(e), words); \
                error_clear(e); \
        } while (false)

/* The directory of all that the fixture and the tests make. Skips the test where containerd cannot be
 * started: not root, not installed. */
const char *fixture_directory(void);

/* A client for the test's namespace, which is there; one for the whole program. */
CtrClient *fixture_client(void);

/* One more, for the caller to free. */
CtrClient *fixture_new_client(void);

const char *fixture_address(void);
const char *fixture_namespace(void);

/* Ends containerd by this signal, and starts it. Starting returns when the socket is there. */
void fixture_stop(int signal);
void fixture_start(void);

/* Whether the fixture's containerd is this version or later. */
bool fixture_is_at_least(unsigned major, unsigned minor);

/* A static busybox, to be copied into root filesystems; skips the test where there is none. */
const char *fixture_busybox(void);

/* Runs a line for the shell, which has to succeed. */
void fixture_run(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
