/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define VERSION_MAX 256

/* "VERSION+STAGE COMMIT [ARCH]", without "+STAGE" on main and without COMMIT when it was not built from one;
 * "(local)" when it is no release. Gives a static string. */
const char *version_string(void);
