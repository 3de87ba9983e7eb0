/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Looks after the instance's service containers and images for as long as it is let: tells what is there and
 * then what changes, however it was changed; and when a container's task ends by itself, notes how on the
 * container and deletes the task, with which the program that logs for it ends.
 *
 *     subscribe to events ──▶ list everything ──▶ event: look at what it is about ──▶ …
 *
 * An event only says what to look at: what is told is always what containerd says then, so that no order of
 * events can make it wrong. */

#include "runtime/runtime.h"

/* Borrowed for the call. */
typedef struct WatchedContainer {
        const char *id;
        const char *image;     /* name; "" when it has none */
        const char *state;     /* "running", "stopped", or "unknown" when its shim does not answer */
        uint64_t created_usec; /* CLOCK_REALTIME */
        uint32_t pid;          /* 0: it does not run */
        const char *unit;      /* the scope that it runs in; "" without systemd */
        bool has_ended;        /* it has run and ended, and how is known: */
        uint32_t exit_code;    /* or 128 and the signal */
        uint64_t exit_usec;
} WatchedContainer;

typedef struct WatchedImage {
        const char *name;
        const char *digest; /* of what it points at */
        uint64_t created_usec;
} WatchedImage;

/* A negative value, with words in `error`, ends the watch. */
typedef struct WatchObserver {
        int (*container)(void *userdata, const WatchedContainer *container, Error *error);
        int (*container_gone)(void *userdata, const char *id, Error *error); /* or it is none of ours */
        int (*image)(void *userdata, const WatchedImage *image, Error *error);
        int (*image_gone)(void *userdata, const char *name, Error *error);
        /* What has not been told of is not there; containerd's version. */
        int (*listed)(void *userdata, const char *version, Error *error);
        void *userdata;
} WatchObserver;

/* Until it is cancelled (ERROR_CANCELLED), containerd goes (ERROR_UNAVAILABLE) or the observer wants no more.
 */
int watch(Runtime *runtime, const WatchObserver *observer, Error *error);
