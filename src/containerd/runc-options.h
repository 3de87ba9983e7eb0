/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.runc.v1.Options: what the shim io.containerd.runc.v2 can be told, for a container or a task. */

#include <stdint.h>

#include "base/macro.h"

/* The name of the shim's runtime, for CtrContainer. */
#define CTR_RUNTIME_RUNC "io.containerd.runc.v2"

typedef struct CtrRuncOptions {
        char *binary_name;   /* the OCI runtime: "crun", or a path; NULL for runc */
        char *root;          /* the OCI runtime's state directory; NULL for the shim's default */
        char *shim_cgroup;   /* cgroup that the shim is put into; NULL for where it is started */
        bool systemd_cgroup; /* cgroupsPath of the spec is "SLICE:PREFIX:NAME", and systemd is asked for the
                                scope */
        bool no_pivot_root;
        bool no_new_keyring;
        uint32_t io_uid, io_gid; /* owner of the pipes that the shim makes */
} CtrRuncOptions;

void ctr_runc_options_clear(CtrRuncOptions *options);
