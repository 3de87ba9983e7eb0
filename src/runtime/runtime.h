/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every operation on containerd needs to know: the connection, the instance that it acts for, and what
 * was found out about this machine. One a process. */

#include "archive/sink.h"
#include "containerd/client.h"
#include "containerd/runc-options.h"
#include "containerd/types.h"

#define DEFAULT_INSTANCE "default"
#define DEFAULT_SNAPSHOTTER "overlayfs"

/* Labels on what is ours. Nothing that a client or an image says becomes the name of a label. */
#define LABEL_INSTANCE "xyz.cruciblehq.cruxd.instance" /* the instance that made it */
#define LABEL_BASE \
        "xyz.cruciblehq.cruxd.base" /* on images that are kept only as the base of later builds \
                                     */

/* On what lives no longer than the process that made it: which process that is, by boot, PID and start time,
 * so that it can be told whether it still runs (runtime/owner.h). */
#define LABEL_OWNER "xyz.cruciblehq.cruxd.owner"

/* How long a lease lives that nobody deletes, in microseconds: longer than any build may take. */
#define LEASE_EXPIRE_USEC (UINT64_C(24) * 3600 * 1000000)

typedef struct RuntimeSettings {
        const char *address;     /* containerd's socket; NULL: its default */
        const char *namespace;   /* NULL: "cruxd", or "cruxd-INSTANCE" */
        const char *instance;    /* NULL: DEFAULT_INSTANCE */
        const char *directory;   /* for FIFOs, seen under the same path by containerd; NULL: "/run/cruxd" */
        const char *oci_runtime; /* program; NULL: crun where it is installed, else the shim's default */
        uint64_t archive_unpacked_max; /* bytes that a compressed archive may unpack to; 0: the archive
                                          layer's default */
        CancelFlag *cancelled;         /* set together with ctr_client_cancel(); NULL: cannot be */
} RuntimeSettings;

typedef struct Runtime {
        CtrClient *client;
        char *instance;
        char *directory;
        char *oci_runtime;  /* NULL: the shim's default */
        char *content_root; /* runtime_content_root() */
        bool content_root_known;
        bool systemd_cgroup; /* systemd is the machine's manager and makes the containers' scopes */
        bool unclean;        /* something of ours could not be removed: a sweep must, after this process */
        bool checked;        /* runtime_ready() was there */
        char *owner;         /* the value of LABEL_OWNER */
        char *lease;         /* the one that is held, or NULL */
        uint64_t archive_unpacked_max;
        CancelFlag *cancelled;
} Runtime;

int runtime_new(const RuntimeSettings *settings, Runtime **ret, Error *error);
Runtime *runtime_free(Runtime *runtime);
DEFINE_CLEANUP(Runtime *, runtime_free);

/* Before the first call: containerd is there, new enough, and has the namespace. Costs nothing when it was
 * asked before. */
int runtime_ready(Runtime *runtime, Error *error);

/* The options for the shim of a container. Borrowed from the runtime: not to be cleared. */
CtrRuncOptions runtime_runc_options(const Runtime *runtime);

/* The spec's cgroupsPath for a container in `slice` ("cruxd.slice"). NULL without memory. */
char *runtime_cgroups_path(const Runtime *runtime, const char *slice, const char *id);

/* The unit that systemd makes of that path: "cruxd-ID.scope", or "cruxd-INSTANCE--ID.scope" of another
 * instance than the default one. No identifier has two dashes in a row, so that none is like one of another
 * instance. NULL without memory. */
char *runtime_scope(const Runtime *runtime, const char *id);

/* What stands before the id in these names. NULL without memory. */
char *runtime_scope_prefix(const Runtime *runtime);

/* An fd of the blob's file in containerd's content store, or -EBADF where this process cannot read it: then
 * the content service must be asked. */
int runtime_open_blob(Runtime *runtime, const char *digest);

/* "PREFIX-" and 64 random bits. NULL without memory. */
char *runtime_random_name(const char *prefix);

/* Something could not be removed: logs it, and sets `unclean`. */
void runtime_unclean(Runtime *runtime, const char *what, const char *name, const Error *error);

/* The labels of what this instance makes; with LABEL_OWNER for what is to go when this process has. */
int runtime_labels(const Runtime *runtime, bool temporary, CtrLabels *ret, Error *error);

/* A lease for the time of an operation: what is created between begin and end is kept until then. They do not
 * nest.
 *
 *     _cleanup_(runtime_lease_endp) Runtime *leased = NULL;
 *     r = runtime_lease_begin(runtime, &leased, error); */
int runtime_lease_begin(Runtime *runtime, Runtime **ret, Error *error);
void runtime_lease_end(Runtime *runtime);
static inline void runtime_lease_endp(Runtime **runtime) {
        if (*runtime)
                runtime_lease_end(*runtime);
}
