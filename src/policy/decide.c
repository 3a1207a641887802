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

/* What the texts have said so far. */
struct tally {
    struct ranking forbids, permits;
    uint32_t forbid_duties, permit_duties;
    uint64_t labels;
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

static void take_reasons(const struct policy *p, const struct unit *u, const struct cedar_answer *a,
                         struct tally *t)
{
    for (uint32_t i = 0; i < a->n_reasons; i++) {
        uint32_t n = u->first + a->reasons[i];
        const struct rule *r = &p->rules[n];

        rank(r->forbid ? &t->forbids : &t->permits, n, r->outcome);
        if (r->forbid) {
            t->forbid_duties |= r->duties;
        } else {
            t->permit_duties |= r->duties;
            t->labels |= r->labels;
        }
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
        t->permit_duties |= r->duties;
        t->labels |= r->labels;
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
    d->outcome = r->item[0].outcome;
    d->reason = p->rules[r->item[0].rule].reason;
}

static void conclude(const struct policy *p, struct policy_scratch *s, struct tally *t,
                     struct decision *d)
{
    bool asks = t->forbids.n > 0 && t->forbids.item[0].outcome == OUTCOME_ASK;

    if (asks) {
        t->permits.n = 0;
        find_permits(p, s, t);
    }
    d->permitted = t->permits.n > 0;
    if (t->exhausted) {
        deny(d, "it is too costly to decide");
    } else if (!d->permitted && (asks || t->forbids.n == 0)) {
        deny(d, no_permit);
    } else if (t->forbids.n == 0) {
        name_rules(p, &t->permits, d);
        d->duties = t->permit_duties;
        d->labels = t->labels;
    } else {
        name_rules(p, &t->forbids, d);
        d->duties = t->forbid_duties | (asks ? t->permit_duties : 0);
        d->labels = asks ? t->labels : 0;
        if (t->failed && d->rule[0] == t->failed_rule)
            d->reason = str_of(d->text);
    }
}

static void decide_cedar(const struct policy *p, struct policy_scratch *s, struct decision *d)
{
    struct tally t = {.exhausted = false};

    for (size_t i = 0; i < p->nunits; i++) {
        struct cedar_answer a;

        cedar_decide(p->units[i].program, NULL, &s->request.cedar, s->cedar, s->cedar_size, &a);
        t.exhausted |= a.exhausted;
        take_reasons(p, &p->units[i], &a, &t);
        take_errors(p, &p->units[i], &a, &t, d);
    }
    conclude(p, s, &t, d);
}

static void start(struct decision *d)
{
    d->outcome = OUTCOME_DENY;
    d->permitted = false;
    d->duties = 0;
    d->labels = 0;
    d->nrules = 0;
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
        decide_cedar(p, scratch, d);
    } else {
        deny(d, reason);
    }
}

static bool admits(const struct policy *p, struct policy_scratch *s)
{
    for (size_t i = 0; i < p->nunits; i++)
        if (cedar_scope_admits(p->units[i].program, NULL, &s->request.cedar, CEDAR_PERMIT, s->cedar,
                               s->cedar_size))
            return true;
    return false;
}

bool policy_may_send(const struct policy *p, const struct session *session, struct str host,
                     struct policy_scratch *scratch)
{
    const char *reason;
    struct action a;

    for (unsigned v = 0; v < VERB_COUNT; v++) {
        if (strcmp(verb_group((enum verb)v), "send") != 0)
            continue;
        action_init(&a, (enum verb)v, RESOURCE_HOST, host);
        if (request_make(p, session, &a, &scratch->request, &reason) && admits(p, scratch))
            return true;
    }
    return false;
}
