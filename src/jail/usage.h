/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.h - what the processes of a jail have used, by the jail's cgroup where its controllers are
 * there, else summed over /proc. Called by the jail's parent; no waiting.
 *
 * Without controllers: memory is what processes have for themselves (resident, without what they
 * share), CPU time and bytes written are sums over those that run and those that they have waited
 * for. A sum never falls: when processes end, what they had is kept.
 */
#ifndef BELAY_JAIL_USAGE_H
#define BELAY_JAIL_USAGE_H

#include "jail/jail.h"

/* A sum that never falls: what those who ended had is kept. */
struct usage_sum {
    int64_t last, lost;
};

struct usage {
    struct usage_sum cpu, written;
    /* results */
    int64_t cpu_ms, written_bytes; /* since the start */
    int64_t memory;                /* bytes now */
    int64_t files;                 /* most descriptors of one process; 0 before Linux 6.2 */
    int64_t processes;             /* that were looked at */
};

/* Zero-initialised to start. */
void usage_read(const struct jail *j, struct usage *u);

#endif
