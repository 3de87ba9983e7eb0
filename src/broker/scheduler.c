/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/scheduler.h"

#include <inttypes.h>

void scheduler_init(Scheduler *scheduler, UserTable *users) {
        *scheduler = (Scheduler) { .users = users };
}

static bool may_start(const LaneState *lane, const UserLane *user) {
        return lane->running < lane->max && user->running < lane->per_user_max;
}

/* A user's turn has come when none of those before him can use it; so one who is at his own bound holds
 * nobody up. */
static UserLane *lane_next(LaneState *lane) {
        LIST_FOREACH (ring, user, lane->ring.first)
                if (may_start(lane, user))
                        return user;
        return NULL;
}

static void unqueue(Scheduler *scheduler, Ticket *ticket) {
        LaneState *lane = &scheduler->lanes[ticket->lane];
        UserLane *user = &ticket->user->lanes[ticket->lane];

        QUEUE_REMOVE(queue, user->queue, ticket);
        ticket->user->waiting--;
        scheduler->waiting--;
        if (!user->queue.first)
                QUEUE_REMOVE(ring, lane->ring, user);
}

/* How many of the user's could start now. */
static uint64_t free_slots(const LaneState *lane, const UserLane *user) {
        if (!may_start(lane, user))
                return 0;
        return MIN(lane->max - lane->running, lane->per_user_max - user->running);
}

/* What can start as soon as the loop comes to it does not count as waiting. */
static int check_room(const Scheduler *scheduler, const User *user, Lane lane, Error *error) {
        uint64_t starting = free_slots(&scheduler->lanes[lane], &user->lanes[lane]);

        if (user->waiting >= scheduler->queue_per_user_max + starting)
                return error_set(error, ERROR_BUSY,
                                 "too many waiting commands of user %u: the limit is %" PRIu64, user->uid,
                                 scheduler->queue_per_user_max);
        if (scheduler->waiting >= scheduler->queue_max + starting)
                return error_set(error, ERROR_BUSY, "too many waiting commands: the limit is %" PRIu64,
                                 scheduler->queue_max);
        return 0;
}

int scheduler_enqueue(Scheduler *scheduler, Ticket *ticket, uid_t uid, Lane lane, Error *error) {
        User *user = user_get(scheduler->users, uid);
        int r;

        if (!user)
                return error_oom(error);
        r = check_room(scheduler, user, lane, error);
        if (r < 0) {
                user_put(scheduler->users, user);
                return r;
        }

        UserLane *mine = &user->lanes[lane];
        if (!mine->queue.first)
                QUEUE_APPEND(ring, scheduler->lanes[lane].ring, mine);
        QUEUE_APPEND(queue, mine->queue, ticket);
        user->waiting++;
        scheduler->waiting++;
        ticket->state = TICKET_WAITING;
        ticket->lane = lane;
        ticket->user = user;
        return 0;
}

Ticket *scheduler_next(Scheduler *scheduler) {
        for (Lane i = 0; i < _LANE_MAX; i++) {
                LaneState *lane = &scheduler->lanes[i];
                UserLane *user = lane_next(lane);
                if (!user)
                        continue;

                Ticket *ticket = user->queue.first;
                unqueue(scheduler, ticket);
                if (user->queue.first) { /* the turn is over: behind the others */
                        QUEUE_REMOVE(ring, lane->ring, user);
                        QUEUE_APPEND(ring, lane->ring, user);
                }
                lane->running++;
                user->running++;
                ticket->state = TICKET_RUNNING;
                return ticket;
        }
        return NULL;
}

void scheduler_remove(Scheduler *scheduler, Ticket *ticket) {
        User *user = ticket->user;

        if (ticket->state == TICKET_IDLE)
                return;
        if (ticket->state == TICKET_WAITING)
                unqueue(scheduler, ticket);
        else {
                scheduler->lanes[ticket->lane].running--;
                user->lanes[ticket->lane].running--;
        }
        ticket->state = TICKET_IDLE;
        ticket->user = NULL;
        user_put(scheduler->users, user);
}
