/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the daemon is called on the system bus. */

#include "base/error.h"

#define BUS_NAME "xyz.cruciblehq.cruxd1"
#define BUS_PATH "/xyz/cruciblehq/cruxd1"
#define BUS_INTERFACE(name) BUS_NAME "." name

/* "xyz.cruciblehq.cruxd1" for the default instance, "xyz.cruciblehq.cruxd1.Instance.NAME" for others, where
 * what may not stand in a bus name is escaped as "_2e". NULL without memory. */
char *bus_name_of_instance(const char *instance);

/* The name that an error has on the bus: "xyz.cruciblehq.cruxd1.Error.InvalidArgument". Static. */
const char *bus_error_name(ErrorCode code) _const_;

/* The code of such a name, ERROR_NONE for another's. */
ErrorCode bus_error_code(const char *name) _pure_;
