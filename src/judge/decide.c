/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - one action: who did it, what the policy says, the record, the verdict. */
#include "judge/state.h"
#include "judge/summary.h"
#include "policy/address.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define RULE_MAX 256u /* bytes of a rule's id in a verdict */

static struct str text_of(const struct action *a, enum field_id f)
{
    return a->has[f] ? a->field[f].str : (struct str){"", 0};
}

/* RFC 9110, 9.2.1: they change nothing there. */
static bool is_safe_method(struct str method)
{
    return str_is(method, "GET") || str_is(method, "HEAD") || str_is(method, "OPTIONS") ||
           str_is(method, "TRACE");
}

bool judge_is_send(const struct action *a)
{
    if (a->verb == VERB_REQUEST)
        return !is_safe_method(text_of(a, FIELD_METHOD));
    if (a->verb == VERB_CALL) /* an intent does nothing yet */
        return !str_is(text_of(a, FIELD_OP), "intent");
    /* A connection is judged by name before it is looked up, and again by its address; the
     * second is the one that leaves. An inference is a request that waited already. */
    return a->verb == VERB_CONNECT && (a->has[FIELD_ADDRESS] || a->kind != RESOURCE_HOST);
}

/* Each adapter may only tell of what it can see. */
static bool sees(enum judge_peer from, const struct action *a)
{
    bool network =
        a->kind == RESOURCE_HOST || a->kind == RESOURCE_TOOL || a->kind == RESOURCE_MODEL;

    return (from == PEER_GATE) == network;
}

static void refuse(struct decision *d, const char *reason)
{
    *d = (struct decision){.outcome = OUTCOME_DENY, .reason = str_of(reason)};
}

/* Takes over the stricter decision on the address that a name led to. */
static void refuse_address(struct decision *d, const struct decision *second, struct str host,
                           struct str address, const char *class)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, sizeof(d->text) - 1);
    buf_add_safe(&b, cut_str(host, 100), 100);
    buf_puts(&b, " leads to ");
    buf_add_safe(&b, address, 46);
    buf_printf(&b, " (%s): ", class);
    buf_add_safe(&b, second->reason, b.max - b.n > 8 ? b.max - b.n - 8 : 0);
    uint64_t labels = d->labels | second->labels;
    uint32_t duties = d->duties | second->duties;
    *d = *second;
    d->labels = labels;
    d->duties = duties;
    memcpy(d->text, b.p, b.n);
    d->reason = (struct str){d->text, b.n};
}

/* A name that leads to an address which is not public: a rule must permit that address too, or
 * whoever answers for the name chooses what inside the user's network is reached. */
static void decide_address(struct judge *j, const struct action *a)
{
    struct action direct = *a;
    struct address address;
    struct str text = text_of(a, FIELD_ADDRESS);

    if (a->verb != VERB_CONNECT || a->kind != RESOURCE_HOST || !a->has[FIELD_ADDRESS] ||
        j->decision.outcome >= OUTCOME_DENY)
        return;
    if (!address_parse(text, &address)) {
        refuse(&j->decision, "the address is malformed");
        return;
    }
    unsigned class = address_class(&address);
    if (class == NET_GLOBAL || str_eq(text, a->resource))
        return;
    direct.resource = text;
    action_int(&direct, FIELD_NAMED, 0);
    policy_decide(j->policy, &j->session, &direct, j->scratch, &j->second);
    if (j->second.outcome <= OUTCOME_ASK && (j->second.duties & DUTY_ONLY_HTTP) != 0)
        refuse(&j->second, "only a permit to connect names addresses of a private network");
    if (j->second.outcome > j->decision.outcome)
        refuse_address(&j->decision, &j->second, a->resource, text,
                       net_class_id((enum net_class)(class & -class)));
}

static bool is_new_inference(const struct action *a)
{
    return a->verb == VERB_INFER && !str_is(text_of(a, FIELD_OP), "stream");
}

