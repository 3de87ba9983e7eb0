/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands, as the worker carries them out. */

#include "runtime/runtime.h"
#include "worker/channel.h"

/* What one command works with. */
typedef struct Work {
        Runtime *runtime;
        const ChannelRequest *request;
        int reply_fd; /* blocking; borrowed */

        /* What handle() leaves. A handler that has begun to write its reply itself has `replied` set, and
         * from then on can only end it or die. */
        json_object *payload; /* of the ok reply; NULL: none */
        bool replied;
} Work;

/* Carries the command out. 0, or an error for the reply. */
int handle(Work *work, Error *error);
