/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.content.v1, but for writing: see content-writer.h. Digests are "ALGORITHM:HEX". */

#include "base/buffer.h"
#include "containerd/client.h"
#include "containerd/types.h"

typedef struct CtrContentInfo {
        char *digest;
        int64_t size; /* bytes */
        uint64_t created_usec, updated_usec;
        CtrLabels labels;
} CtrContentInfo;

void ctr_content_info_clear(CtrContentInfo *info);

/* -ENOENT for a blob that the namespace does not have. */
int ctr_content_info(CtrClient *client, const char *digest, CtrContentInfo *ret, Error *error);

/* Sets these labels of a blob, and leaves its others as they are; a value of "" removes the label. */
int ctr_content_update_labels(CtrClient *client, const char *digest, const CtrLabels *labels, Error *error);

/* -ENOENT when there is none. */
int ctr_content_delete(CtrClient *client, const char *digest, Error *error);

/* Called for each blob; what it is given is cleared afterwards. A negative value (with the error filled in)
 * ends the walk and is its result, 1 ends it well. */
typedef int (*CtrContentCallback)(const CtrContentInfo *info, void *userdata, Error *error);

/* All blobs of the namespace that match any of the filters (strv; NULL for all), e.g.
 * "labels.\"containerd.io/distribution.source.docker.io\"==library/alpine". */
int ctr_content_walk(CtrClient *client, char *const *filters, CtrContentCallback callback, void *userdata,
                     Error *error);

/* Takes the next bytes of a blob, which are gone after it returns. A negative value (with the error filled
 * in) ends the reading and is its result. */
typedef int (*CtrDataCallback)(const void *data, size_t n, void *userdata, Error *error);

/* Streams a blob, `size` bytes from `offset` on (0 for all the rest), in pieces of at most CTR_MESSAGE_MAX.
 * What is read is not checked against the digest; a blob that ends early is an error. */
int ctr_content_read(CtrClient *client, const char *digest, uint64_t offset, uint64_t size,
                     CtrDataCallback callback, void *userdata, Error *error);

/* The same into a blocking fd. */
int ctr_content_read_to_fd(CtrClient *client, const char *digest, uint64_t offset, uint64_t size, int fd,
                           Error *error);

/* A whole small blob (a manifest, a config), appended to the buffer. ERROR_INVALID_ARGUMENT (-EINVAL) and
 * nothing appended when it is larger than `limit` bytes. */
int ctr_content_read_all(CtrClient *client, const char *digest, size_t limit, Buffer *buffer, Error *error);
