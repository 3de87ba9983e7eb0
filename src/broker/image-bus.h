/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images as objects on the bus, /xyz/cruciblehq/cruxd1/image/NAME with what may not stand in a path escaped:
 * sd_bus_path_encode(3). */

#include "broker/bus.h"
#include "broker/image.h"
#include "broker/peer.h"

#define IMAGE_PATH BUS_PATH "/image"

/* free(). NULL without memory. */
char *image_bus_path(const Image *image);

/* Methods of the Manager: for bus-call.h. */
int image_bus_serve_list(BusCall *call, const Peer *peer, Error *error);
int image_bus_serve_get(BusCall *call, const Peer *peer, Error *error);

/* Tell whoever listens, if the daemon is on the bus. The image must be known to the watcher. */
void image_bus_added(const Image *image);
void image_bus_changed(const Image *image, unsigned changes);
void image_bus_removed(const Image *image);