/* The limits of belay.yaml hold without a rule. */
static void decide_budget(struct judge *j, const struct action *a)
{
    const struct ledger_limits *m = &j->ledger.limits;
    char why[VERDICT_REASON_MAX];

    if (m->cents > 0 || m->tokens > 0) {
        j->decision.duties |= DUTY_METER;
        if (str_is(text_of(a, FIELD_OP), "bulk"))
            refuse(&j->decision, "what this kind of request costs cannot be told, and there is a "
                                 "budget");
    }
    if (!ledger_is_spent(&j->ledger, is_new_inference(a), j->hooks.now_ms(j->hooks.arg), why,
                         sizeof(why)))
        return;
    refuse(&j->decision, "");
    memcpy(j->decision.text, why, sizeof(why));
    j->decision.reason = str_of(j->decision.text);
}

void judge_decide(struct judge *j, const struct action *a)
{
    if (j->killing) {
        refuse(&j->decision, "the agent is being stopped");
        return;
    }
    policy_decide(j->policy, &j->session, a, j->scratch, &j->decision);
    decide_address(j, a);
    if (a->verb == VERB_INFER && j->decision.outcome <= OUTCOME_ASK)
        decide_budget(j, a);
}

/* Did an intent lead to this program, or to the one that started it? */
static bool is_led(struct judge *j, const struct action *a)
{
    bool led;

    if (causes_of(&j->causes, a->pid, &led) == 0)
        (void)causes_of(&j->causes, a->parent, &led);
    return led || intents_is(&j->intents, a->cause);
}

void judge_granted(struct judge *j, const struct action *a, uint64_t labels, uint64_t event)
{
    labels_take(&j->labels, j->policy, labels);
    j->session.labels |= labels;
    if (a->verb == VERB_EXEC)
        causes_exec(&j->causes, a->pid, event, is_led(j, a));
    if (a->verb == VERB_CALL && str_is(text_of(a, FIELD_OP), "intent"))
        intents_add(&j->intents, j->hooks.now_ms(j->hooks.arg), a, event);
    if (is_new_inference(a))
        ledger_request(&j->ledger, j->hooks.now_ms(j->hooks.arg));
    j->session.spent = j->ledger.spent;
}

void judge_verdict(struct judge *j, enum judge_peer to, uint32_t id, enum outcome outcome,
                   uint64_t event, const struct decision *d, struct str reason, bool sync)
{
    struct verdict v = {.outcome = outcome,
                        .event = event,
                        .duties = d->duties,
                        .nrules = d->nrules,
                        .reason = cut_str(reason, VERDICT_REASON_MAX),
                        .inject = d->inject};

    for (size_t i = 0; i < d->nrules; i++)
        v.rules[i] = cut_str(d->rules[i], RULE_MAX);
    frame_start(&j->out, MSG_VERDICT, id);
    verdict_put(&j->out, &v);
    judge_post(j, to, sync);
    j->verdicts[to][id % VERDICTS_MAX].frame = id;
    j->verdicts[to][id % VERDICTS_MAX].event = event;
    j->verdicts[to][id % VERDICTS_MAX].labels = outcome == OUTCOME_ALLOW ? d->labels : 0;
}

bool judge_found(struct judge *j, const struct watch_finding *f, uint64_t event, struct err *e)
{
    bool freezes = watch_what_freezes(f->what);
    const struct record_number numbers[] = {{"count", f->count}, {"limit", f->limit}};
    const struct record_event ev = {.kind = freezes ? RECORD_STOP : RECORD_ALERT,
                                    .actor = "judge",
                                    .outcome = freezes ? OUTCOME_FREEZE : RECORD_NO_OUTCOME,
                                    .name = str_of(watch_what_name(f->what)),
                                    .text = str_of(f->text),
                                    .numbers = numbers,
                                    .nnumbers = 2,
                                    .cause = event};
    uint64_t seq = judge_record(j, &ev, e);

    if (seq == 0)
        return false;
    if (freezes)
        tell_stop(j, OUTCOME_FREEZE, seq, str_of(f->text));
    else
        tell_alert(j, seq, str_of(f->text));
    return true;
}

/* A number for the thing that was denied (FNV-1a, 64 bit), never 0. */
static uint64_t thing(const struct action *a)
{
    uint64_t h = 0xcbf29ce484222325u ^ ((uint64_t)a->verb << 8 | a->kind);

    for (size_t i = 0; i < a->resource.n; i++)
        h = (h ^ (unsigned char)a->resource.p[i]) * 0x100000001b3u;
    return h | 1;
}

