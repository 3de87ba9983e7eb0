/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A connection to containerd, and how its calls are made and cancelled. The services are beside it, one
 * header each.
 *
 * Every function of this layer that talks to containerd blocks, takes the client first and an Error last, and
 * may be called by several threads at once. What a call gives is the caller's, to be cleared with the type's
 * _clear() or freed with its _free(); arguments are copied or only used during the call.
 *
 * Errors, by containerd's status:
 *
 *     not found                       ERROR_NOT_FOUND          -ENOENT
 *     already exists                  ERROR_ALREADY_EXISTS     -EEXIST
 *     invalid argument, out of range  ERROR_INVALID_ARGUMENT   -EINVAL
 *     failed precondition, aborted    ERROR_BUSY               -EBUSY
 *     unimplemented                   ERROR_UNSUPPORTED        -EOPNOTSUPP
 *     permission denied               ERROR_PERMISSION_DENIED  -EACCES
 *     unavailable, deadline           ERROR_UNAVAILABLE        -EHOSTDOWN   names the address
 *     cancelled                       ERROR_CANCELLED          -ECANCELED
 *     anything else                   ERROR_INTERNAL           -EIO         as of shim and runtime
 *
 * always with containerd's own words. A reply that cannot be read (too large, not what the service promises)
 * is ERROR_INTERNAL. Not one call waits for ever: where containerd cannot be reached they fail after
 * CTR_CONNECT_TIMEOUT_USEC, and all but those that wait for something to happen (ctr_wait_finish(),
 * ctr_events_next(), ctr_pull(), reading and writing content, applying and making diffs) have a deadline.
 * Those end when containerd goes, and when it has not shown itself alive for six minutes.
 *
 * What can be repeated without harm is repeated when the connection is lost, so that a restart of
 * containerd goes unnoticed by it. */

#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

#define CTR_DEFAULT_ADDRESS "/run/containerd/containerd.sock"

/* Largest message in either direction, in bytes: containerd's own limit. */
#define CTR_MESSAGE_MAX MIB(16)

/* How long a call waits for a containerd that is not there (or just starting again). */
#define CTR_CONNECT_TIMEOUT_USEC UINT64_C(5000000)

/* Bound on the items of anything that containerd lists. */
#define CTR_LIST_MAX 65536U

typedef struct CtrClient CtrClient;

/* A client for the socket at `address` (a path, or "unix://" and a path; NULL for the default) and for one
 * namespace. Connects when the first call is made. Starts threads, which have all signals blocked; whoever
 * handles signals in a thread of its own must have them blocked before this. ERROR_INVALID_ARGUMENT for a
 * path that no socket can have. Other clients of the process are independent of it. */
int ctr_client_new(const char *address, const char *namespace, CtrClient **ret, Error *error);

/* Begins to connect, for a call that is to come, and waits for nothing. */
void ctr_client_prepare(CtrClient *client);

/* No call of it may be under way, and what was made with it (CtrWait, CtrEvents, CtrWriter) must be gone.
 * Gives NULL. */
CtrClient *ctr_client_free(CtrClient *client);
DEFINE_CLEANUP(CtrClient *, ctr_client_free);

/* Borrowed. */
const char *ctr_client_get_address(CtrClient *client);
const char *ctr_client_get_namespace(CtrClient *client);

/* Lets the calls that begin from now on act under a lease: what they create is kept by it. NULL for none. 0
 * or -ENOMEM, and then the lease is as it was. */
int ctr_client_set_lease(CtrClient *client, const char *lease);

/* Cancelling, by any thread: every call under way ends with ERROR_CANCELLED, and so does every later one at
 * once, until ctr_client_uncancel(). Not to be called in a signal handler. Excepted are calls that a shielded
 * thread began. */
void ctr_client_cancel(CtrClient *client);
void ctr_client_uncancel(CtrClient *client);
bool ctr_client_is_cancelled(CtrClient *client);

/* An fd that polls readable (POLLIN) while the client is cancelled; nothing is to be read from it. Borrowed,
 * never negative. */
int ctr_client_get_cancel_fd(CtrClient *client);

/* Between these the calling thread's calls are not cancelled, whatever the client: for cleaning up. They
 * nest. A shield lasts until the end of its scope:
 *
 *     CTR_SHIELD();
 */
void ctr_shield(void);
void ctr_unshield(void);

static inline void ctr_unshieldp(const bool *shielded) {
        (void) shielded;
        ctr_unshield();
}
#define CTR_SHIELD() _cleanup_(ctr_unshieldp) _unused_ const bool UNIQUE(_ctr_shield_) = (ctr_shield(), true)
