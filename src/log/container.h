/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is known of the container whose output this is: the fields that each of its messages has. */

#include "base/buffer.h"

typedef struct ContainerLog {
        const char *instance;          /* of cruxd */
        const char *name;              /* what people call the container */
        const char *id;                /* what containerd calls it */
        const char *namespace;         /* of containerd */
        const char *unit;              /* its scope, or NULL for the usual one */
        const char *journal_namespace; /* of journald, or NULL */
} ContainerLog;

/* Takes the shim's arguments, the KEY VALUE pairs of its logging URI in any order, and its environment.
 * Unknown keys are left for later versions of whoever starts this. All strings are borrowed. */
ContainerLog container_log_parse(int argc, char *const argv[], char *const environment[]);

/* Appends the fields, serialised for the journal. -ENOMEM. */
int container_log_fields(const ContainerLog *container, Buffer *ret);

#define JOURNAL_SOCKET_PATH_MAX 108

/* Where that journal listens; the main one's place where the namespace has no valid name. Gives `buffer`. */
const char *container_log_socket(const ContainerLog *container, char buffer[static JOURNAL_SOCKET_PATH_MAX]);
