/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The ways of rootfs_mount(), for each kind of mount and of kernel. Private to rootfs*.c. */

#include "runtime/rootfs.h"

/* Bytes of a string that fsconfig(2) takes, without its NUL. */
#define FSCONFIG_STRING_MAX 255

/* Each: the fd of a detached mount, or a negative errno and words; `attributes` are MOUNT_ATTR_ flags. */
int rootfs_mount_bind(const RootfsMount *mount, unsigned attributes, Error *error);
int rootfs_mount_overlay(const RootfsMount *mount, unsigned attributes, Error *error);

/* By mount(2), whose options are one page. Lower directories are given relative to what they have in common,
 * which makes room for some four hundred. */
int rootfs_mount_overlay_classic(const RootfsMount *mount, unsigned attributes, Error *error);

/* Whether rootfs_mount_overlay() gave up on something that rootfs_mount_overlay_classic() may do. */
#define ROOTFS_TRY_CLASSIC (-EMSGSIZE)

/* Whether an option is one of the mount itself ("ro", "rbind"), not of the file system. */
bool rootfs_option_is_generic(const char *option) _pure_;

/* The value of "NAME=VALUE" among the options, the last one counting; NULL for none. Borrowed. */
const char *rootfs_option_value(const RootfsMount *mount, const char *name) _pure_;

bool rootfs_has_option(const RootfsMount *mount, const char *option) _pure_;
