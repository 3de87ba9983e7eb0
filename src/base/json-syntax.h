/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether a text is JSON (RFC 8259), to the letter. json-c, which then makes objects of it, cannot be asked:
 * in its strict mode it still takes NaN and Infinity, it counts nesting by a measure of its own, and version
 * 0.18 takes every byte over 0x7f in a string for a control character. */

#include <stddef.h>

#include "base/error.h"

/* What `depth` may be. */
#define JSON_DEPTH_MAX 128U

/* One value that fills the text, white space around it aside, with at most `depth` objects and arrays inside
 * of one another. Bytes over 0x7f are taken in strings, whatever they are. ERROR_INVALID_ARGUMENT tells the
 * place and the kind of the first error. */
int json_check_syntax(const char *text, size_t length, unsigned depth, Error *error);
