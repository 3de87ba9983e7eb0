/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text as the bus takes it. libsystemd refuses what is no UTF-8, as the D-Bus specification ("Valid Object
 * Paths and Strings") has it, and noncharacters besides: U+FDD0 to U+FDEF and the last two of each plane.
 * Those are valid UTF-8 and valid JSON, so they come from clients, images and programs like any other
 * character, and a message that held one would never be sent. */

#include "base/macro.h"

bool bus_text_is_valid(const char *s) _pure_;

/* `s` itself where it is valid, else a copy, put into *ret_copy for the caller to free, in which each
 * noncharacter and each byte that is no UTF-8 is U+FFFD. NULL for NULL, and without memory: sd-bus appends it
 * as "". */
const char *bus_text(const char *s, char **ret_copy);
