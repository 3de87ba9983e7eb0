/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.introspection.v1: what the server is made of. */

#include "containerd/client.h"
#include "containerd/types.h"

typedef struct CtrPlugin {
        char *type, *id;   /* "io.containerd.snapshotter.v1", "overlayfs" */
        CtrLabels exports; /* "root" → "/var/lib/containerd/io.containerd.content.v1.content" */
        char *error;       /* why it could not be started; NULL when it runs */
} CtrPlugin;

typedef struct CtrPlugins {
        CtrPlugin *items;
        size_t count;
} CtrPlugins;

void ctr_plugins_clear(CtrPlugins *list);

/* Filters (strv) are ORed, each a list of conditions that are ANDed:
 * "type==io.containerd.content.v1,id==content". NULL for all. */
int ctr_introspection_plugins(CtrClient *client, char *const *filters, CtrPlugins *ret, Error *error);

/* The directory that a running plugin of this type (and id, unless NULL) exports as its root; -ENOENT for
 * none. */
int ctr_introspection_root(CtrClient *client, const char *type, const char *id, char **ret, Error *error);

/* The content store's: a blob is its "blobs/ALGORITHM/HEX". It may lie where this process cannot read it. */
static inline int ctr_introspection_content_root(CtrClient *client, char **ret, Error *error) {
        return ctr_introspection_root(client, "io.containerd.content.v1", NULL, ret, error);
}

typedef struct CtrServer {
        char *uuid;     /* of the installation */
        uint64_t pid;   /* 0 where the server does not tell; in the PID namespace below */
        uint64_t pidns; /* inode of the server's PID namespace */
} CtrServer;

void ctr_server_clear(CtrServer *server);
int ctr_introspection_server(CtrClient *client, CtrServer *ret, Error *error);
