/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h - connections from the host to servers of the agent's that the person published.
 *
 * Each listener stands on the host's loopback. A connection that comes is joined to one that the
 * jail's init makes to the same port inside (jail/inward.h): over IPv4 first, then over IPv6. Bytes
 * go both ways unread, as through the gate's other doors; when it ends the judge is told.
 */
#ifndef BELAY_GATE_PUBLISH_H
#define BELAY_GATE_PUBLISH_H

#include "gate/state.h"

/* Takes the descriptors of the configuration's doors. False and *e on failure. */
bool publish_open(struct gate *g, const struct gate_config *c, struct err *e);

#endif
