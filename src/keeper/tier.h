/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tier.h - which jail a session gets: namespaces where the host lets belay make them, else tier B
 * (jail/host.h), which is said at the start, on the terminal and in the record.
 */
#ifndef BELAY_KEEPER_TIER_H
#define BELAY_KEEPER_TIER_H

#include "jail/jail.h"
#include "keeper/session.h"

/* Starts the jail of plan `p`, whose tier, traps, environment and scratch folder are set here.
 * False: *e. `a` holds what the plan points to. */
bool tier_start(struct keeper *k, struct jail_plan *p, struct arena *a, struct err *e);

/* Tells people and the record that it is tier B, and why; nothing in tier A. */
void tier_tell(struct keeper *k);

/* The loopback port that a listener has; 0 for -1. */
uint16_t tier_port_of(int listener);

#endif