bool judge_count_denial(struct judge *j, const struct action *a, uint64_t event, struct err *e)
{
    struct watch_finding found;

    return !watch_denied(&j->watch, j->hooks.now_ms(j->hooks.arg), thing(a), &found) ||
           judge_found(j, &found, event, e);
}

static bool count_exec(struct judge *j, const struct action *a, uint64_t event, struct err *e)
{
    struct watch_finding found;

    return a->verb != VERB_EXEC || !watch_exec(&j->watch, j->hooks.now_ms(j->hooks.arg), &found) ||
           judge_found(j, &found, event, e);
}

/* @freeze and @kill: recorded as what they are, and the keeper is told at once. */
static bool stop(struct judge *j, const struct action *a, uint64_t event, struct err *e)
{
    AUTO_BUF struct buf b = {0};
    const struct decision *d = &j->decision;

    buf_init(&b, 2048);
    buf_add_safe(&b, cut_str(d->reason, VERDICT_REASON_MAX), VERDICT_REASON_MAX);
    buf_puts(&b, ": ");
    summary_add(&b, a, 400);
    const struct record_event ev = {.kind = RECORD_STOP,
                                    .actor = "judge",
                                    .outcome = (int)d->outcome,
                                    .rules = d->rules,
                                    .nrules = d->nrules,
                                    .name = STR("rule"),
                                    .text = buf_str(&b),
                                    .cause = event};
    uint64_t seq = judge_record(j, &ev, e);
    if (seq == 0)
        return false;
    tell_stop(j, d->outcome, seq, buf_str(&b));
    return true;
}

/* @alert on a rule that decided. */
static bool alert(struct judge *j, const struct action *a, uint64_t event, struct err *e)
{
    AUTO_BUF struct buf b = {0};
    const struct decision *d = &j->decision;

    if ((d->duties & DUTY_ALERT) == 0)
        return true;
    buf_init(&b, 2048);
    buf_printf(&b, "%s: ", outcome_name(d->outcome));
    summary_add(&b, a, 400);
    const struct record_event ev = {.kind = RECORD_ALERT,
                                    .actor = "judge",
                                    .outcome = RECORD_NO_OUTCOME,
                                    .name = STR("rule"),
                                    .text = buf_str(&b),
                                    .cause = event};
    uint64_t seq = judge_record(j, &ev, e);
    if (seq == 0)
        return false;
    tell_alert(j, seq, buf_str(&b));
    return true;
}

/* Names of labels that the session does not have yet. */
static size_t new_labels(const struct judge *j, struct str names[POLICY_LABELS_MAX])
{
    uint64_t fresh = j->decision.labels & ~j->session.labels;
    size_t n = 0;

    for (unsigned i = 0; i < POLICY_LABELS_MAX; i++)
        if (fresh >> i & 1)
            names[n++] = policy_label_name(j->policy, i);
    return n;
}

static uint64_t record_action(struct judge *j, const struct action *a, struct err *e)
{
    const struct decision *d = &j->decision;
    struct str labels[POLICY_LABELS_MAX];
    struct record_event ev = {.kind = RECORD_ACTION,
                              .actor = "agent",
                              .pid = a->pid,
                              .action = a,
                              .outcome = (int)d->outcome,
                              .rules = d->rules,
                              .nrules = d->nrules,
                              .reason = d->reason,
                              .cause = a->cause};

    if (d->outcome == OUTCOME_ALLOW) {
        ev.labels = labels;
        ev.nlabels = new_labels(j, labels);
    }
    return judge_record(j, &ev, e);
}

/* What the agent itself does carries out what a model wants; what its programs do, they do. */
static uint64_t find_cause(struct judge *j, const struct action *a)
{
    bool led;
    uint64_t event = causes_of(&j->causes, a->pid, &led), intent = 0;

    if (event == 0)
        event = causes_of(&j->causes, a->parent, &led);
    if (!led)
        intent = intents_match(&j->intents, j->hooks.now_ms(j->hooks.arg), a, j->session.workspace);
    return intent != 0 ? intent : event;
}

