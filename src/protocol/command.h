/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands of the protocol: one table that every surface reads. */

#include "base/macro.h"

typedef enum Command {
        COMMAND_STATUS,
        COMMAND_BUILD,
        COMMAND_IMAGE_IMPORT,
        COMMAND_IMAGE_START,
        COMMAND_IMAGE_DESTROY,
        COMMAND_CONTAINER_STOP,
        COMMAND_CONTAINER_DESTROY,
        COMMAND_CONTAINER_STATUS,
        COMMAND_CONTAINER_EXEC,
        COMMAND_CONTAINER_UPDATE,
        COMMAND_SWEEP, /* this and the next: the broker's own, never taken from a client */
        COMMAND_WATCH,
        _COMMAND_MAX,
        _COMMAND_INVALID = -EINVAL,
} Command;

/* Members that a payload may have; the names are those of struct Payload. */
typedef enum Member {
        MEMBER_REF = 1 << 0,
        MEMBER_VERSION = 1 << 1,
        MEMBER_ID = 1 << 2,
        MEMBER_PATH = 1 << 3,
        MEMBER_COMMAND = 1 << 4,
        MEMBER_RECIPE = 1 << 5,
        MEMBER_RESOURCE = 1 << 6,
        MEMBER_OUTPUT = 1 << 7,
        MEMBER_ROOT = 1 << 8,
        MEMBER_ENTRYPOINT = 1 << 9,
        MEMBER_PLATFORMS = 1 << 10,
        MEMBER_PROGRESS = 1 << 11,
        /* Only ever given as fds. */
        MEMBER_STDIN = 1 << 12,
        MEMBER_STDOUT = 1 << 13,
        MEMBER_STDERR = 1 << 14,
        MEMBER_BYTES = 1 << 15,
} Member;

#define MEMBERS_OF_STDIO (MEMBER_STDIN | MEMBER_STDOUT | MEMBER_STDERR)

/* What a command does to the machine; access is decided by it. */
typedef enum Action {
        ACTION_INSPECT, /* looks only */
        ACTION_BUILD,   /* makes an image archive */
        ACTION_MANAGE,  /* changes images and containers */
        ACTION_EXEC,    /* runs something in a container */
        _ACTION_MAX,
} Action;

typedef struct CommandInfo {
        const char *name; /* on the wire */
        Action action;
        Member required;
        Member optional;
        bool own_worker; /* takes long: has a worker to itself, which ends with it */
        bool internal;   /* never taken from a client */
        bool endless;    /* goes on until it is cancelled: no reason for the daemon to stay */
} CommandInfo;

/* Never NULL for a command of the enum. */
const CommandInfo *command_info(Command command) _const_;

static inline const char *command_to_string(Command command) {
        return command_info(command)->name;
}

/* The command of a name, internal ones included, or _COMMAND_INVALID. */
Command command_from_string(const char *name) _pure_;
