/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.namespaces.v1: the namespace of the client. */

#include "containerd/client.h"

/* Makes the client's namespace unless it is there. 1 when it was made, 0 when it was there. */
int ctr_namespace_ensure(CtrClient *client, Error *error);

/* Deletes the client's namespace: -ENOENT when it is not there, ERROR_BUSY when it is not empty. */
int ctr_namespace_delete(CtrClient *client, Error *error);
