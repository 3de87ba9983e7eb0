/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A method's arguments, as its row in the table describes them, and the request line that a client of the
 * socket would send for them. What is given as an fd stands for a member that the line then lacks. */

#include "broker/bus-call.h"

/* Fills the call's line, fds and `given`. ERROR_INVALID_ARGUMENT for what cannot be put into a request. */
int bus_arguments_read(BusCall *call, Error *error);
