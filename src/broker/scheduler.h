/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which command is next. Commands run up to a number in all and a number for each user; what is over waits.
 * Of those who wait, one user after the other has a turn, whatever each has queued; a user's own commands go
 * in the order in which they came. */

#include "broker/user.h"

typedef enum TicketState {
        TICKET_IDLE,
        TICKET_WAITING,
        TICKET_RUNNING,
} TicketState;

/* The scheduler's part of a command: a member of it. Zero-initialised is idle. */
struct Ticket {
        TicketState state;
        Lane lane;
        User *user;
        LIST_FIELDS(Ticket, queue);
};

typedef struct LaneState {
        uint64_t running;
        uint64_t max;
        uint64_t per_user_max;
        QUEUE_HEAD(UserLane) ring; /* users who wait, the next first */
} LaneState;

typedef struct Scheduler {
        UserTable *users;
        LaneState lanes[_LANE_MAX];
        uint64_t waiting;
        uint64_t queue_max;
        uint64_t queue_per_user_max;
} Scheduler;

/* The limits are to be set by the caller and may change at any time; what is over a new one stays. */
void scheduler_init(Scheduler *scheduler, UserTable *users);

/* Lines an idle ticket up. ERROR_BUSY where it could not start at once and the queue is full. */
int scheduler_enqueue(Scheduler *scheduler, Ticket *ticket, uid_t uid, Lane lane, Error *error);

/* The next ticket that may start, now running; NULL when none may. */
Ticket *scheduler_next(Scheduler *scheduler);

/* Takes a ticket out, whatever its state; it is idle then. */
void scheduler_remove(Scheduler *scheduler, Ticket *ticket);
