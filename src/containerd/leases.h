/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.leases.v1: what keeps the garbage collector away from things that nothing else refers
 * to yet. A client acts under a lease by ctr_client_set_lease(). */

#include "containerd/client.h"
#include "containerd/types.h"

/* The label that lets a lease, and what only it keeps, go at a time in RFC 3339. */
#define CTR_LABEL_EXPIRE "containerd.io/gc.expire"

typedef struct CtrLease {
        char *id;
        uint64_t created_usec;
        CtrLabels labels;
} CtrLease;

typedef struct CtrLeases {
        CtrLease *items;
        size_t count;
} CtrLeases;

void ctr_leases_clear(CtrLeases *leases);

/* `expire_usec` is how long from now the lease holds when nobody deletes it; USEC_INFINITY for ever. Labels
 * may be NULL. -EEXIST where the id is taken. */
int ctr_lease_create(CtrClient *client, const char *id, uint64_t expire_usec, const CtrLabels *labels,
                     Error *error);

/* Deletes; `sync` collects garbage before it returns. -ENOENT when there is none. The client's own lease is
 * not unset. */
int ctr_lease_delete(CtrClient *client, const char *id, bool sync, Error *error);

int ctr_lease_list(CtrClient *client, char *const *filters, CtrLeases *ret, Error *error);

/* Lets a lease keep something that exists: type "content" and a digest, "snapshots/SNAPSHOTTER" and a key,
 * "images" (2.0 and later) and a name. */
int ctr_lease_add_resource(CtrClient *client, const char *id, const char *type, const char *resource,
                           Error *error);
