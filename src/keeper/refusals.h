/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals.h - what was refused, in words, in a file that the agent can read.
 *
 * A program that gets EACCES does not say why; an agent that knows the rule and the reason can do
 * something else, or ask. The file lies in the jail at REFUSALS_PATH (named by BELAY_REFUSALS), on
 * a read-only mount; only the keeper has a descriptor that writes. One line for each refusal: TIME
 * ERRNO refused: what: reason (rule ID, event N); to ask, tell the person the rule The newest are
 * kept, REFUSALS_MAX bytes of them. What was refused a moment ago is not written again, so that a
 * program that only probes fills nothing; and no more than REFUSALS_BURST lines are written in a
 * second.
 */
#ifndef BELAY_KEEPER_REFUSALS_H
#define BELAY_KEEPER_REFUSALS_H

#include "base/text.h"
#include "jail/jail.h"

#include <time.h>

#define REFUSALS_PATH  "/run/belay/refusals"
#define REFUSALS_MAX   32768u
#define REFUSALS_LINE  2048u
#define REFUSALS_BURST 20
#define REFUSALS_AGAIN 60 /* seconds in which the same is not written again */
#define REFUSALS_KNOWN 64

struct refusals {
    int fd; /* -1: nothing is written */
    struct buf text;
    struct {
        uint64_t key; /* of the line without event number */
        time_t when;
    } known[REFUSALS_KNOWN];
    unsigned next;
    time_t second;
    unsigned in_second, left_out;
};

/* For the jail's plan: the file as it begins. */
struct jail_file refusals_file(void);
/* `fd` is jail.kept, and stays the caller's. */
void refusals_start(struct refusals *r, int fd);
/* Adds a line; `error` is the name of an errno, or empty. `now` in seconds since 1970. */
void refusals_add(struct refusals *r, time_t now, struct str error, struct str notice);
void refusals_end(struct refusals *r);

#endif
