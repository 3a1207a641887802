/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay.h - the staged workspace: an overlayfs without privileges.
 *
 * The kernel takes folders of an overlay by path, in which commas and colons mean something,
 * and upper and work folder must lie under one mount. So copies of both mounts are attached
 * below the builder's tmpfs under plain names; they go with the old root, the overlay keeps
 * its own. With `userxattr` its marks are in the user.overlay. name space, which the agent
 * cannot reach through the overlay.
 */
#ifndef BELAY_JAIL_OVERLAY_H
#define BELAY_JAIL_OVERLAY_H

#include "base/err.h"

#include <stdbool.h>

/*
 * `base`: the tmpfs, attached at /proc. `lower`: O_PATH of the real workspace, never changed.
 * `stage`: the folder with "upper" and "work". Gives the mount, attached nowhere; -1 and *e.
 */
int overlay_mount(int base, int lower, const char *stage, bool readonly, struct err *e);

/* Can `stage` hold an upper folder: extended attributes of users, and no overlay itself? */
bool overlay_check(int stage, const char *name, struct err *e);

#endif
