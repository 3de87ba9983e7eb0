/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.version.v1: who answers. */

#include "containerd/client.h"

/* The oldest that has all that is asked for here (the Transfer service). */
#define CTR_VERSION_MIN_MAJOR 1
#define CTR_VERSION_MIN_MINOR 7

typedef struct CtrVersion {
        char *version; /* "1.7.24~ds1", "v2.1.9" */
        char *revision;
        unsigned major, minor; /* both 0 where the version does not read as one */
} CtrVersion;

void ctr_version_clear(CtrVersion *version);

int ctr_version_get(CtrClient *client, CtrVersion *ret, Error *error);

/* Connects, and refuses a containerd that is too old with ERROR_UNSUPPORTED. One whose version cannot be read
 * (a development build) is taken. */
int ctr_version_check(CtrClient *client, Error *error);

/* Reads "1.7.24~ds1" or "v2.1.9-rc.1": 0, or -EINVAL for what has no major and minor number. */
int ctr_version_parse(const char *s, unsigned *ret_major, unsigned *ret_minor);
