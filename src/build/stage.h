/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A stage under way: its snapshot, its root filesystem, and its container once a step needs one.
 *
 * The root filesystem is a directory fd (runtime/rootfs.h), of which there is never more than one mount at a
 * time: our own before the container is started, the task's while it runs. When the stage has ended neither
 * is there, and its snapshot is mounted for reading by the stages that copy out of it. */

#include "archive/mount-points.h"
#include "build/observer.h"
#include "oci/user.h"
#include "recipe/step-state.h"
#include "runtime/identity.h"
#include "runtime/import.h"
#include "runtime/snapshot.h"

typedef struct BuildStage {
        Runtime *runtime;
        const Stage *stage;
        const Platform *platform;
        const BuildObserver *observer;
        BuildPlace place;
        char number[16]; /* place.stage, where the stage has no name */

        Import base;
        char *key; /* of the snapshot; NULL until there is one */
        CtrMounts mounts;
        char *upper; /* directory of the changes; NULL where there is none */
        int root_fd; /* -EBADF when nothing is mounted */
        StepState state;

        char *container; /* NULL until a step needed one, and after the stage */
        Buffer spec;     /* of the container */
        MountPoints mount_points;
} BuildStage;

/* What all stages of a build have in common. */
typedef struct StageInputs {
        const Recipe *recipe;
        const Platform *platform;
        const char *platform_name; /* the same as text; lives as long as the stages */
        const Identity *client;
        int root_fd;           /* the client's `root` directory, opened as the client */
        const char *root_name; /* what it is called in messages */
        const BuildObserver *observer;
} StageInputs;

/* Gets the base image, importing or pulling it, and makes the snapshot. A lease must be held. *ret is cleared
 * by build_stage_clear(), on failure too. */
int build_stage_begin(Runtime *runtime, const StageInputs *inputs, const Stage *stage, BuildStage *ret,
                      Error *error);

/* The root filesystem for reading and writing. Borrowed, good until a container is started or the stage ends.
 */
int build_stage_root(BuildStage *stage, int *ret_fd, Error *error);

/* Makes sure that the container runs. */
int build_stage_container(BuildStage *stage, Error *error);

/* Ends the container, if there is one, and lets go of the root filesystem; the snapshot stays. Also when
 * cancelled. */
int build_stage_end(BuildStage *stage, Error *error);

/* Removes everything. Failures are logged: what stays is swept when this process has gone. */
void build_stage_clear(BuildStage *stage);
