/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "base/queue.h"
#include "test.h"

typedef struct Item {
        int number;
        LIST_FIELDS(struct Item, items);
} Item;

/* The numbers from front to back as decimal digits, and from back to front, negative, when the links
 * disagree. */
static int digits(const Item *first) {
        int forward = 0, backward = 0, factor = 1;

        for (const Item *i = first, *previous = NULL; i; previous = i, i = i->items_next, factor *= 10) {
                if (i->items_prev != previous)
                        return -1;
                forward = forward * 10 + i->number;
                backward += i->number * factor;
        }
        return first && backward == 0 ? -1 : forward;
}

TEST(list) {
        Item a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 }, *list = NULL;

        LIST_APPEND(items, list, &b);
        LIST_PREPEND(items, list, &a);
        LIST_APPEND(items, list, &c);
        ASSERT_EQ(digits(list), 123);
        LIST_REMOVE(items, list, &b);
        ASSERT_EQ(digits(list), 13);
        LIST_FOREACH (items, item, list)
                LIST_REMOVE(items, list, item);
        ASSERT_NULL(list);
}

TEST(queue) {
        Item a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 };
        QUEUE_HEAD(Item) queue = {};

        QUEUE_APPEND(items, queue, &b);
        QUEUE_APPEND(items, queue, &c);
        QUEUE_PREPEND(items, queue, &a);
        ASSERT_EQ(digits(queue.first), 123);
        ASSERT_EQ(queue.last->number, 3);

        QUEUE_REMOVE(items, queue, &c);
        ASSERT_EQ(queue.last->number, 2);
        QUEUE_APPEND(items, queue, &c);
        QUEUE_REMOVE(items, queue, &a);
        QUEUE_APPEND(items, queue, &a);
        ASSERT_EQ(digits(queue.first), 231);

        QUEUE_REMOVE(items, queue, &c);
        QUEUE_REMOVE(items, queue, &b);
        QUEUE_REMOVE(items, queue, &a);
        ASSERT_NULL(queue.first);
        ASSERT_NULL(queue.last);
        QUEUE_PREPEND(items, queue, &b);
        ASSERT_EQ(queue.last->number, 2);
}
