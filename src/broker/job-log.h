/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the journal is told of jobs: see cruxd.catalog and journal-fields. */

#include "broker/job.h"

/* Ids of the messages that a catalog explains. */
#define MESSAGE_JOB_STARTED "58c68a3a79d84bc98eb4d40fd32207d5"
#define MESSAGE_JOB_FINISHED "6d957be1825d458aa345b9ebb11f2607"
#define MESSAGE_JOB_FAILED "ece912a2cb7845a58b6acebcfc72100c"
#define MESSAGE_JOB_CANCELLED "f5eceed43dfb418bb166c41db186250f"
#define MESSAGE_WORKER_DIED "1be802d8f66143fdad5902845f16732a"

void job_log_started(const Job *job);
void job_log_ended(const Job *job);
void job_log_worker_died(const Job *job, const char *how);
