/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From a client's line to a job. Everything that can be told to be wrong without looking at the machine is
 * told here, before anything waits or runs. */

#include "broker/job.h"
#include "protocol/envelope.h"

/* A line has so many values and members at most: it is parsed as a whole, and each takes far more memory than
 * text. The largest recipe has fewer. */
#define REQUEST_VALUES_MAX ((size_t) KIB(256))

/* To be asked before a text is parsed: ERROR_INVALID_ARGUMENT for one of more than REQUEST_VALUES_MAX. */
int request_check_values(const char *text, size_t length, Error *error);

/* Decodes and checks a line, the recipe of a build included. `given` are members that came as fds. */
int request_read(const char *line, size_t length, Member given, Request *ret, Error *error);

/* Loads of the peer what the command needs: groups and pidfd where it is to act as the client. `fd` is its
 * connection. */
int request_load_peer(Command command, Peer *peer, int fd, Error *error);

/* Makes the job's request of the line and its decoded form, which lends its strings. Takes over what the
 * peer owns. Clear *ret in any case. */
int request_to_job(const Request *request, const char *line, size_t length, Peer *peer, JobRequest *ret,
                   Error *error);
