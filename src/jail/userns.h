/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns.h - the user namespace: its id maps, and why there may be none.
 */
#ifndef BELAY_JAIL_USERNS_H
#define BELAY_JAIL_USERNS_H

#include "base/err.h"

#include <sys/types.h>

/* Identity: the caller's own uid and gid for a user, every id for root. */
bool userns_write_maps(pid_t pid, struct err *e);

/* Fills *e with the likely reason that the namespaces could not be made, and the mend. */
void userns_explain(int error, struct err *e);

#endif
