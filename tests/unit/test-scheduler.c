/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/scheduler.h"
#include "test.h"

static UserTable users;
static Scheduler scheduler;
static Ticket tickets[256];

static void set_up(uint64_t max, uint64_t per_user) {
        users = (UserTable) {};
        memset(tickets, 0, sizeof(tickets));
        scheduler_init(&scheduler, &users);
        scheduler.queue_max = 100;
        scheduler.queue_per_user_max = 50;
        for (Lane lane = 0; lane < _LANE_MAX; lane++) {
                scheduler.lanes[lane].max = max;
                scheduler.lanes[lane].per_user_max = per_user;
        }
}

static int enqueue(size_t n, uid_t uid, Lane lane) {
        return scheduler_enqueue(&scheduler, &tickets[n], uid, lane, NULL);
}

/* The number of the next ticket, or -1. */
static int next(void) {
        Ticket *ticket = scheduler_next(&scheduler);

        return ticket ? (int) (ticket - tickets) : -1;
}

static void done(int n) {
        scheduler_remove(&scheduler, &tickets[n]);
}

TEST(a_users_commands_go_in_their_order) {
        set_up(1, 1);
        for (size_t i = 0; i < 5; i++)
                ASSERT_OK(enqueue(i, 1000, LANE_SHORT));
        for (int i = 0; i < 5; i++) {
                ASSERT_EQ(next(), i);
                ASSERT_EQ(next(), -1);
                done(i);
        }
        ASSERT_NULL(users.all);
}

TEST(users_take_turns) {
        static const int order[] = { 0, 10, 20, 1, 11, 2, 12, 3, 4 };

        set_up(1, 1);
        for (size_t i = 0; i < 5; i++)
                ASSERT_OK(enqueue(i, 1, LANE_SHORT));
        for (size_t i = 10; i < 13; i++)
                ASSERT_OK(enqueue(i, 2, LANE_SHORT));
        ASSERT_OK(enqueue(20, 3, LANE_SHORT));
        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                ASSERT_EQ(next(), order[i]);
                done(order[i]);
        }
        ASSERT_EQ(next(), -1);
        ASSERT_NULL(users.all);
}

TEST(who_is_at_his_bound_holds_nobody_up) {
        set_up(4, 2);
        for (size_t i = 0; i < 4; i++)
                ASSERT_OK(enqueue(i, 1, LANE_SHORT));
        ASSERT_EQ(next(), 0);
        ASSERT_EQ(next(), 1);
        ASSERT_EQ(next(), -1); /* there is room, but not for him */

        ASSERT_OK(enqueue(10, 2, LANE_SHORT));
        ASSERT_EQ(next(), 10);
        ASSERT_EQ(next(), -1);
        done(0);
        ASSERT_EQ(next(), 2);
        done(1);
        done(2);
        done(10);
        ASSERT_EQ(next(), 3);
        done(3);
        ASSERT_NULL(users.all);
}

TEST(lanes_do_not_wait_for_one_another) {
        set_up(1, 1);
        ASSERT_OK(enqueue(0, 1, LANE_LONG));
        ASSERT_OK(enqueue(1, 1, LANE_LONG));
        ASSERT_OK(enqueue(2, 1, LANE_SHORT));
        ASSERT_EQ(next(), 2);
        ASSERT_EQ(next(), 0);
        ASSERT_EQ(next(), -1);
        for (int i = 0; i < 3; i++)
                done(i);
        ASSERT_NULL(users.all);
}

