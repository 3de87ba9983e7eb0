/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Directories to try things in, and short words for what tests do there. Every failure ends the test. They
 * are removed when the program ends. Paths are relative to the directory fd. */

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A new empty directory, 0755, on the disk of /tmp; the fd stays open. */
int scratch_new(void);

/* Its path, until the program ends. */
const char *scratch_path(int dir_fd);

/* Skips the test without root. */
void need_root(void);

/* Skips the test without root, or where the system calls of the new mount interface are not to be had (as in
 * valgrind). */
void need_mounts(void);

/* Makes missing parents, 0755. */
void put_directory(int dir_fd, const char *path, mode_t mode);
void put_file(int dir_fd, const char *path, const char *content, mode_t mode);
void put_symlink(int dir_fd, const char *path, const char *target);
void put_node(int dir_fd, const char *path, mode_t mode, dev_t device);

/* Nothing is followed at the end. */
struct stat stat_of(int dir_fd, const char *path);
bool exists(int dir_fd, const char *path);

/* In static memory. */
const char *content_of(int dir_fd, const char *path);
const char *target_of(int dir_fd, const char *path);

/* How many entries a directory has. */
unsigned count_entries(int dir_fd, const char *path);
