/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary.h - decoys are watched: their opening is an action for the judge, without trapping reads.
 *
 * kern lives among the agent's mounts, so it can watch the very files with inotify(7). It is told
 * after the opening, which harms nobody, as what stands there is good for nothing; the judge
 * decides what becomes of the agent. A `read` with the operation "canary", by nobody in particular:
 * inotify does not say who it was. One is told once a second.
 */
#ifndef BELAY_KERN_CANARY_H
#define BELAY_KERN_CANARY_H

#include "kern/request.h"

struct canary {
    int watch;
    dev_t dev;
    ino_t ino;
    uint64_t told; /* ms */
};

/* Watches those of the configuration. False: one is not there, *e names it. */
bool canary_open(struct kern *k, struct err *e);
/* Reads what inotify has, and sends an ACTION for each that was opened. */
void canary_events(struct kern *k);
/* Is this file one of them? Then its opening for reading is not refused: it is to be seen. */
bool canary_is(const struct kern *k, const struct stat *st);

#endif
