/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The writing half of a layer: the walk through the upper directory and what becomes of each entry. Of this
 * layer alone. */

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <sys/stat.h>

#include "archive/layer.h"
#include "archive/pipeline.h"
#include "base/buffer.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* What the overlay's attributes say of a file or directory (Documentation/filesystems/overlayfs.rst in the
 * kernel). */
typedef enum OverlayMarks {
        OVERLAY_OPAQUE = 1 << 0,
        OVERLAY_WHITEOUT = 1 << 1,
        OVERLAY_REDIRECT = 1 << 2,
        OVERLAY_METACOPY = 1 << 3,
} OverlayMarks;

typedef struct Segment {
        uint64_t offset;
        uint64_t length;
} Segment;

typedef struct LayerWalk {
        const LayerOptions *options;
        Pipeline *pipeline;
        int upper_fd; /* borrowed */

        struct archive *archive;     /* owned */
        struct archive_entry *entry; /* owned; that being written */
        Buffer path;                 /* of the entry, relative, NUL-terminated, the NUL not counted */
        uint64_t n_entries;
        void *links;       /* tsearch(3) tree of files with more than one name */
        char *buffer;      /* owned, for contents and attributes */
        void *zeros;       /* a mapping that is read as holes */
        Segment *segments; /* owned; of a sparse file */
        size_t n_segments, segments_allocated;
        bool in_content;    /* a header was written, and maybe not all that belongs to it */
        bool stopped;       /* the pipeline takes no more */
        const char *reason; /* set when the layer is not translatable */
} LayerWalk;

int layer_walk_init(LayerWalk *walk, int upper_fd, const LayerOptions *options, Pipeline *pipeline,
                    Error *error);
void layer_walk_clear(LayerWalk *walk);

/* Writes all entries and the end of the archive. LayerOutcome or negative errno; -ECANCELED without an error
 * set when the pipeline was stopped. */
int layer_walk_run(LayerWalk *walk, Error *error);

/* layer-entry.c: */

/* Begins an entry at the walk's path. */
void layer_entry_begin(LayerWalk *walk, const char *path, const struct stat *st);

/* Reads the attributes of an open file or directory: the overlay's own become marks, those that belong into a
 * layer go into the entry (unless `marks_only`). */
int layer_entry_read_xattrs(LayerWalk *walk, int fd, bool marks_only, unsigned *ret_marks, Error *error);

/* Writes the entry's header. */
int layer_entry_write(LayerWalk *walk, Error *error);

/* Writes the end of the archive. */
int layer_walk_close(LayerWalk *walk, Error *error);

/* Writes header and content of an open regular file. */
int layer_entry_write_file(LayerWalk *walk, int fd, const struct stat *st, Error *error);
