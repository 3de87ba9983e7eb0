/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What several of containerd's services speak of. Zero-initialised is empty; a member string that was absent
 * is NULL in what is read, and one that is NULL or "" is left out of what is sent. Times are in microseconds
 * of CLOCK_REALTIME, 0 where there is none. */

#include <stdint.h>

#include "base/macro.h"

/* Key and value pairs: labels, annotations, exports. At most 4096 bytes for a pair, containerd says. */
typedef struct CtrLabel {
        char *key, *value; /* owned, never NULL */
} CtrLabel;

typedef struct CtrLabels {
        CtrLabel *items;
        size_t count;
} CtrLabels;

/* The value of a key, or NULL; borrowed. Takes NULL for none. */
const char *ctr_labels_get(const CtrLabels *labels, const char *key) _pure_;

/* Adds or replaces. 0 or -ENOMEM. */
int ctr_labels_set(CtrLabels *labels, const char *key, const char *value);

void ctr_labels_clear(CtrLabels *labels);

/* A mount as mount(8) would have it: "overlay", "overlay", options "lowerdir=…", "upperdir=…". The target is
 * relative to the root filesystem and mostly NULL. */
typedef struct CtrMount {
        char *type, *source, *target;
        char **options; /* strv */
} CtrMount;

typedef struct CtrMounts {
        CtrMount *items;
        size_t count;
} CtrMounts;

void ctr_mounts_clear(CtrMounts *mounts);

/* https://github.com/opencontainers/image-spec/blob/main/descriptor.md, as far as containerd tells it. */
typedef struct CtrDescriptor {
        char *media_type;
        char *digest;
        int64_t size; /* bytes */
        CtrLabels annotations;
} CtrDescriptor;

void ctr_descriptor_clear(CtrDescriptor *descriptor);

/* Borrowed strings; variant may be NULL. */
typedef struct CtrPlatform {
        const char *os, *architecture, *variant;
} CtrPlatform;
