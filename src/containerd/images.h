/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.images.v1: names for what the content store holds. */

#include "containerd/client.h"
#include "containerd/types.h"

typedef struct CtrImage {
        char *name;
        CtrLabels labels;
        CtrDescriptor target; /* an index or a manifest */
        uint64_t created_usec, updated_usec;
} CtrImage;

typedef struct CtrImages {
        CtrImage *items;
        size_t count;
} CtrImages;

void ctr_image_clear(CtrImage *image);
void ctr_images_clear(CtrImages *images);

/* -ENOENT for a name that is not there. */
int ctr_image_get(CtrClient *client, const char *name, CtrImage *ret, Error *error);

/* Filters (strv, NULL for all) as in "name==docker.io/library/alpine:latest". */
int ctr_image_list(CtrClient *client, char *const *filters, CtrImages *ret, Error *error);

/* -EEXIST where the name is taken. Uses name, labels and target. */
int ctr_image_create(CtrClient *client, const CtrImage *image, Error *error);

/* Points an existing name to another target, its labels becoming these; -ENOENT where there is none. */
int ctr_image_update(CtrClient *client, const CtrImage *image, Error *error);

/* Creates or updates. */
int ctr_image_put(CtrClient *client, const CtrImage *image, Error *error);

/* Deletes the name; `sync` also collects garbage before it returns. -ENOENT where there is none. */
int ctr_image_delete(CtrClient *client, const char *name, bool sync, Error *error);
