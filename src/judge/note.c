/* SPDX-License-Identifier: Apache-2.0 */
/* note.c - what kern and the gate report: recorded, and what it means for the session. */
#include "judge/state.h"

#include <limits.h>
#include <string.h>

struct note {
    struct str kind, text, address, finds;
    pid_t pid;
    int64_t port, input, output, cached, cost;
    struct record_number numbers[8];
    size_t nnumbers;
};

static bool note_number(struct note *n, const char *key, const struct frame_field *x)
{
    if (x->kind != FRAME_INT || x->num < 0 || n->nnumbers == ARRAY_LEN(n->numbers))
        return false;
    n->numbers[n->nnumbers++] = (struct record_number){key, x->num};
    return true;
}

static bool note_amount(struct note *n, const char *key, const struct frame_field *x, int64_t *to)
{
    *to = x->num;
    return note_number(n, key, x);
}

static bool note_text(struct str *to, const struct frame_field *x, size_t max)
{
    *to = x->bytes;
    return x->kind == FRAME_BYTES && x->bytes.n <= max;
}

static bool note_own(struct note *n, const struct frame_field *x)
{
    switch (x->tag) {
    case NOTE_TAG_UP:
        return note_number(n, "up", x);
    case NOTE_TAG_DOWN:
        return note_number(n, "down", x);
    case NOTE_TAG_MS:
        return note_number(n, "ms", x);
    case NOTE_TAG_STATUS:
        return note_number(n, "status", x);
    case NOTE_TAG_INPUT:
        return note_amount(n, "input", x, &n->input);
    case NOTE_TAG_OUTPUT:
        return note_amount(n, "output", x, &n->output);
    case NOTE_TAG_CACHED:
        return note_amount(n, "cached", x, &n->cached);
    case NOTE_TAG_COST:
        return note_amount(n, "microcents", x, &n->cost);
    default:
        return false;
    }
}

static bool note_field(struct note *n, const struct frame_field *x)
{
    switch (x->tag) {
    case MSG_TAG_KIND:
        return note_text(&n->kind, x, 64);
    case MSG_TAG_TEXT:
        return note_text(&n->text, x, 4096);
    case MSG_TAG_ADDRESS:
        return note_text(&n->address, x, 64);
    case MSG_TAG_EVENT: /* the judge's own book is believed instead */
        return x->kind == FRAME_INT;
    case MSG_TAG_PID:
        n->pid = (pid_t)x->num;
        return x->kind == FRAME_INT && x->num > 0 && x->num <= INT_MAX;
    case MSG_TAG_PORT:
        n->port = x->num;
        return x->num <= 65535 && note_number(n, "port", x);
    case MSG_TAG_COUNT:
        return note_number(n, "count", x);
    case MSG_TAG_LIST:
        n->finds = x->bytes;
        return x->kind == FRAME_LIST;
    default:
        return note_own(n, x);
    }
}

static bool read_note(struct frame_in *f, struct note *n)
{
    struct frame_field x;
    enum frame_result r;

    while ((r = frame_next(f, &x)) == FRAME_OK)
        if (!note_field(n, &x))
            return false;
    return r == FRAME_EOF;
}

/* A finding is a label by its kind, and whole: "secret:aws-key" is "secret" too. */
static void take_finds(struct judge *j, struct str list)
{
    struct str item;

    while (frame_list_next(&list, &item) == FRAME_OK) {
        const char *colon = item.n > 0 ? memchr(item.p, ':', item.n) : NULL;

        (void)labels_add(&j->labels, item);
        if (colon != NULL)
            (void)labels_add(&j->labels, (struct str){item.p, (size_t)(colon - item.p)});
    }
}

/* The labels that the session has from now on and had not; their names for the record. */
static size_t pick_up(struct judge *j, struct str names[POLICY_LABELS_MAX])
{
    uint64_t bits = labels_bits(&j->labels, j->policy), fresh = bits & ~j->session.labels;
    size_t n = 0;

    for (unsigned i = 0; i < POLICY_LABELS_MAX; i++)
        if ((fresh >> i & 1) != 0)
            names[n++] = policy_label_name(j->policy, i);
    j->session.labels |= bits;
    return n;
}

static void take_usage(struct judge *j, const struct note *n)
{
    ledger_usage(&j->ledger, n->cost, n->input);
    ledger_usage(&j->ledger, 0, n->output);
    ledger_usage(&j->ledger, 0, n->cached);
    j->session.spent = j->ledger.spent;
}

static uint64_t record_note(struct judge *j, enum judge_peer from, uint32_t id,
                            const struct note *n, struct err *e)
{
    struct str labels[POLICY_LABELS_MAX];
    bool known = id != 0 && j->verdicts[from][id % VERDICTS_MAX].frame == id;
    struct record_event ev = {.kind = str_is(n->kind, "alert") ? RECORD_ALERT : RECORD_NOTE,
                              .actor = role_name(judge_role_of(from)),
                              .pid = n->pid,
                              .outcome = RECORD_NO_OUTCOME,
                              .name = n->kind,
                              .text = n->text,
                              .address = n->address,
                              .finds = n->finds,
                              .numbers = n->numbers,
                              .nnumbers = n->nnumbers,
                              .cause = known ? j->verdicts[from][id % VERDICTS_MAX].event : 0};

    if (str_is(n->kind, "found")) {
        take_finds(j, n->finds);
        ev.labels = labels;
        ev.nlabels = pick_up(j, labels);
    }
    return judge_record(j, &ev, e);
}

bool judge_note(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e)
{
    struct note n = {0};

    if (!read_note(f, &n))
        return false;
    if (from == PEER_KERN && n.pid != 0 && n.address.n > 0) {
        causes_connect(&j->causes, j->hooks.now_ms(j->hooks.arg), n.pid, n.address, n.port);
        return true;
    }
    uint64_t event = record_note(j, from, f->id, &n, e);
    if (event == 0)
        return false;
    if (from == PEER_KERN && n.kind.n == 0 && n.text.n > 0)
        tell_noted(j, event, n.text);
    if (str_is(n.kind, "usage"))
        take_usage(j, &n);
    if (str_is(n.kind, "alert"))
        tell_alert(j, event, n.text);
    return true;
}
