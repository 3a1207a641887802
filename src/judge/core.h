/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - the judge without its loop: frames in, frames out, a clock that is given.
 *
 * The same frames at the same times give the same answers and, but for the times, the same
 * record. Nothing leaves before judge_commit() has recorded it.
 */
#ifndef BELAY_JUDGE_CORE_H
#define BELAY_JUDGE_CORE_H

#include "judge/judge.h"
#include "policy/message.h"
#include "policy/policy.h"
#include "record/record.h"

enum judge_peer { PEER_KEEPER, PEER_KERN, PEER_GATE, PEER_COUNT };

struct judge_hooks {
    void *arg;
    int64_t (*now_ms)(void *arg); /* monotonic */
    /* Gives a whole frame to a peer; it may queue, and ends the role when it cannot. */
    void (*send)(void *arg, enum judge_peer to, const void *frame, size_t n);
    /* Is the peer slow to read? Then notices are held back and counted. */
    bool (*slow)(void *arg, enum judge_peer to);
};

struct judge_setup {
    const struct policy *policy;       /* borrowed */
    const struct judge_config *config; /* borrowed; its descriptors are not used */
    struct record *record;             /* taken over */
    struct judge_hooks hooks;
};

struct judge;

struct judge *judge_new(const struct judge_setup *setup);
/* Forgets; a record that was not ended stays as after a crash. */
void judge_free(struct judge *j);

/* Takes one frame. False: the peer broke the protocol or the record failed, *e; see judge_fail. */
bool judge_frame(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e);

/* Denies what nobody answered in time, and syncs what has waited long enough. */
bool judge_tick(struct judge *j, struct err *e);
/* When judge_tick is due, monotonic ms; INT64_MAX: never. */
int64_t judge_due(struct judge *j);

/* Records what was decided and then sends what waits for it. False: nothing was sent, *e. */
bool judge_commit(struct judge *j, struct err *e);

/* The session is over and the record ended: kern and the gate are not to be heard any more. */
bool judge_over(const struct judge *j);

/* The judge cannot go on: tells the keeper why and ends the record if that is possible. Nothing
 * that waited for the record is sent. The role must exit. */
void judge_fail(struct judge *j, const struct err *why);

#endif
