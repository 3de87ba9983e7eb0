/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writing a blob (containerd.services.content.v1). Several messages are under way at a time, so an error of
 * one may be told by a later call. Content that is written but not committed stays as an "ingest" under its
 * reference, from which a later writer goes on, until it is aborted or the garbage collector takes it. */

#include "containerd/client.h"
#include "containerd/types.h"

typedef struct CtrWriter CtrWriter;

/* Begins. `reference` is the ingest's name, unique in the namespace. `digest` is what will have been written,
 * NULL when that is not known yet; `size` is the number of bytes, 0 when not known.
 *
 * 1 and *ret = NULL when a blob of that digest is there already (and belongs to the client's lease now). 0
 * and a writer otherwise, which stands at ctr_writer_get_offset(): not 0 when an ingest of the reference was
 * left unfinished, or when another namespace has the blob. ERROR_BUSY when somebody else writes to the
 * reference. */
int ctr_writer_new(CtrClient *client, const char *reference, const char *digest, uint64_t size,
                   CtrWriter **ret, Error *error);

/* Ends the stream; what was not committed stays as an ingest. Gives NULL. */
CtrWriter *ctr_writer_free(CtrWriter *writer);
DEFINE_CLEANUP(CtrWriter *, ctr_writer_free);

/* How many bytes are there, those on their way included: where the next ones go. */
uint64_t ctr_writer_get_offset(CtrWriter *writer);

/* Appends any number of bytes. After an error nothing but freeing is of use. */
int ctr_writer_write(CtrWriter *writer, const void *data, size_t n, Error *error);

/* Throws away what is there and starts again at 0. */
int ctr_writer_truncate(CtrWriter *writer, Error *error);

/* Makes the blob of what was written, with these labels (NULL for none). `digest` and `size` (NULL and 0 for
 * unknown) are checked by containerd: a mismatch is ERROR_INVALID_ARGUMENT. A blob that has come to
 * be there meanwhile is no error. The digest is given as containerd computed it. */
int ctr_writer_commit(CtrWriter *writer, const char *digest, uint64_t size, const CtrLabels *labels,
                      char **ret_digest, Error *error);

/* Removes an ingest: -ENOENT when there is none. */
int ctr_content_abort(CtrClient *client, const char *reference, Error *error);

/* All of a blob at once: a manifest, a config. 1 when it was there already, and then has these labels too; 0
 * when written. */
int ctr_content_write(CtrClient *client, const char *digest, const void *data, size_t n,
                      const CtrLabels *labels, Error *error);
