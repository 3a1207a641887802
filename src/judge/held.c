/* SPDX-License-Identifier: Apache-2.0 */
/* held.c - actions that wait for a person: asked, answered, cancelled, timed out. */
#include "judge/state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BY_MAX 64u

bool judge_room_to_hold(struct judge *j, enum judge_peer from, const struct frame_in *f, pid_t pid)
{
    return j->pendings.n < PENDING_MAX || pending_same(&j->pendings, (int)from, f, pid) != NULL;
}

void judge_hold(struct judge *j, enum judge_peer from, const struct frame_in *f,
                const struct action *a, uint64_t event)
{
    struct pending *q = pending_same(&j->pendings, (int)from, f, a->pid);

    if (q == NULL) {
        q = pending_add(&j->pendings, (int)from, f);
        assert(q != NULL); /* judge_room_to_hold said so */
        q->deadline = j->hooks.now_ms(j->hooks.arg) + j->ask_ms;
        q->pid = a->pid;
        q->cause = a->cause;
        tell_asked(j, q, a, &j->decision);
    }
    q->waiter[q->nwaiters++] = (struct waiter){.frame = f->id, .event = event};
}

/* The action of a question, read again from its packet. Views point into j->held. */
static void read_held(struct judge *j, const struct pending *q, struct action *a)
{
    memcpy(j->held.data, q->packet, q->n);
    bool ok = frame_parse(&j->held, q->n) == FRAME_OK && action_get(&j->held, a);
    assert(ok); /* it was read before */
    a->pid = q->pid;
    a->cause = q->cause;
}

/* What a question ends with, for all that wait for it. */
struct ending {
    bool yes;
    const char *actor;
    struct str by, reason;
};

static uint64_t record_ending(struct judge *j, const struct action *a, const struct waiter *w,
                              enum outcome outcome, const struct ending *end, struct err *e)
{
    const struct record_event ev = {.kind = RECORD_ANSWER,
                                    .actor = end->actor,
                                    .pid = a->pid,
                                    .action = a,
                                    .outcome = (int)outcome,
                                    .rules = j->decision.rules,
                                    .nrules = j->decision.nrules,
                                    .reason = end->reason,
                                    .by = end->by,
                                    .cause = w->event};

    return judge_record(j, &ev, e);
}

static bool end_question(struct judge *j, struct pending *q, struct ending end, struct err *e)
{
    struct action a;
    uint64_t event = 0;

    read_held(j, q, &a);
    judge_decide(j, &a); /* what the session did since may have changed what a yes is worth */
    const struct decision *d = &j->decision;
    if (end.yes && d->outcome > OUTCOME_ASK) {
        end.yes = false;
        end.reason = d->reason;
    }
    enum outcome outcome = end.yes ? OUTCOME_ALLOW : OUTCOME_DENY;
    for (size_t i = 0; i < q->nwaiters; i++) {
        event = record_ending(j, &a, &q->waiter[i], outcome, &end, e);
        if (event == 0)
            return false;
        if (end.yes)
            judge_granted(j, &a, d->labels, event);
        judge_verdict(j, (enum judge_peer)q->from, q->waiter[i].frame, outcome, event, d,
                      end.reason, end.yes && judge_is_send(&a));
    }
    if (!end.yes) {
        refused_add(&j->refused, &a, j->hooks.now_ms(j->hooks.arg));
        tell_denied(j, &a, event, d->nrules > 0 ? d->rules[0] : (struct str){"", 0}, end.reason);
    }
    tell_ask_over(j, q->id);
    pending_remove(&j->pendings, q);
    return true;
}

static bool read_answer(struct frame_in *f, bool *yes, struct str *by)
{
    struct frame_field x;
    enum frame_result r;
    bool has_yes = false, has_by = false;

    while ((r = frame_next(f, &x)) == FRAME_OK) {
        if (x.tag == MSG_TAG_YES && x.kind == FRAME_INT && !has_yes && (x.num & ~1) == 0) {
            *yes = x.num != 0;
            has_yes = true;
        } else if (x.tag == MSG_TAG_BY && x.kind == FRAME_BYTES && !has_by && x.bytes.n <= BY_MAX) {
            *by = x.bytes;
            has_by = true;
        } else {
            return false;
        }
    }
    return r == FRAME_EOF && has_yes && has_by;
}

bool judge_answer(struct judge *j, struct frame_in *f, struct err *e)
{
    struct ending end = {.actor = "person"};

    if (!read_answer(f, &end.yes, &end.by))
        return false;
    struct pending *q = pending_find(&j->pendings, f->id);
    if (q == NULL) /* it ran out, or the asker went, while the answer was on its way */
        return true;
    end.reason = end.yes ? STR("a person allowed it") : STR("a person denied it");
    return end_question(j, q, end, e);
}

bool judge_cancel(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e)
{
    const struct ending end = {.actor = role_name(judge_role_of(from)),
                               .reason = STR("who asked is gone")};
    struct frame_field x;
    struct action a;
    size_t i;

    if (frame_next(f, &x) != FRAME_EOF)
        return false;
    struct pending *q = pending_of(&j->pendings, (int)from, f->id, &i);
    if (q == NULL) /* its verdict is on the way */
        return true;
    read_held(j, q, &a);
    j->decision.nrules = 0;
    if (record_ending(j, &a, &q->waiter[i], OUTCOME_DENY, &end, e) == 0)
        return false;
    q->waiter[i] = q->waiter[--q->nwaiters];
    if (q->nwaiters > 0)
        return true;
    tell_ask_over(j, q->id);
    pending_remove(&j->pendings, q);
    return true;
}

bool judge_time_out(struct judge *j, struct err *e)
{
    int64_t now = j->hooks.now_ms(j->hooks.arg);
    char reason[80];
    struct pending *q;

    (void)snprintf(reason, sizeof(reason), "nobody answered within %lld s",
                   (long long)(j->ask_ms / 1000));
    while ((q = pending_first(&j->pendings)) != NULL && q->deadline <= now) {
        const struct ending end = {
            .actor = "judge", .by = STR("timeout"), .reason = str_of(reason)};

        if (!end_question(j, q, end, e))
            return false;
    }
    return true;
}

bool judge_drop_held(struct judge *j, struct err *e)
{
    const struct ending end = {.actor = "judge", .reason = STR("the session ended")};
    struct pending *q;

    while ((q = pending_first(&j->pendings)) != NULL)
        if (!end_question(j, q, end, e))
            return false;
    return true;
}
