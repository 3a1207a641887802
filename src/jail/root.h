/* SPDX-License-Identifier: Apache-2.0 */
/*
 * root.h - the jail's own root, made of mounts that belong to its mount namespace alone.
 *
 * Uses the mount API of Linux 5.12 (open_tree, mount_setattr, move_mount): a copy of a host
 * folder is taken by descriptor and given its flags before it can be seen. Folders of our
 * own come from one tmpfs. Nothing is written to the host.
 */
#ifndef BELAY_JAIL_ROOT_H
#define BELAY_JAIL_ROOT_H

#include "base/err.h"
#include "jail/jail.h"
#include "jail/tree.h"

/*
 * In a fresh mount namespace with CAP_SYS_ADMIN: builds what `t` says and pivots into it;
 * the old root is gone afterwards. The working folder is "/". `processes`: the most there may
 * be (0: no limit); needed here for root only, whom RLIMIT_NPROC does not count. `stage`: the
 * folder of staged work, when the tree has a NODE_STAGE.
 */
bool root_enter(struct tree *t, uint64_t processes, const char *stage, struct err *e);

/* Opens a terminal of the jail's own devpts; -1 and *e. */
int root_open_pty(struct err *e);

#endif
