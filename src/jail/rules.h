/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h - the agent's Landlock domain, consistent with the jail's mounts.
 */
#ifndef BELAY_JAIL_RULES_H
#define BELAY_JAIL_RULES_H

#include "base/err.h"
#include "jail/tree.h"

/* Inside the new root, with no_new_privs. `abi` > 0. */
bool rules_enter(const struct tree *t, int abi, struct err *e);

#endif
