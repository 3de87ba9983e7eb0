/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Doubly linked lists whose links are members of the items: a `Type *items_next, *items_prev` pair in each
 * item, a `Type *items` head in the owner. An item is on at most one list of each name. */

#include "base/macro.h"

#define LIST_FIELDS(type, name) type *name##_next, *name##_prev

#define LIST_PREPEND(name, head, item) \
        do { \
                typeof(*(head)) **_head = &(head), *_item = (item); \
                _item->name##_prev = NULL; \
                _item->name##_next = *_head; \
                if (*_head) \
                        (*_head)->name##_prev = _item; \
                *_head = _item; \
        } while (false)

#define LIST_APPEND(name, head, item) \
        do { \
                typeof(*(head)) **_head = &(head), *_item = (item), *_tail = *_head; \
                while (_tail && _tail->name##_next) \
                        _tail = _tail->name##_next; \
                _item->name##_next = NULL; \
                _item->name##_prev = _tail; \
                if (_tail) \
                        _tail->name##_next = _item; \
                else \
                        *_head = _item; \
        } while (false)

#define LIST_REMOVE(name, head, item) \
        do { \
                typeof(*(head)) **_head = &(head), *_item = (item); \
                if (_item->name##_next) \
                        _item->name##_next->name##_prev = _item->name##_prev; \
                if (_item->name##_prev) \
                        _item->name##_prev->name##_next = _item->name##_next; \
                else if (*_head == _item) \
                        *_head = _item->name##_next; \
                _item->name##_next = _item->name##_prev = NULL; \
        } while (false)

/* The body may remove the item that it stands at. */
#define LIST_FOREACH(name, item, head) \
        for (typeof(head) item = (head), _next_##item = NULL; \
             item && ((_next_##item = item->name##_next), true); item = _next_##item)
