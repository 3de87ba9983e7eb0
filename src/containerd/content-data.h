/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one message that is read without protobuf-c, which would copy a megabyte each time. Inside of this
 * layer. */

#include <stdint.h>

#include "base/macro.h"

/* Finds the data (field 2, bytes) in a ReadContentResponse: 0, *ret pointing into the message (of no length
 * when the field is absent); -EBADMSG for what is no message.
 * https://protobuf.dev/programming-guides/encoding/ */
int content_data_find(const uint8_t *message, size_t n, const uint8_t **ret, size_t *ret_n);
