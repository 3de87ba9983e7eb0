/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A method's arguments, as its row in the table describes them, and the request line that a client of the
 * socket would send for them. What is given as an fd stands for a member that the line then lacks. */

#include "broker/bus-call.h"

typedef struct BusArguments {
        Buffer line;
        JobFd fds[BUS_ARGUMENTS_MAX];
        size_t n_fds;
        Member given; /* the members that these are */
} BusArguments;

/* How many bytes they are, of whom nothing is kept and whoever sent them. ERROR_INVALID_ARGUMENT for what no
 * request may have, by length or number. */
int bus_arguments_measure(sd_bus_message *m, const BusMethod *method, size_t *ret, Error *error);

/* Reads what was measured. ERROR_INVALID_ARGUMENT for what cannot be put into a request. Clear *ret in any
 * case. */
int bus_arguments_read(const BusCall *call, BusArguments *ret, Error *error);
void bus_arguments_clear(BusArguments *arguments);
