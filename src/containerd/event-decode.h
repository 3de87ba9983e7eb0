/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Events as they come. Inside of this layer. */

#include "containerd/events.h"
#include "proto/events.pb-c.h"

/* Reads one. What is of a kind that is not known is CTR_EVENT_OTHER; what is known and cannot be read is
 * ERROR_INTERNAL. */
int event_decode(const Events__Envelope *envelope, CtrEvent *ret, Error *error);
