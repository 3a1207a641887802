/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door.h - the listeners that the agent's TCP connections are redirected to.
 *
 * Asks the kernel where each connection wanted to go (SO_ORIGINAL_DST, kept by connection
 * tracking) and hands it to conn.h, or to the name server when that is port 53. Stops
 * accepting while the connection limit is reached or descriptors are short; what comes then
 * waits in the listener's queue.
 */
#ifndef BELAY_GATE_DOOR_H
#define BELAY_GATE_DOOR_H

#include "gate/dnsd.h"
#include "gate/pass.h"
#include "gate/state.h"

struct doors;

/* Sockets listen, or are -1. NULL and *e on failure. */
/* `passes`: tier B, where not the kernel but they say where a connection wanted to go; or NULL. */
struct doors *doors_new(struct gate *g, struct dnsd *dnsd, struct passes *passes, int tcp4,
                        int tcp6, struct err *e);

/* Another policy holds. */
void doors_reloaded(struct doors *d);

#endif
