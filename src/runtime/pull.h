/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images out of registries, by containerd's own transfer service. */

#include "oci/reference.h"
#include "runtime/image-store.h"

/* The image of a reference for a platform, unpacked: what is there is used as it is, anything else is pulled
 * and named by the reference's canonical form. *ret_chain as of image_unpack(). A lease must be held. */
int image_pull(Runtime *runtime, const Reference *reference, const Platform *platform, Image *ret,
               Digest *ret_chain, Error *error);
