/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - a cgroup v2 folder for one jail, below the caller's own.
 *
 * It can be had where the caller may make folders in its own cgroup: as root, and in the
 * parts that systemd delegates to a user. On hosts with both versions, v2 is wherever it is
 * mounted. Kernel Documentation/admin-guide/cgroup-v2.rst.
 */
#ifndef BELAY_JAIL_CGROUP_H
#define BELAY_JAIL_CGROUP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Opens the caller's own v2 cgroup. -1 and *e says why it cannot be used. */
int cgroup_open_own(struct err *e);

/* Makes `name` (bytes of room: size) below `parent` for the session and opens it; -1 and *e.
 * Folders of callers that died are removed on the way. */
int cgroup_make(int parent, const char *session, char *name, size_t size, struct err *e);

/* Writes `value` to the file `name` of the cgroup; false with errno. */
bool cgroup_set(int cgroup, const char *name, const char *value);

/* Whether every process in it is frozen. */
bool cgroup_frozen(int cgroup);

/* Removes it; retried for up to a second, while the last process is still being buried. */
bool cgroup_remove(int parent, const char *name);

#endif
