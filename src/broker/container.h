/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A service container of the instance, as the watch (worker/watch-reply.h) has told of it last. */

#include "base/error.h"
#include "base/json.h"
#include "broker/object-table.h"

/* What is over it is not shown. */
#define CONTAINERS_MAX 4096U

typedef struct Manager Manager;

typedef struct Container {
        Object object; /* its name is the id */
        Manager *manager;
        char *image;
        char *state;
        char *unit; /* "": systemd has none for it */
        uint64_t created_usec;
        uint32_t pid;       /* 0: none */
        int32_t exit_code;  /* of its last run; -1: it runs, has not run yet, or nobody saw it end */
        uint64_t exit_usec; /* 0: the same */
} Container;

/* What can change; the names of the properties are container_property()'s. */
typedef enum ContainerChange {
        CONTAINER_CHANGE_IMAGE = 1 << 0,
        CONTAINER_CHANGE_STATE = 1 << 1,
        CONTAINER_CHANGE_UNIT = 1 << 2,
        CONTAINER_CHANGE_CREATED = 1 << 3,
        CONTAINER_CHANGE_PID = 1 << 4,
        CONTAINER_CHANGE_EXIT_CODE = 1 << 5,
        CONTAINER_CHANGE_EXIT_TIME = 1 << 6,
} ContainerChange;

/* Reads the "container" of a watch's line: 0, or ERROR_INVALID_ARGUMENT for what is none. */
int container_read(json_object *json, Container **ret, Error *error);
Container *container_free(Container *container);
DEFINE_CLEANUP(Container *, container_free);

/* Gives the container what the newer one of the same id has, which is left with the old: a mask of what has
 * become different. */
unsigned container_take(Container *container, Container *newer);
