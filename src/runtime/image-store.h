/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images in containerd: found by name, resolved for a platform, unpacked into snapshots. */

#include "containerd/images.h"
#include "oci/image.h"
#include "runtime/runtime.h"

/* The label by which a config blob keeps the snapshot that its layers were unpacked to. */
#define LABEL_SNAPSHOT "containerd.io/gc.ref.snapshot." DEFAULT_SNAPSHOTTER

/* The image of that name for a platform. ERROR_NOT_FOUND: `image "NAME": not found`, also where its
 * content is incomplete; ERROR_UNSUPPORTED where it has nothing for the platform. */
int image_store_find(Runtime *runtime, const char *name, const Platform *platform, Image *ret, Error *error);

/* The same from what a name points at, or would. */
int image_store_resolve(Runtime *runtime, const Descriptor *target, const Platform *platform, Image *ret,
                        Error *error);

/* Unpacks what is not unpacked yet, and gives the chain id: the name of the committed snapshot of all its
 * layers, none for an image without layers. Everything must be in the content store; a lease must be held.
 * Diff ids are verified. */
int image_unpack(Runtime *runtime, const Image *image, Digest *ret_chain, Error *error);

/* Makes a name point at a descriptor; `labels` may be NULL. */
int image_store_put(Runtime *runtime, const char *name, const Descriptor *target, const CtrLabels *labels,
                    Error *error);
