/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A layer from the upper directory of an overlay, in one pass: tree → tar → digest → compressor → digest →
 * sink. */

#include <stdint.h>

#include "archive/mount-points.h"
#include "archive/sink.h"
#include "oci/digest.h"
#include "oci/media-type.h"

#define LAYER_DEPTH_MAX 512       /* directories in directories; each takes an fd while it is walked */
#define LAYER_PATH_MAX KIB(32)    /* bytes of an entry's path */
#define LAYER_XATTRS_MAX KIB(512) /* bytes of an entry's extended attributes; Go's reader takes 1 MiB */
#define LAYER_ENTRIES_MAX 10000000

/* A file with holes of so many bytes in all is stored as a sparse one (GNU's format 1.0 in pax), which Go,
 * libarchive and GNU tar read. With less it is stored with its zeros, which compress to nothing: tar-split,
 * by which podman and docker write a layer again that they have unpacked, fails at sparse entries. */
#define LAYER_SPARSE_MIN GIB(1)

typedef enum LayerOutcome {
        LAYER_WRITTEN,
        /* The directory carries marks that have no form in a layer without looking below it (redirect,
         * metacopy): what the sink got is a torso, containerd's diff service can do it. */
        LAYER_NOT_TRANSLATABLE,
} LayerOutcome;

typedef struct LayerOptions {
        Compression compression;
        int level;          /* 0: the compressor's fast one. gzip 1–3, zstd 1–19 */
        unsigned n_threads; /* of the compressor; 0: one a processor. The bytes are the same for any */
        const MountPoints *mount_points; /* left out where untouched; NULL: none */
        int lower_fd;          /* what lies beneath, merged, so that an opaque mark over nothing is left out;
                                * -EBADF (not 0!) where it is not at hand */
        CancelFlag *cancelled; /* NULL: cannot be */
        void (*progress)(void *userdata,
                         uint64_t bytes); /* of tar so far, in the caller's thread; NULL: none */
        void *userdata;
} LayerOptions;

#define LAYER_OPTIONS_DEFAULT { .compression = COMPRESSION_GZIP, .lower_fd = -EBADF }

typedef struct LayerResult {
        Digest diff_id;     /* of the tar */
        Digest digest;      /* of what the sink got */
        uint64_t tar_size;  /* bytes */
        uint64_t size;      /* bytes that the sink got */
        const char *reason; /* why it is LAYER_NOT_TRANSLATABLE, then the only member set; a constant */
        uint64_t entries;   /* 0: the upper directory holds no change, and the layer is an empty tar */
} LayerResult;

/* Writes the layer into the sink, whose write() is called in this thread. `upper_fd` is the directory (not
 * O_PATH); nothing may be writing beneath it. Names are sorted: the same tree gives the same bytes. Gives a
 * LayerOutcome, or a negative errno with the path that was the matter: ERROR_UNSUPPORTED for what a layer
 * cannot express (a name that begins with ".wh.", an attribute's name with '='). */
int layer_write(int upper_fd, const LayerOptions *options, const Sink *sink, LayerResult *ret, Error *error);
