/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.containers.v1: containers at rest. What runs is a task, see tasks.h. */

#include "containerd/client.h"
#include "containerd/runc-options.h"
#include "containerd/types.h"

typedef struct CtrContainer {
        char *id;
        CtrLabels labels;
        char *image;           /* name; containerd does not follow it */
        char *runtime;         /* CTR_RUNTIME_RUNC */
        bool has_runc_options; /* there are options, and of this kind */
        CtrRuncOptions runc_options;
        char *spec; /* the OCI runtime spec, JSON */
        size_t spec_length;
        char *snapshotter;
        char *snapshot_key; /* keeps the snapshot from the garbage collector */
        uint64_t created_usec, updated_usec;
} CtrContainer;

typedef struct CtrContainers {
        CtrContainer *items;
        size_t count;
} CtrContainers;

void ctr_container_clear(CtrContainer *container);
void ctr_containers_clear(CtrContainers *containers);

/* -EEXIST for an id that is there. Uses all members but the times. */
int ctr_container_create(CtrClient *client, const CtrContainer *container, Error *error);

/* -ENOENT for an id that is not there. */
int ctr_container_get(CtrClient *client, const char *id, CtrContainer *ret, Error *error);

/* Filters (strv, NULL for all) as in "labels.\"xyz.cruciblehq.cruxd.build\"==7", "image==acme/hello:1.0.0".
 */
int ctr_container_list(CtrClient *client, char *const *filters, CtrContainers *ret, Error *error);

/* What ctr_container_update() is to change. Runtime and snapshotter never change. */
typedef enum CtrContainerFields {
        CTR_CONTAINER_LABELS = 1 << 0, /* all of them are replaced */
        CTR_CONTAINER_IMAGE = 1 << 1,
        CTR_CONTAINER_SPEC = 1 << 2,
        CTR_CONTAINER_SNAPSHOT_KEY = 1 << 3,
} CtrContainerFields;

/* Changes these fields of the container of that id. */
int ctr_container_update(CtrClient *client, const CtrContainer *container, CtrContainerFields fields,
                         Error *error);

/* -ENOENT when there is none. Its task must be gone, which containerd does not check. */
int ctr_container_delete(CtrClient *client, const char *id, Error *error);