TEST(the_queue_is_bounded) {
        Error error = {};

        set_up(1, 1);
        scheduler.queue_per_user_max = 2;
        scheduler.queue_max = 3;
        ASSERT_OK(enqueue(0, 1, LANE_SHORT));
        ASSERT_EQ(next(), 0);
        ASSERT_OK(enqueue(1, 1, LANE_SHORT));
        ASSERT_OK(enqueue(2, 1, LANE_SHORT));
        ASSERT_EQ(scheduler_enqueue(&scheduler, &tickets[3], 1, LANE_SHORT, &error), -EBUSY);
        ASSERT_EQ(error.code, ERROR_BUSY);
        ASSERT_CONTAINS(error_message(&error), "user 1");
        ASSERT_EQ(tickets[3].state, TICKET_IDLE);

        ASSERT_OK(enqueue(10, 2, LANE_SHORT)); /* another has room still */
        ASSERT_EQ(scheduler_enqueue(&scheduler, &tickets[20], 3, LANE_SHORT, &error), -EBUSY);
        error_clear(&error);

        done(2); /* one that waits goes away */
        ASSERT_OK(enqueue(3, 1, LANE_SHORT));
        for (size_t i = 0; i < ELEMENTSOF(tickets); i++)
                scheduler_remove(&scheduler, &tickets[i]);
        ASSERT_EQ(scheduler.waiting, 0);
        ASSERT_NULL(users.all);
}

TEST(what_is_about_to_start_does_not_wait) {
        set_up(2, 2);
        scheduler.queue_max = scheduler.queue_per_user_max = 1;
        ASSERT_OK(enqueue(0, 1, LANE_SHORT)); /* three at once, before any has started */
        ASSERT_OK(enqueue(1, 1, LANE_SHORT));
        ASSERT_OK(enqueue(2, 1, LANE_SHORT));
        ASSERT_EQ(enqueue(3, 1, LANE_SHORT), -EBUSY);
        ASSERT_EQ(next(), 0);
        ASSERT_EQ(next(), 1);
        ASSERT_EQ(next(), -1);
        ASSERT_EQ(enqueue(3, 1, LANE_SHORT), -EBUSY);
        for (int i = 0; i < 3; i++)
                done(i);
        ASSERT_NULL(users.all);
}

TEST(without_a_queue_what_can_start_is_taken) {
        set_up(1, 1);
        scheduler.queue_max = scheduler.queue_per_user_max = 0;
        ASSERT_OK(enqueue(0, 1, LANE_SHORT));
        ASSERT_EQ(next(), 0);
        ASSERT_EQ(enqueue(1, 1, LANE_SHORT), -EBUSY);
        done(0);
        ASSERT_OK(enqueue(1, 1, LANE_SHORT));
        ASSERT_EQ(next(), 1);
        done(1);
        ASSERT_NULL(users.all);
}

TEST(connections_and_memory_are_charged) {
        User *user = NULL, *other = NULL;
        Error error = {};

        users = (UserTable) { .connections = { .max = 3, .per_user_max = 2 },
                              .request_bytes = { .max = 100, .per_user_max = 60 } };
        ASSERT_OK(user_add_connection(&users, 1, &user, NULL));
        ASSERT_OK(user_add_connection(&users, 1, &user, NULL));
        ASSERT_EQ(user_add_connection(&users, 1, &user, &error), -EBUSY);
        ASSERT_CONTAINS(error_message(&error), "connections");
        ASSERT_OK(user_add_connection(&users, 2, &other, NULL));
        ASSERT_EQ(user_add_connection(&users, 3, &other, &error), -EBUSY);

        ASSERT_OK(user_charge_bytes(&users, user, 60, NULL));
        ASSERT_EQ(user_charge_bytes(&users, user, 1, &error), -EBUSY);
        ASSERT_OK(user_charge_bytes(&users, other, 40, NULL));
        ASSERT_EQ(user_charge_bytes(&users, other, 1, &error), -EBUSY);
        user_discharge_bytes(&users, user, 60);
        ASSERT_OK(user_charge_bytes(&users, other, 1, NULL));
        user_discharge_bytes(&users, other, 41);

        user_drop_connection(&users, user);
        user_drop_connection(&users, user);
        user_drop_connection(&users, other);
        ASSERT_NULL(users.all);
        ASSERT_EQ(users.connections.used, 0);
        ASSERT_EQ(users.request_bytes.used, 0);
        error_clear(&error);
}
