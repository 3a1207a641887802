/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - the decision: pure. See policy.h for what the outcomes mean. */
#include "policy/internal.h"

#include <stdio.h>
#include <string.h>

static const char no_permit[] = "no rule permits it";

/* Satisfied rules, strictest first; of equals the earlier. More than fit are dropped. */
struct ranking {
    struct {
        uint32_t rule;
        enum outcome outcome;
    } item[VERDICT_RULES_MAX];
    size_t n;
};

struct asked {
    const struct policy *p;
    const struct session *session;
    const struct action *action;
    struct policy_scratch *scratch;
};

/* What the texts have said so far. */
struct tally {
    struct ranking forbids, permits;
    uint32_t forbid_duties, permit_duties;
    uint64_t labels;
    struct str inject; /* of the first permit that has one */
    bool exhausted;
    bool failed; /* d->text tells why a forbid could not be evaluated */
    uint32_t failed_rule;
};

static void rank(struct ranking *r, uint32_t rule, enum outcome outcome)
{
    size_t at = r->n;

    while (at > 0 && r->item[at - 1].outcome < outcome)
        at--;
    if (at == VERDICT_RULES_MAX)
        return;
    if (r->n < VERDICT_RULES_MAX)
        r->n++;
    memmove(&r->item[at + 1], &r->item[at], (r->n - at - 1) * sizeof(r->item[0]));
    r->item[at].rule = rule;
    r->item[at].outcome = outcome;
}

static void take_permit(struct tally *t, const struct rule *r)
{
    t->permit_duties |= r->duties;
    t->labels |= r->labels;
    if (t->inject.n == 0)
        t->inject = r->inject;
}

static void take_reasons(const struct policy *p, const struct unit *u, const struct cedar_answer *a,
                         struct tally *t)
{
    for (uint32_t i = 0; i < a->n_reasons; i++) {
        uint32_t n = u->first + a->reasons[i];
        const struct rule *r = &p->rules[n];

        rank(r->forbid ? &t->forbids : &t->permits, n, r->outcome);
        if (r->forbid)
            t->forbid_duties |= r->duties;
        else
            take_permit(t, r);
    }
}

/* A forbid that cannot be evaluated denies, whatever its annotations say. */
static void take_errors(const struct policy *p, const struct unit *u, const struct cedar_answer *a,
                        struct tally *t, struct decision *d)
{
    for (uint32_t i = 0; i < a->n_errors; i++) {
        uint32_t n = u->first + a->errors[i].policy;
        int used;

        if (!p->rules[n].forbid)
            continue;
        rank(&t->forbids, n, OUTCOME_DENY);
        t->forbid_duties |= p->rules[n].duties;
        if (t->failed)
            continue;
        t->failed = true;
        t->failed_rule = n;
        used = snprintf(d->text, sizeof(d->text), "rule %s cannot be evaluated: ", p->rules[n].id);
        cedar_policy_error_print(u->program, &a->errors[i], d->text + used,
                                 sizeof(d->text) - (size_t)used);
    }
}

/*
 * Where a forbid holds, Cedar does not say which permits do: explain each. Needed only when a
 * person will be asked, and what the permits bring (labels, duties) comes with a yes.
 */
static void find_permits(const struct policy *p, struct policy_scratch *s, struct tally *t)
{
    for (size_t i = 0; i < p->nrules; i++) {
        const struct rule *r = &p->rules[i];
        struct cedar_explanation x;

        if (r->forbid)
            continue;
        cedar_explain(p->units[r->unit].program, r->index, NULL, &s->request.cedar, s->cedar,
                      s->cedar_size, &x);
        if (x.outcome != CEDAR_SATISFIED)
            continue;
        rank(&t->permits, (uint32_t)i, r->outcome);
        take_permit(t, r);
    }
}

static void deny(struct decision *d, const char *reason)
{
    d->outcome = OUTCOME_DENY;
    d->reason = str_of(reason);
}

static void name_rules(const struct policy *p, const struct ranking *r, struct decision *d)
{
    d->nrules = r->n;
    for (size_t i = 0; i < r->n; i++) {
        d->rule[i] = r->item[i].rule;
        d->rules[i] = str_of(p->rules[r->item[i].rule].id);
    }
    d->outcome = r->n > 0 ? r->item[0].outcome : OUTCOME_ALLOW;
    d->reason = r->n > 0 ? p->rules[r->item[0].rule].reason : str_of("");
}

static void name_permit(void *ctx, uint32_t rule)
{
    struct tally *t = ctx;

    rank(&t->permits, rule, OUTCOME_ALLOW);
}

/*
 * What no permit names and is permitted all the same: a connection for the sake of requests,
 * and what only refines a request that was permitted. See policy.h.
 */
static bool is_implied(const struct asked *q, struct tally *t)
{
    const struct action *a = q->action;

    if (a->verb == VERB_CONNECT && a->kind == RESOURCE_HOST) {
        t->permit_duties |= DUTY_ONLY_HTTP;
        return may_send_by(q->p, q->session, VERB_REQUEST, a->resource, q->scratch, name_permit, t);
    }
    if (a->verb == VERB_CALL && a->has[FIELD_OP] && str_is(a->field[FIELD_OP].str, "intent"))
        return !q->p->permits_calls;
    return a->verb == VERB_INFER && !q->p->permits_infer;
}

