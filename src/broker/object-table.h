/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Named things in the order of their names, found by halving: the bus asks for each of them by its name when
 * somebody wants to see all. An Object is the first member of what it names. */

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

typedef struct Object {
        char *name;        /* owned by whoever owns the object */
        uint64_t seen_run; /* the watch that has told of it last */
} Object;

typedef struct ObjectTable {
        Object **items;
        size_t count;
        size_t allocated;
} ObjectTable;

/* Or NULL. */
Object *object_table_find(const ObjectTable *table, const char *name);

/* The name must not be there yet. 0; -ENOSPC when there are `max` already; -ENOMEM. */
int object_table_add(ObjectTable *table, Object *object, size_t max);

/* The object must be there; it stays the caller's. */
void object_table_remove(ObjectTable *table, const Object *object);

/* The objects must be gone. */
void object_table_clear(ObjectTable *table);
