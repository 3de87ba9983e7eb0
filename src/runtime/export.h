/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A stage's snapshot as an image archive: the base image's layers, unchanged, and one layer of what the stage
 * changed. */

#include "archive/mount-points.h"
#include "runtime/image-store.h"
#include "runtime/snapshot.h"

typedef struct Export {
        const char *name;    /* that the image is loaded under, "acme/hello:latest"; NULL: none */
        const Image *base;   /* what the snapshot was prepared on */
        const Digest *chain; /* its snapshot */
        const CtrMounts *mounts;
        const MountPoints *mount_points;                  /* NULL: no container was started */
        char *const *env;                                 /* of the image's config */
        const char *workdir;                              /* the same; NULL: none */
        char *const *entrypoint;                          /* NULL: the base's */
        const char *created_by;                           /* entry of the history */
        Compression compression;                          /* of the new layer */
        void (*progress)(void *userdata, uint64_t bytes); /* NULL: none */
        void *userdata;
} Export;

/* Writes the archive into an empty regular file. A lease must be held. */
int image_export(Runtime *runtime, const Export *export, int fd, Error *error);
