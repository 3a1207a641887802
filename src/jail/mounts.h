/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.h - the mount API of Linux 5.12 by descriptor, as root.c and overlay.c use it.
 *
 * Each returns a descriptor or true; on failure -1 or false with errno.
 */
#ifndef BELAY_JAIL_MOUNTS_H
#define BELAY_JAIL_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new file system that is attached nowhere yet. An option without value is a flag. */
int new_mount(const char *type, const char *const options[][2], size_t n, unsigned flags);
/* A copy of what is mounted at `path`, attached nowhere. `flags`: AT_EMPTY_PATH, AT_RECURSIVE. */
int copy_mount(int dir, const char *path, unsigned flags);
/* Sets MOUNT_ATTR_ flags, and makes it private; `at`: AT_RECURSIVE or 0. */
bool set_flags(int mount, uint64_t flags, unsigned at);
bool clear_flags(int mount, uint64_t flags);
/* `to` is a folder or file descriptor, or AT_FDCWD with "/". */
bool attach(int mount, int to, const char *path);
/* Never through a link, never out of `dir`: another jail may be writing in the same folders. */
int open_below(int dir, const char *path);

#endif
