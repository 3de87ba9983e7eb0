/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lists as in base/list.h that know their end too, for what is appended often: the head is a QUEUE_HEAD, the
 * items have the same LIST_FIELDS, and LIST_FOREACH goes from `head.first`. */

#include "base/list.h"

#define QUEUE_HEAD(type) \
        struct { \
                type *first, *last; \
        }

#define QUEUE_PREPEND(name, head, item) \
        do { \
                typeof(head) *_queue = &(head); \
                typeof((head).first) _new = (item); \
                LIST_PREPEND(name, _queue->first, _new); \
                if (!_queue->last) \
                        _queue->last = _new; \
        } while (false)

#define QUEUE_APPEND(name, head, item) \
        do { \
                typeof(head) *_queue = &(head); \
                typeof((head).first) _new = (item); \
                _new->name##_next = NULL; \
                _new->name##_prev = _queue->last; \
                if (_queue->last) \
                        _queue->last->name##_next = _new; \
                else \
                        _queue->first = _new; \
                _queue->last = _new; \
        } while (false)

/* The item must be in the queue. */
#define QUEUE_REMOVE(name, head, item) \
        do { \
                typeof(head) *_queue = &(head); \
                typeof((head).first) _old = (item); \
                if (_queue->last == _old) \
                        _queue->last = _old->name##_prev; \
                LIST_REMOVE(name, _queue->first, _old); \
        } while (false)
