/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/command.h"

static const CommandInfo commands[_COMMAND_MAX] = {
        [COMMAND_STATUS] = { .name = "status", .action = ACTION_INSPECT },
        [COMMAND_BUILD] = {
                .name = "build",
                .action = ACTION_BUILD,
                .required = MEMBER_RECIPE | MEMBER_RESOURCE | MEMBER_OUTPUT | MEMBER_ROOT,
                .optional = MEMBER_ENTRYPOINT | MEMBER_PLATFORMS | MEMBER_PROGRESS,
                .own_worker = true,
        },
        [COMMAND_IMAGE_IMPORT] = {
                .name = "image-import",
                .action = ACTION_MANAGE,
                .required = MEMBER_REF | MEMBER_VERSION | MEMBER_PATH,
                .own_worker = true,
        },
        [COMMAND_IMAGE_START] = {
                .name = "image-start",
                .action = ACTION_MANAGE,
                .required = MEMBER_REF | MEMBER_VERSION,
                .optional = MEMBER_ID,
        },
        [COMMAND_IMAGE_DESTROY] = {
                .name = "image-destroy",
                .action = ACTION_MANAGE,
                .required = MEMBER_REF | MEMBER_VERSION,
        },
        [COMMAND_CONTAINER_STOP] = {
                .name = "container-stop",
                .action = ACTION_MANAGE,
                .required = MEMBER_ID,
        },
        [COMMAND_CONTAINER_DESTROY] = {
                .name = "container-destroy",
                .action = ACTION_MANAGE,
                .required = MEMBER_ID,
        },
        [COMMAND_CONTAINER_STATUS] = {
                .name = "container-status",
                .action = ACTION_INSPECT,
                .required = MEMBER_ID,
        },
        [COMMAND_CONTAINER_EXEC] = {
                .name = "container-exec",
                .action = ACTION_EXEC,
                .required = MEMBER_ID | MEMBER_COMMAND,
                .optional = MEMBER_BYTES,
        },
        [COMMAND_CONTAINER_UPDATE] = {
                .name = "container-update",
                .action = ACTION_MANAGE,
                .required = MEMBER_REF | MEMBER_VERSION | MEMBER_ID | MEMBER_PATH,
                .own_worker = true,
        },
        [COMMAND_SWEEP] = {
                .name = "sweep",
                .action = ACTION_MANAGE,
                .internal = true,
        },
        [COMMAND_WATCH] = {
                .name = "watch",
                .action = ACTION_INSPECT,
                .own_worker = true,
                .internal = true,
                .endless = true,
        },
};

const CommandInfo *command_info(Command command) {
        return &commands[command];
}

Command command_from_string(const char *name) {
        for (Command command = 0; command < _COMMAND_MAX; command++)
                if (streq(commands[command].name, name))
                        return command;
        return _COMMAND_INVALID;
}
