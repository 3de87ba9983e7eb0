/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Asks polkit about those whom access.h does not let in: whether the machine's policy does, perhaps after
 * somebody has typed a password. Nothing waits for the answer. Without polkit it is no. */

#include "broker/bus.h"
#include "broker/peer.h"
#include "protocol/command.h"

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_CHALLENGE, /* it would be yes for somebody who may be asked for a password */
} PolkitAnswer;

/* Called once, unless the slot is freed before. */
typedef void (*PolkitCallback)(PolkitAnswer answer, void *userdata);

/* Asks whether the caller of a method may do this; what he may be asked stands in his message. *slot is the
 * caller's to unref, in the callback at the earliest. Negative errno. */
int polkit_ask_caller(Bus *bus, sd_bus_message *call, Action action, PolkitCallback callback, void *userdata,
                      sd_bus_slot **slot);

/* The same for a client of the socket, by its pidfd (polkit 124); nobody is asked for a password. -ENOTCONN
 * without a bus, -ESRCH without a pidfd. */
int polkit_ask_peer(Bus *bus, const Peer *peer, Action action, PolkitCallback callback, void *userdata,
                    sd_bus_slot **slot);
