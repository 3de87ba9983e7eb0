/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The OCI runtime spec of a container from its image. */

#include "oci/image-config.h"
#include "oci/spec.h"
#include "runtime/runtime.h"

/* The slice that an instance's containers are in, below cruxd.slice; build stages have one of their own, for
 * an administrator to limit. NULL without memory. */
char *container_slice(const Runtime *runtime);
char *build_slice(const Runtime *runtime);

/* Whom the image's `User` means, looked up in the /etc/passwd and /etc/group of its root filesystem. */
int container_user(const char *user, int root_fd, ImageUser *ret, Error *error);

typedef struct ContainerSpec {
        const char *id;
        const char *slice;
        char *const *args;
        char *const *env;
        const char *cwd; /* NULL: "/" */
        const ImageUser *user;
        const char *description; /* of the scope, for people */
        const SpecMount *mounts; /* beyond the default ones */
        size_t n_mounts;
} ContainerSpec;

/* Appends it as JSON, with what this machine needs besides: the cgroup, and with systemd how the scope is to
 * be. */
int container_spec_write(const Runtime *runtime, const ContainerSpec *spec, Buffer *ret, Error *error);
