/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Service containers as objects on the bus, /xyz/cruciblehq/cruxd1/container/ID with what may not stand in a
 * path escaped: sd_bus_path_encode(3). Properties are for everybody to read, as those of the scopes that the
 * containers run in; methods are authorised as the commands that they are. */

#include "broker/bus.h"
#include "broker/container.h"
#include "broker/peer.h"

#define CONTAINER_PATH BUS_PATH "/container"

/* free(). NULL without memory. */
char *container_bus_path(const Container *container);

/* Methods of the Manager: for bus-call.h. */
int container_bus_serve_list(BusCall *call, const Peer *peer, Error *error);
int container_bus_serve_get(BusCall *call, const Peer *peer, Error *error);

/* Tell whoever listens, if the daemon is on the bus. The container must be known to the watcher. */
void container_bus_added(const Container *container);
void container_bus_changed(const Container *container, unsigned changes);
void container_bus_removed(const Container *container);
