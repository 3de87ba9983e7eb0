/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a watch sees, as progress lines for the broker. The payload of each has one of these members:
 *
 *     "container": {"id","image","state","created","pid","unit","exitCode","exited"}
 *     "containerGone": "ID"
 *     "image": {"name","digest","created"}
 *     "imageGone": "NAME"
 *     "listed": "1.7.24"                           what was not told of is not there; containerd's version
 *
 * Times are in microseconds since 1970. "exitCode" and "exited" are there together, or not. A line is far
 * shorter than ANSWER_HOLD_MAX: text is bounded. */

#include "runtime/runtime.h"

/* runtime/watch.h, until the other end of `fd` is closed or it fails otherwise. */
int watch_and_reply(Runtime *runtime, int fd, Error *error);
