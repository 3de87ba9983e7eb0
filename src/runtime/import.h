/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Image archives into containerd. */

#include "runtime/image-store.h"

/* Manifests and indexes of one archive that are taken. */
#define IMPORT_DOCUMENTS_MAX 1024U

typedef struct Import {
        Descriptor target; /* what a name is to point at */
        Image image;       /* that of the platform */
        Digest chain;      /* its snapshot */
} Import;

void import_clear(Import *import);

/* Puts the one image of an archive (archive/oci-archive-reader.h tells the forms) into the content store and
 * unpacks it for the platform. What is there already is not copied. Nothing names it yet: a lease must be
 * held, and holds it. `fd` is the archive, read by whoever may. ERROR_INVALID_ARGUMENT, ERROR_UNSUPPORTED for
 * what is no such archive, and where it has nothing for the platform. */
int image_import(Runtime *runtime, int fd, const Platform *platform, Import *ret, Error *error);
