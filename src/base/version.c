/* SPDX-License-Identifier: Apache-2.0 */
#include "base/version.h"

#include <stdio.h>

#include "config.h"

const char *version_string(void) {
        static char version[VERSION_MAX];

        if (!CRUXD_RELEASE[0])
                return "(local)";
        if (!version[0])
                snprintf(version, sizeof(version), "%s%s%s%s%s [%s]", CRUXD_RELEASE,
                         CRUXD_STAGE[0] ? "+" : "", CRUXD_STAGE, CRUXD_COMMIT[0] ? " " : "", CRUXD_COMMIT,
                         CRUXD_ARCH);
        return version;
}
