/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calls of the daemon's methods on the system bus, for what the socket has no command. */

#include <systemd/sd-bus.h>

#include "ctl/options.h"

/* Connects: 1, or 0 where there is no bus for us. */
int bus_client_open(sd_bus **ret);

/* A call of the Manager of the instance that is meant, to which arguments are to be appended. The user may be
 * asked for a password. Negative errno. */
int bus_client_new_call(sd_bus *bus, const Options *options, const char *method, sd_bus_message **ret);

/* Whether the daemon is there, or has come for this: 1, 0 or an error. */
int bus_client_ping(sd_bus *bus, const Options *options, Error *error);

/* Waits for the answer: 1 with *ret, 0 where the call did not reach a daemon that knows the method. The
 * daemon's errors are given as they came, with their code. */
int bus_client_call(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret, Error *error);
