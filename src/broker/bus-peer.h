/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who calls a method: asked of the bus, which had it from the kernel when the caller connected. Asynchronous,
 * unlike sd_bus_query_sender_creds(3), so that a slow bus holds nobody up. */

#include <systemd/sd-bus.h>

#include "broker/peer.h"

/* Called once, unless the slot is freed before. `r` is negative, with the error, when the caller cannot be
 * known, for instance because he has left. The peer is the callee's to take. */
typedef void (*BusPeerCallback)(int r, Peer *peer, Error *error, void *userdata);

/* Asks for the sender of the message. *slot is the caller's to unref, in the callback at the earliest.
 * Negative errno. */
int bus_peer_query(sd_bus_message *m, BusPeerCallback callback, void *userdata, sd_bus_slot **slot);
