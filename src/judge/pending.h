/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending.h - the held actions that wait for a person. Bounded: what does not fit is denied.
 *
 * Whoever tries the same again while the question stands (the same adapter, the same process,
 * the same action to the byte) joins it: one answer for all that wait then, and no flood of
 * equal questions from a program that opens its connection five times.
 */
#ifndef BELAY_JUDGE_PENDING_H
#define BELAY_JUDGE_PENDING_H

#include "policy/action.h"

#include <stdbool.h>
#include <stdint.h>

#define PENDING_MAX     64 /* questions */
#define PENDING_WAITERS 32 /* actions that wait for one of them */

struct waiter {
    uint32_t frame; /* id of the ACTION frame */
    uint64_t event; /* its line in the record */
};

struct pending {
    uint32_t id;      /* of the ASK frame, 0: free */
    int from;         /* which adapter */
    int64_t deadline; /* monotonic ms */
    pid_t pid;
    uint64_t cause;
    struct waiter waiter[PENDING_WAITERS];
    size_t nwaiters;
    unsigned char *packet; /* the ACTION frame as it came, owned */
    size_t n;
};

struct pendings {
    struct pending slot[PENDING_MAX];
    size_t n;
    uint32_t last_id;
};

/* A new question for this frame; NULL when there are too many. */
struct pending *pending_add(struct pendings *p, int from, const struct frame_in *f);
/* The question that this frame can join, or NULL. */
struct pending *pending_same(struct pendings *p, int from, const struct frame_in *f, pid_t pid);
/* The question with this ASK id, or NULL. */
struct pending *pending_find(struct pendings *p, uint32_t id);
/* The question that action `frame` waits for, and which of its waiters that is; or NULL. */
struct pending *pending_of(struct pendings *p, int from, uint32_t frame, size_t *waiter);
/* The question that runs out first, or NULL. */
struct pending *pending_first(struct pendings *p);
void pending_remove(struct pendings *p, struct pending *q);

#endif