static void conclude(const struct asked *q, struct tally *t, struct decision *d)
{
    bool asks = t->forbids.n > 0 && t->forbids.item[0].outcome == OUTCOME_ASK;

    if (asks) {
        t->permits.n = 0;
        find_permits(q->p, q->scratch, t);
    }
    d->permitted = t->permits.n > 0;
    if (!d->permitted && !t->exhausted && (asks || t->forbids.n == 0))
        d->permitted = is_implied(q, t);
    if (t->exhausted) {
        deny(d, "it is too costly to decide");
    } else if (!d->permitted && (asks || t->forbids.n == 0)) {
        deny(d, no_permit);
    } else if (t->forbids.n == 0) {
        name_rules(q->p, &t->permits, d);
        d->duties = t->permit_duties;
        d->labels = t->labels;
        d->inject = t->inject;
    } else {
        name_rules(q->p, &t->forbids, d);
        d->duties = t->forbid_duties | (asks ? t->permit_duties : 0);
        d->labels = asks ? t->labels : 0;
        d->inject = asks ? t->inject : d->inject;
        if (t->failed && d->rule[0] == t->failed_rule)
            d->reason = str_of(d->text);
    }
}

/* Does a rule speak of a label that the gate's detectors give? */
static bool has_detected_labels(const struct policy *p)
{
    static const char *const names[] = {"secret", "personal", "instructions", "unscanned",
                                        "encoded"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (policy_label(p, str_of(names[i])) >= 0)
            return true;
    return false;
}

/* How the gate, and kern with what is labelled, are to treat what may go on. */
static void add_duties(const struct asked *q, struct decision *d)
{
    const struct action *a = q->action;
    bool connect = a->verb == VERB_CONNECT && a->kind == RESOURCE_HOST;

    if (d->outcome <= OUTCOME_ASK && a->verb == VERB_READ && d->labels != 0 &&
        policy_looks_at(q->p, FIELD_CARRIES))
        d->duties |= DUTY_MARK;
    if (d->outcome > OUTCOME_ASK)
        return;
    if (a->verb == VERB_INFER && q->p->infers)
        d->duties |= DUTY_METER;
    if (!connect && a->verb != VERB_REQUEST)
        return;
    if (connect && ((d->duties & DUTY_ONLY_HTTP) != 0 ||
                    policy_opens(q->p, q->session, a->resource, q->scratch)))
        d->duties |= DUTY_OPEN;
    if (policy_looks_at(q->p, FIELD_CARRIES))
        d->duties |= DUTY_SCAN;
    if (has_detected_labels(q->p))
        d->duties |= DUTY_LABELS;
    if (q->p->calls)
        d->duties |= DUTY_CALLS;
}

static void decide_cedar(const struct asked *q, struct decision *d)
{
    struct policy_scratch *s = q->scratch;
    const struct policy *p = q->p;
    struct tally t = {.exhausted = false};

    for (size_t i = 0; i < p->nunits; i++) {
        struct cedar_answer a;

        cedar_decide(p->units[i].program, NULL, &s->request.cedar, s->cedar, s->cedar_size, &a);
        t.exhausted |= a.exhausted;
        take_reasons(p, &p->units[i], &a, &t);
        take_errors(p, &p->units[i], &a, &t, d);
    }
    conclude(q, &t, d);
    add_duties(q, d);
}

static void start(struct decision *d)
{
    d->outcome = OUTCOME_DENY;
    d->permitted = false;
    d->duties = 0;
    d->labels = 0;
    d->nrules = 0;
    d->inject = str_of("");
    d->reason = str_of("");
    d->text[0] = '\0';
}

void policy_decide(const struct policy *p, const struct session *session,
                   const struct action *action, struct policy_scratch *scratch, struct decision *d)
{
    const char *reason = "";

    start(d);
    if (action->verb == VERB_RESOLVE) {
        if (action->kind == RESOURCE_HOST &&
            policy_may_send(p, session, action->resource, scratch)) {
            d->outcome = OUTCOME_ALLOW;
            d->permitted = true;
        } else {
            deny(d, "no rule permits to send anything there");
        }
    } else if (request_make(p, session, action, &scratch->request, &reason)) {
        decide_cedar(&(struct asked){p, session, action, scratch}, d);
    } else {
        deny(d, reason);
    }
}

static bool is_provider(struct str host)
{
    static const char *const hosts[] = {
#define PROVIDER(name, host) host,
#include "policy/provider.def"
#undef PROVIDER
    };

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (str_is(host, hosts[i]))
            return true;
    return false;
}

bool policy_opens(const struct policy *p, const struct session *session, struct str host,
                  struct policy_scratch *scratch)
{
    return (p->permits_infer && is_provider(host)) ||
           may_send_by(p, session, VERB_REQUEST, host, scratch, NULL, NULL);
}

bool policy_may_send(const struct policy *p, const struct session *session, struct str host,
                     struct policy_scratch *scratch)
{
    return may_send_by(p, session, VERB_CONNECT, host, scratch, NULL, NULL) ||
           may_send_by(p, session, VERB_REQUEST, host, scratch, NULL, NULL);
}
