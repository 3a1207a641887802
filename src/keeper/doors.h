/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doors.h - listeners on the host's loopback for the ports that a session publishes.
 *
 * They are opened before the agent starts, so that a port that is taken is an error at the start
 * and nothing that surprises later. The gate serves them; the keeper only opens them and hands them
 * over.
 */
#ifndef BELAY_KEEPER_DOORS_H
#define BELAY_KEEPER_DOORS_H

#include "base/err.h"
#include "gate/gate.h"

#define PUBLISHED_MAX (GATE_DOORS_MAX / 2)

struct published {
    uint16_t outside, inside; /* port on the host, and of the agent's server */
};

/* "PORT" or "OUTSIDE:INSIDE"; false when it is neither. */
bool published_parse(const char *text, struct published *p);

/* Opens each on 127.0.0.1 and, where the host has IPv6, on ::1. False: *e names the port, none is
 * left open. doors_close() closes the keeper's copies. */
bool doors_open(const struct published *list, size_t n, struct gate_config *c, struct err *e);
void doors_close(struct gate_config *c);

#endif
