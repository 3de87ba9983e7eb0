/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file that is made for a client and appears whole or not at all.
 *
 * It is made as the client, in the client's directory, without a name (O_TMPFILE): whatever ends this
 * process, nothing is left. output_commit() gives it its name, replacing what had it in one step. On file
 * systems without O_TMPFILE (NFS, FUSE) it has a hidden name next to the final one meanwhile, which
 * output_free() removes and only SIGKILL leaves behind. */

#include "runtime/identity.h"

typedef struct Output Output;

typedef enum OutputFlags {
        OUTPUT_NAMED = 1 << 0, /* as if there were no O_TMPFILE: for tests */
} OutputFlags;

/* Makes the directory, 0755, where it is missing, and the file in it, 0644 and the client's. The Identity
 * must live as long as the Output. `directory` as in identity.h, `name` is one component. */
int output_open(const Identity *identity, int dir_fd, const char *directory, const char *name,
                OutputFlags flags, Output **ret, Error *error);

/* Where its content is to be written. Borrowed. */
int output_fd(const Output *output) _pure_;

/* Gives the file its name. Once; whether it worked or not, output_free() comes after it. Does not sync: after
 * a power failure the file may be an older one, as with any file just copied. */
int output_commit(Output *output, Error *error);

/* Drops what was not committed; gives NULL. */
Output *output_free(Output *output);
DEFINE_CLEANUP(Output *, output_free);
