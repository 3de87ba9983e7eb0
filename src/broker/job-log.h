/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the journal is told of jobs: see cruxd.catalog and cruxd.journal-fields(7). */

#include "broker/job.h"

void job_log_started(const Job *job);
void job_log_ended(const Job *job);
void job_log_worker_died(const Job *job, const char *how);

/* `job` is what the process was doing, NULL: nothing. */
void job_log_worker_killed(const Job *job, pid_t pid);
