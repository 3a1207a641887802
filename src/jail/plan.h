/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - what a jail's plan may ask for.
 */
#ifndef BELAY_JAIL_PLAN_H
#define BELAY_JAIL_PLAN_H

#include "jail/jail.h"

/* False: *e names what cannot be. The mounts are checked where they are resolved (tree.h). */
bool jail_plan_check(const struct jail_plan *p, struct err *e);

#endif
