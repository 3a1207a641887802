/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter.h - what a session has carried, of what it may: bytes between the agent and anywhere else,
 * both ways together, as they pass the gate (inside TLS where the gate opens it).
 *
 * One for the whole gate. A connection that carries the last allowed byte ends with METER_OVER, and
 * so do all others at their next byte; no new one is taken.
 */
#ifndef BELAY_GATE_METER_H
#define BELAY_GATE_METER_H

#include <stdbool.h>
#include <stdint.h>

#define METER_OVER "more bytes than this session may carry (limits.network in belay.yaml)"

struct meter {
    uint64_t carried;
    uint64_t most; /* 0: any number */
};

static inline bool meter_over(const struct meter *m)
{
    return m->most != 0 && m->carried >= m->most;
}

/* Counts. False: that was more than may be carried. */
static inline bool meter_add(struct meter *m, uint64_t n)
{
    m->carried += n;
    return m->most == 0 || m->carried <= m->most;
}

#endif
