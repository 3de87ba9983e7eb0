/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which process something belongs to, in a word that outlives it: "BOOT:PID:START", the boot as in random(4),
 * PID and start time as in proc_pid_stat(5). Unlike a PID alone it never comes to mean another process. */

#include "base/error.h"

/* Of the calling process; free(). */
int owner_self(char **ret, Error *error);

/* Whether that process still runs. What cannot be told, or is no such word, counts as running: who asks wants
 * to remove what it left. */
bool owner_is_alive(const char *owner);