/* The process, if the adapter could not see it, and the event that led to this one. */
static void attribute(struct judge *j, struct action *a)
{
    if (a->pid == 0 && a->verb == VERB_CONNECT && a->has[FIELD_PORT]) {
        /* What the process dialled may be an address of the gate's own that stands for a name. */
        a->pid = causes_match(&j->causes, j->hooks.now_ms(j->hooks.arg), a->dialled,
                              a->field[FIELD_PORT].num);
    }
    if (a->cause == 0)
        a->cause = find_cause(j, a);
}

static bool settle(struct judge *j, enum judge_peer from, const struct frame_in *f,
                   const struct action *a, uint64_t event, struct err *e)
{
    const struct decision *d = &j->decision;

    switch (d->outcome) {
    case OUTCOME_ALLOW:
        judge_granted(j, a, d->labels, event);
        judge_verdict(j, from, f->id, OUTCOME_ALLOW, event, d, d->reason, judge_is_send(a));
        return true;
    case OUTCOME_ASK:
        judge_hold(j, from, f, a, event);
        return true;
    case OUTCOME_DENY:
        judge_verdict(j, from, f->id, OUTCOME_DENY, event, d, d->reason, false);
        tell_denied(j, a, event, d->nrules > 0 ? d->rules[0] : (struct str){"", 0}, d->reason);
        return judge_count_denial(j, a, event, e);
    case OUTCOME_FREEZE:
    case OUTCOME_KILL:
        judge_verdict(j, from, f->id, d->outcome, event, d, d->reason, false);
        return stop(j, a, event, e);
    }
    return false;
}

/* The question was answered with no a moment ago: the same rules, no second question. */
static void keep_refused(struct decision *d)
{
    d->outcome = OUTCOME_DENY;
    d->labels = 0;
    d->reason = STR("refused a moment ago");
}

/* What a person is asked about is known by content, and verified by content once it is allowed. */
static bool must_measure(enum judge_peer from, const struct action *a)
{
    return from == PEER_KERN && a->verb == VERB_EXEC && !a->has[FIELD_SHA256];
}

static bool measure(struct judge *j, uint32_t id)
{
    frame_start(&j->out, MSG_MEASURE, id);
    judge_post(j, PEER_KERN, false);
    return true;
}

/* A decoy was opened, which harms nobody, but nothing in the session has a reason to. A rule may
 * make more of it; a refusal would come too late. */
static void decide_canary(struct judge *j, const struct action *a)
{
    struct decision *d = &j->decision;

    if (a->verb != VERB_READ || !str_is(text_of(a, FIELD_OP), "canary") || j->killing)
        return;
    d->duties |= DUTY_ALERT;
    if (d->outcome >= OUTCOME_FREEZE)
        return;
    *d = (struct decision){.outcome = j->canary_freezes ? OUTCOME_FREEZE : OUTCOME_ALLOW,
                           .duties = j->canary_freezes ? 0 : DUTY_ALERT,
                           .reason = STR("a decoy was opened: something looks for secrets")};
}

bool judge_action(struct judge *j, enum judge_peer from, struct frame_in *f, struct err *e)
{
    struct action a;
    size_t waiter;

    if (f->id == 0 || !action_get(f, &a) || !sees(from, &a) || a.cause > record_seq(j->record) ||
        pending_of(&j->pendings, (int)from, f->id, &waiter) != NULL)
        return false;
    attribute(j, &a);
    judge_decide(j, &a);
    decide_canary(j, &a);
    if (j->decision.outcome == OUTCOME_ASK &&
        refused_lately(&j->refused, &a, j->hooks.now_ms(j->hooks.arg)))
        keep_refused(&j->decision);
    else if (j->decision.outcome == OUTCOME_ASK && must_measure(from, &a))
        return measure(j, f->id);
    else if (j->decision.outcome == OUTCOME_ASK && !judge_room_to_hold(j, from, f, a.pid))
        refuse(&j->decision, "too many questions wait for a person already");
    uint64_t event = record_action(j, &a, e);
    return event != 0 && settle(j, from, f, &a, event, e) && count_exec(j, &a, event, e) &&
           alert(j, &a, event, e);
}
