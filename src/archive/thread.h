/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Helper threads: they take no signals, which belong to the program's own. */

#include <pthread.h>

#include "base/error.h"

int thread_start(pthread_t *ret, void *(*run)(void *), void *userdata, Error *error);

/* Processors that this process may use, `max` at most, at least 1. */
unsigned thread_count(unsigned max);
