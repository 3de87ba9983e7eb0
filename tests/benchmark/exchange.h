/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The client's side of the protocol, made for measuring: plain blocking calls for one exchange, one epoll
 * loop for many at once, so that the client costs as little as it can of what is measured.
 *
 * All of it ends early with ERROR_CANCELLED when `exchange_interrupted` becomes true and a signal comes. */

#include <signal.h>

#include "base/buffer.h"
#include "base/error.h"

extern volatile sig_atomic_t exchange_interrupted;

/* Connects, sends the line (newline included) and reads until the daemon closes. The reply, appended to
 * `reply`, is the line without its newline; *ret_msec is the time from before the connect until the newline
 * came. A reply of "error" is an error, in the daemon's words and with its code. */
int exchange(const char *socket_path, const Buffer *request, Buffer *reply, double *ret_msec, Error *error);

/* So many clients, each of which has one exchange after the other, for so long: exchanges a second. */
int exchange_load(const char *socket_path, const Buffer *request, unsigned clients, double seconds,
                  double *ret_rate, Error *error);
