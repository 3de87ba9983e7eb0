/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SIGINT is what the broker cancels a command with: a SIGTERM of its own would be lost in the one that
 * systemd sends to everybody. A thread waits for both, so that they are taken at any moment and never in the
 * middle of a call that is not made for signals. */

#include "archive/sink.h"
#include "containerd/client.h"

/* Blocks the signals for this thread and all that it starts. Before anything else of the program. */
int cancel_block_signals(Error *error);

/* The flag that is true while the command is cancelled. */
extern CancelFlag *const cancel_flag;

/* Starts the thread; from now on a signal cancels the client's calls and sets the flag, and `with_parent` so
 * does the end of the process that started this one: prctl(2), PR_SET_PDEATHSIG. The client must live as long
 * as the program. */
int cancel_start(CtrClient *client, bool with_parent, Error *error);

/* Between commands: forgets a cancel that came too late for the last one. */
void cancel_reset(CtrClient *client);
