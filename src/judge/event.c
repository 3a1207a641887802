/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - what the keeper does is recorded, and moves the session from phase to phase. */
#include "judge/state.h"

#include <limits.h>

#define KIND_MAX 32u
#define TEXT_MAX 4096u

struct event_fields {
    struct str kind, text, by, argv;
    pid_t pid;
    bool has_count;
    int64_t count;
    unsigned seen;
};

static bool take_bytes(struct str *to, const struct frame_field *x, size_t max)
{
    *to = x->bytes;
    return x->kind == FRAME_BYTES && x->bytes.n <= max;
}

static bool take_field(struct event_fields *v, const struct frame_field *x)
{
    if (x->tag >= 32 || (v->seen & 1u << x->tag) != 0)
        return false;
    v->seen |= 1u << x->tag;
    switch (x->tag) {
    case MSG_TAG_KIND:
        return take_bytes(&v->kind, x, KIND_MAX) && x->bytes.n > 0;
    case MSG_TAG_TEXT:
        return take_bytes(&v->text, x, TEXT_MAX);
    case MSG_TAG_BY:
        return take_bytes(&v->by, x, KIND_MAX);
    case MSG_TAG_LIST:
        v->argv = x->bytes;
        return x->kind == FRAME_LIST;
    case MSG_TAG_COUNT:
        v->has_count = true;
        v->count = x->num;
        return x->kind == FRAME_INT;
    case MSG_TAG_PID:
        v->pid = (pid_t)x->num;
        return x->kind == FRAME_INT && x->num > 0 && x->num <= INT_MAX;
    default:
        return false;
    }
}

static bool read_event(struct frame_in *f, struct event_fields *v)
{
    struct frame_field x;
    enum frame_result r;

    while ((r = frame_next(f, &x)) == FRAME_OK)
        if (!take_field(v, &x))
            return false;
    return r == FRAME_EOF && v->kind.n > 0;
}

static bool judge_processes(struct judge *j, int64_t count, uint64_t event, struct err *e)
{
    struct watch_finding found;

    return !watch_processes(&j->watch, count, &found) || judge_found(j, &found, event, e);
}

bool judge_event(struct judge *j, struct frame_in *f, struct err *e)
{
    struct event_fields v = {0};

    if (!read_event(f, &v))
        return false;
    bool start = str_is(v.kind, "start"), processes = str_is(v.kind, "processes");
    bool end = str_is(v.kind, "exit") || str_is(v.kind, "kill");
    if (start && j->phase != PHASE_START)
        return false;
    const struct record_number count = {"count", v.count};
    const struct record_event ev = {.kind = RECORD_EVENT,
                                    .actor = "keeper",
                                    .pid = v.pid,
                                    .outcome = RECORD_NO_OUTCOME,
                                    .name = v.kind,
                                    .text = v.text,
                                    .by = v.by,
                                    .argv = v.argv,
                                    .numbers = &count,
                                    .nnumbers = v.has_count ? 1 : 0};
    uint64_t seq = judge_record(j, &ev, e);
    if (seq == 0 || (end && !judge_drop_held(j, e)))
        return false;
    if (start)
        j->phase = PHASE_RUN;
    if (end)
        j->phase = PHASE_END;
    if (processes && v.has_count && !judge_processes(j, v.count, seq, e))
        return false;
    frame_start(&j->out, MSG_RECORDED, f->id);
    frame_put_int(&j->out, MSG_TAG_EVENT, (int64_t)seq);
    judge_post(j, PEER_KEEPER, !start && !processes);
    return true;
}
