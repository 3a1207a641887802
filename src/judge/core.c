/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/state.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum role judge_role_of(enum judge_peer p)
{
    switch (p) {
    case PEER_KEEPER:
        return ROLE_KEEPER;
    case PEER_KERN:
        return ROLE_KERN;
    case PEER_GATE:
        return ROLE_GATE;
    case PEER_COUNT:
        break;
    }
    abort();
}

struct judge *judge_new(const struct judge_setup *setup)
{
    const struct judge_config *c = setup->config;
    const struct settings *s = c->settings;
    struct judge *j = xcalloc(1, sizeof(*j));
    const struct watch_settings w = {.denials = s->denials_count,
                                     .denials_ms = s->denials_window * 1000,
                                     .execs = s->execs_count,
                                     .execs_ms = s->execs_window * 1000,
                                     .processes = s->watch_processes};

    j->policy = setup->policy;
    j->scratch = policy_scratch_new(setup->policy);
    j->session = (struct session){
        .agent = c->agent, .user = c->user, .home = c->home, .workspace = c->workspace};
    j->record = setup->record;
    j->hooks = setup->hooks;
    j->phase = PHASE_START;
    j->ask_ms = s->ask_timeout * 1000;
    j->canary_freezes = s->canary_freeze != 0;
    watch_init(&j->watch, &w);
    ledger_init(&j->ledger, &(struct ledger_limits){s->budget_cents, s->budget_tokens,
                                                    s->budget_requests_per_minute});
    buf_init(&j->outbox, OUTBOX_MAX);
    return j;
}

void judge_free(struct judge *j)
{
    for (size_t i = 0; i < PENDING_MAX; i++)
        free(j->pendings.slot[i].packet);
    if (j->record != NULL)
        record_drop(j->record);
    policy_scratch_free(j->scratch);
    policy_free(j->reloaded);
    ledger_free(&j->ledger);
    buf_free(&j->outbox);
    free(j->queue);
    free(j);
}

void judge_post(struct judge *j, enum judge_peer to, bool sync)
{
    /* What goes out is bounded by those who build it: see the cuts there. */
    bool fits = frame_finish(&j->out);
    assert(fits);
    if (j->nqueue == j->queue_size) {
        j->queue_size = j->queue_size == 0 ? 64 : j->queue_size * 2;
        j->queue = xrealloc(j->queue, j->queue_size, sizeof(*j->queue));
    }
    j->queue[j->nqueue++] =
        (struct out_frame){.to = to, .sync = sync, .at = j->outbox.n, .n = j->out.n};
    buf_add(&j->outbox, j->out.data, j->out.n);
}

uint64_t judge_record(struct judge *j, const struct record_event *event, struct err *e)
{
    uint64_t seq = record_add(j->record, event, e);

    if (seq != 0 && j->sync_at == 0)
        j->sync_at = j->hooks.now_ms(j->hooks.arg) + SYNC_MS;
    return seq;
}

static bool bad(struct err *e, enum judge_peer from, const char *what, unsigned type)
{
    return err_set(e, EX_ROLE, "the %s sent %s (message %s)", role_name(judge_role_of(from)), what,
                   message_name((enum message)type));
}

bool judge_frame(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e)
{
    e->code = 0;
    if (!message_permitted(judge_role_of(from), ROLE_JUDGE, j->phase, f->type))
        return bad(e, from, "what it may not say now", f->type);
    if (j->record == NULL)
        return true; /* after the end nothing is done, so nothing needs recording */
    bool ok;
    switch (f->type) {
    case MSG_ACTION:
        ok = judge_action(j, from, f, e);
        break;
    case MSG_CANCEL:
        ok = judge_cancel(j, from, f, e);
        break;
    case MSG_NOTE:
        ok = judge_note(j, from, f, e);
        break;
    case MSG_MARKS:
        ok = judge_marks(j, f);
        break;
    case MSG_ANSWER:
        ok = judge_answer(j, f, e);
        break;
    case MSG_EVENT:
        ok = judge_event(j, f, e);
        break;
    case MSG_RELOAD:
        ok = judge_reload(j, f, e);
        break;
    default:
        return bad(e, from, "what is of no use here", f->type);
    }
    if (!ok && e->code == 0) /* it was the frame, not the record */
        return bad(e, from, "a malformed frame", f->type);
    if (j->outbox.full)
        return err_set(e, EX_ROLE, "more answers are due than the judge can hold");
    return ok;
}

bool judge_tick(struct judge *j, struct err *e)
{
    if (j->record == NULL)
        return true;
    if (!judge_time_out(j, e))
        return false;
    if (j->sync_at == 0 || j->hooks.now_ms(j->hooks.arg) < j->sync_at)
        return true;
    j->sync_at = 0;
    return record_flush(j->record, true, e);
}

int64_t judge_due(struct judge *j)
{
    const struct pending *q = pending_first(&j->pendings);
    int64_t due = j->sync_at != 0 ? j->sync_at : INT64_MAX;

    return q != NULL && q->deadline < due ? q->deadline : due;
}

static bool send_queued(struct judge *j, bool sync)
{
    bool left = false;

    for (size_t i = 0; i < j->nqueue; i++) {
        const struct out_frame *o = &j->queue[i];

        if (o->sync == sync)
            j->hooks.send(j->hooks.arg, o->to, j->outbox.p + o->at, o->n);
        else
            left = true;
    }
    return left;
}

bool judge_commit(struct judge *j, struct err *e)
{
    if (j->record != NULL && j->phase == PHASE_END) {
        struct record *r = j->record;

        j->record = NULL;
        if (!record_end(r, str_of("the session is over"), e))
            return false;
        j->over = true;
    }
    if (j->record != NULL && !record_flush(j->record, false, e))
        return false;
    if (send_queued(j, false)) {
        if (j->record != NULL && !record_flush(j->record, true, e))
            return false;
        j->sync_at = 0;
        (void)send_queued(j, true);
    }
    j->nqueue = 0;
    buf_clear(&j->outbox);
    return true;
}

bool judge_over(const struct judge *j)
{
    return j->over;
}

void judge_fail(struct judge *j, const struct err *why)
{
    struct err ignored; /* that the record failed is what is being told */

    j->nqueue = 0;
    buf_clear(&j->outbox);
    tell_alert(j, 0, str_of(why->text));
    (void)send_queued(j, false);
    j->nqueue = 0;
    if (j->record != NULL)
        (void)record_end(j->record, str_of(why->text), &ignored);
    j->record = NULL;
}
