/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One command, asked of the daemon and answered. */

#include "base/json.h"
#include "ctl/options.h"
#include "protocol/command.h"

/* Takes a progress line's payload, which stays the caller's. A negative errno ends the call. */
typedef int (*CallProgress)(json_object *payload, void *userdata, Error *error);

/* Sends the command and waits for its answer, whose payload is *ret (may be NULL for none): owned by the
 * caller. `payload` may be NULL; `progress` is NULL where none was asked for. The daemon's error is given as
 * it came, with its code. */
int call(const Options *options, Command command, json_object *payload, CallProgress progress, void *userdata,
         json_object **ret, Error *error);

/* The same for commands whose payload is made of strings and that answer nothing: "NAME", VALUE, …, NULL; a
 * value that is NULL is left out. Gives the exit status. */
int call_simple(const Options *options, Error *error, Command command, ...) __attribute__((__sentinel__));
