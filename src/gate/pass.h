/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass.h - tier B: connections that nothing redirected.
 *
 * There the listeners stand on the host's loopback, where anybody may knock. kern connects the
 * agent's socket to them, and before it does, says on a socket of its own from which local port
 * the connection will come and where the agent wanted it to go (MSG_PASS). Two connections to one
 * listener cannot come from one port, so the port is the pass; it holds once, and for a few
 * seconds. Who comes without is reset.
 */
#ifndef BELAY_GATE_PASS_H
#define BELAY_GATE_PASS_H

#include "gate/dnsd.h"
#include "gate/state.h"

struct passes;

/* `kern` is not owned. What asks for names by it is handed to `dnsd`. NULL and *e on failure. */
struct passes *passes_new(struct gate *g, struct dnsd *dnsd, int kern, struct err *e);

/* Where the connection from this port of the loopback wanted to go; the pass is used up. */
bool pass_take(struct passes *p, bool v6, uint16_t from, struct addr *to, uint16_t *port);

#endif
