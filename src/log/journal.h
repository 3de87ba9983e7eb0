/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sending to journald by its native protocol (systemd's docs/JOURNAL_NATIVE_PROTOCOL.md), and not losing
 * anything while it is restarted or killed: unlike sd_journal_sendv(3), which takes an absent journal for
 * success. Only what is in the queue of the journal's socket goes with it when the socket's unit is stopped:
 * nobody is told. */

#include <sys/uio.h>
#include <sys/un.h>

#include "base/macro.h"
#include "base/time-util.h"

/* Messages on their way to journald, in bytes: with the kernel's default, journald and this would take turns
 * line by line. */
#define JOURNAL_SEND_BUFFER ((int) MIB(8))

/* How long one message waits for a journal that cannot be reached; and when there is no time left, as the
 * shim waits 12 seconds for its logger after the container has gone. */
#define JOURNAL_PATIENCE_USEC (120 * USEC_PER_SEC)
#define JOURNAL_LAST_PATIENCE_USEC (8 * USEC_PER_SEC)

/* The time from one try to the next grows between these. */
#define JOURNAL_RETRY_MIN_USEC (5 * USEC_PER_MSEC)
#define JOURNAL_RETRY_MAX_USEC (500 * USEC_PER_MSEC)

typedef struct Journal {
        int fd;
        struct sockaddr_un address;
        uint64_t patience, last_patience; /* in microseconds */
        bool (*is_last)(void *userdata);  /* whether there is no time left; NULL: never */
        void *userdata;
        uint64_t lost; /* messages given up; reset by whoever reports them */
} Journal;

/* The journal whose socket has this path; it need not be there yet. Negative errno. */
int journal_open(Journal *ret, const char *socket_path);
void journal_close(Journal *journal);

/* Whether somebody listens at a socket's path. */
bool journal_is_there(const char *socket_path);

/* Sends one message that is serialised already: its parts one after another are "NAME=VALUE\n" fields, or the
 * binary form. Waits for as long as a live journald has no room. 0; a negative errno for a message that was
 * given up, which is counted. While any are lost and not reported only one try is made, as the journal is
 * away. */
int journal_send(Journal *journal, const struct iovec *parts, size_t n_parts);
