/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/object-table.h"

#include <stdlib.h>
#include <string.h>

#define ALLOCATE_FIRST 16U

/* Where the name is (true), or would be. */
static bool find_place(const ObjectTable *table, const char *name, size_t *ret) {
        size_t low = 0, high = table->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = strcmp(name, table->items[middle]->name);

                if (c == 0) {
                        *ret = middle;
                        return true;
                }
                if (c < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        *ret = low;
        return false;
}

Object *object_table_find(const ObjectTable *table, const char *name) {
        size_t place;

        return find_place(table, name, &place) ? table->items[place] : NULL;
}

int object_table_add(ObjectTable *table, Object *object, size_t max) {
        size_t place;

        if (table->count >= max)
                return -ENOSPC;
        if (table->count >= table->allocated) {
                size_t wanted = table->allocated ? table->allocated * 2 : ALLOCATE_FIRST;
                Object **grown = reallocarray(table->items, wanted, sizeof(Object *));
                if (!grown)
                        return -ENOMEM;
                table->items = grown;
                table->allocated = wanted;
        }
        (void) find_place(table, object->name, &place);
        memmove(table->items + place + 1, table->items + place, (table->count - place) * sizeof(Object *));
        table->items[place] = object;
        table->count++;
        return 0;
}

void object_table_remove(ObjectTable *table, const Object *object) {
        size_t place;

        if (!find_place(table, object->name, &place))
                return;
        table->count--;
        memmove(table->items + place, table->items + place + 1, (table->count - place) * sizeof(Object *));
}

void object_table_clear(ObjectTable *table) {
        free(table->items);
        *table = (ObjectTable) {};
}
