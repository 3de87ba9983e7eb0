/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A socket that clients connect to: from systemd, or our own. */

#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/list.h"

typedef struct Listener Listener;
typedef struct Manager Manager;

struct Listener {
        Manager *manager;
        int fd;
        char *path; /* of our own socket, else NULL */
        dev_t device;
        ino_t inode; /* it is ours to remove as long as these are the path's */
        sd_event_source *io;
        sd_event_source *pause_timer;
        LIST_FIELDS(Listener, listeners);
};

/* Takes over a listening stream socket. */
int listener_new(Manager *manager, int fd, Listener **ret, Error *error);

/* Makes a socket of our own, see socket-path.h, and listens. */
int listener_new_at(Manager *manager, const char *path, Listener **ret, Error *error);

/* Accepts nobody any more; who is in the backlog stays there for the next daemon, where there is one. */
void listener_stop(Listener *listener);

/* Removes the socket's file if it is our own. */
Listener *listener_free(Listener *listener);

/* Takes all sockets that systemd passed (sd_listen_fds(3)): their number. What is no listening Unix stream
 * socket is an error. */
int listeners_from_systemd(Manager *manager, Error *error);
