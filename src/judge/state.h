/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the judge's state, shared by its files (private to src/judge): core.c takes frames
 * and commits, decide.c decides actions, held.c has the questions, event.c what the
 * keeper does, tell.c what is said to the keeper.
 *
 * Functions that return bool: false with e->code 0, the frame at hand was malformed; with
 * e->code set, the record failed.
 */
#ifndef BELAY_JUDGE_STATE_H
#define BELAY_JUDGE_STATE_H

#include "judge/causes.h"
#include "judge/core.h"
#include "judge/intents.h"
#include "judge/labels.h"
#include "judge/ledger.h"
#include "judge/pending.h"
#include "judge/refused.h"
#include "watch/watch.h"

#define OUTBOX_MAX   (64u * 1024 * 1024) /* bytes of frames that wait for one commit */
#define SYNC_MS      1000                /* no line stays off the disk for longer */
#define VERDICTS_MAX 1024                /* remembered for NOTE, for each peer */

struct out_frame {
    enum judge_peer to;
    bool sync; /* its event must be on the disk */
    size_t at, n;
};

struct judge {
    const struct policy *policy;
    struct policy *reloaded; /* the same, when it came with a RELOAD: owned */
    struct policy_scratch *scratch;
    struct session session;
    struct record *record;
    struct judge_hooks hooks;
    enum phase phase;
    bool over;
    bool killing; /* everything is denied from now on */
    int64_t ask_ms;
    bool canary_freezes;
    int64_t sync_at; /* when unsynced lines go to the disk; 0: there are none */
    uint64_t notices_held;

    struct watch watch;
    struct causes causes;
    struct intents intents;
    struct labels labels;
    struct ledger ledger;
    struct pendings pendings;
    struct refused refused;
    struct {
        uint32_t frame;
        uint64_t event;
        uint64_t labels;                  /* that the session got by it */
    } verdicts[PEER_COUNT][VERDICTS_MAX]; /* by frame id */

    struct buf outbox; /* frames, one behind the other */
    struct out_frame *queue;
    size_t nqueue, queue_size;

    struct decision decision, second;
    struct frame_in held; /* a pending frame, read again */
    struct frame_out out;
};

enum role judge_role_of(enum judge_peer p);

static inline struct str cut_str(struct str s, size_t max)
{
    return s.n <= max ? s : (struct str){s.p, max};
}

/* core.c: queues j->out for the next commit. */
void judge_post(struct judge *j, enum judge_peer to, bool sync);
/* Records; the number of the event, or 0 and *e. */
uint64_t judge_record(struct judge *j, const struct record_event *event, struct err *e);

/* note.c */
bool judge_note(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e);

/* marks.c: from kern, with the labels of the verdict that they belong to, on to the gate. */
bool judge_marks(struct judge *j, struct frame_in *f);

/* reload.c: another policy for the running session; the old one serves until it stands. */
bool judge_reload(struct judge *j, struct frame_in *f, struct err *e);

/* decide.c */
bool judge_action(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e);
/* Decides by policy and address; fills j->decision. */
void judge_decide(struct judge *j, const struct action *a);
/* Must its record be on the disk before it is allowed? */
bool judge_is_send(const struct action *a);
/* What is granted: labels are picked up, an exec becomes a cause. */
void judge_granted(struct judge *j, const struct action *a, uint64_t labels, uint64_t event);
/* Posts the VERDICT for frame `id`; `d` gives rules and duties. */
void judge_verdict(struct judge *j, enum judge_peer to, uint32_t id, enum outcome outcome,
                   uint64_t event, const struct decision *d, struct str reason, bool sync);
/* What the watch found: recorded, told, and the agent frozen if it freezes. */
bool judge_found(struct judge *j, const struct watch_finding *f, uint64_t event, struct err *e);
/* Counts a denied action; may find something. */
bool judge_count_denial(struct judge *j, const struct action *a, uint64_t event, struct err *e);

/* held.c. judge_hold asks about the action of frame `f`, if there is room to. */
void judge_hold(struct judge *j, enum judge_peer from, const struct frame_in *f,
                const struct action *a, uint64_t event);
bool judge_room_to_hold(struct judge *j, enum judge_peer from, const struct frame_in *f, pid_t pid);
bool judge_answer(struct judge *j, struct frame_in *f, struct err *e);
bool judge_cancel(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e);
bool judge_time_out(struct judge *j, struct err *e);
bool judge_drop_held(struct judge *j, struct err *e);

/* event.c */
bool judge_event(struct judge *j, struct frame_in *f, struct err *e);

/* tell.c: messages to the keeper. */
void tell_denied(struct judge *j, const struct action *a, uint64_t event, struct str rule,
                 struct str reason);
/* What kern did on its own to an exec that was allowed. */
void tell_noted(struct judge *j, uint64_t event, struct str text);
void tell_alert(struct judge *j, uint64_t event, struct str text);
void tell_stop(struct judge *j, enum outcome outcome, uint64_t event, struct str text);
void tell_asked(struct judge *j, const struct pending *q, const struct action *a,
                const struct decision *d);
void tell_ask_over(struct judge *j, uint32_t id);

#endif
