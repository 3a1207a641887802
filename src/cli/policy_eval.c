/* SPDX-License-Identifier: Apache-2.0 */
/* policy_eval.c - `belay policy eval` and `explain`, for belay's own actions. */
#include "cli/policy.h"

#include "cli/cedar_eval.h"
#include "cli/cli.h"
#include "cli/words.h"
#include "policy/explain.h"

#include <string.h>

#define CHANGES_SHOWN 5
#define CLAUSE_SHOWN  200

struct question {
    struct setup setup;
    struct action action;
    struct policy_scratch *scratch;
    struct decision decision;
    bool as_json;
};

static void release(struct question *q)
{
    policy_scratch_free(q->scratch);
    setup_release(&q->setup);
}

/* Reads options and action, loads the policy, decides. -1: go on; else the exit code. */
static int ask(struct question *q, int argc, char **argv)
{
    struct err e = {0};
    int first = policy_options(argc, argv, &q->setup, &q->as_json);

    if (first < 0)
        return EX_USAGE_;
    if (!setup_load(&q->setup, &e) || !policy_resolve(q->setup.policy, &q->setup.session, &e) ||
        !words_action(argv + first, (size_t)(argc - first), q->setup.policy, &q->setup.session,
                      &q->setup.arena, &q->action, &e))
        return cli_fail(&e);
    q->scratch = policy_scratch_new(q->setup.policy);
    policy_decide(q->setup.policy, &q->setup.session, &q->action, q->scratch, &q->decision);
    return -1;
}

static void put_rules(struct json *j, const struct decision *d)
{
    json_arr(j, "rules");
    for (size_t i = 0; i < d->nrules; i++)
        json_str(j, NULL, d->rules[i]);
    json_arr_end(j);
}

static void put_decision(struct buf *out, const struct decision *d)
{
    buf_printf(out, "%s", outcome_name(d->outcome));
    for (size_t i = 0; i < d->nrules; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "  by " : ", ", (int)d->rules[i].n, d->rules[i].p);
    if (d->reason.n > 0)
        buf_printf(out, "  (%.*s)", (int)d->reason.n, d->reason.p);
    if ((d->duties & DUTY_OPEN) != 0)
        buf_puts(out, (d->duties & DUTY_ONLY_HTTP) != 0
                          ? "  looked into, for HTTP alone: each request is judged"
                          : "  looked into: each request is judged");
    if ((d->duties & DUTY_INJECT) != 0)
        buf_printf(out, "  with credential %.*s", (int)d->inject.n, d->inject.p);
    buf_puts(out, "\n");
}

int policy_eval_command(int argc, char **argv)
{
    AUTO_BUF struct buf out = {0};
    struct question q = {0};

    if (cedar_eval_wanted(argc, argv))
        return cedar_eval_command(argc, argv);
    int code = ask(&q, argc, argv);
    if (code < 0) {
        buf_init(&out, 65536);
        if (q.as_json) {
            struct json j;

            json_start(&j, &out);
            json_obj(&j, NULL);
            json_cstr(&j, "outcome", outcome_name(q.decision.outcome));
            put_rules(&j, &q.decision);
            json_str(&j, "reason", q.decision.reason);
            json_bool(&j, "opened", (q.decision.duties & DUTY_OPEN) != 0);
            json_obj_end(&j);
            buf_puts(&out, "\n");
        } else {
            put_decision(&out, &q.decision);
        }
        code = cli_put(&out);
    }
    release(&q);
    return code;
}

/* ---- explain ------------------------------------------------------------------------ */

struct showing {
    struct question *q;
    struct buf out;
    struct json j;
    size_t shown;
    enum explain_state wanted;
};

static void put_clause(struct buf *out, struct str clause)
{
    struct str one = clause;
    const char *end = memchr(clause.p, '\n', clause.n);

    if (end != NULL)
        one.n = (size_t)(end - clause.p);
    buf_add_safe(out, one, CLAUSE_SHOWN);
    if (end != NULL)
        buf_puts(out, " ...");
}

static bool is_of_interest(const struct explain_rule *x, enum explain_state wanted)
{
    return x->state == wanted || (wanted == EXPLAIN_CONDITION && x->state == EXPLAIN_FAILED);
}

static void show_rule(void *ctx, const struct explain_rule *x)
{
    struct showing *s = ctx;
    struct policy_rule r = policy_rule(s->q->setup.policy, x->rule);

    if (!is_of_interest(x, s->wanted))
        return;
    if (s->shown++ == 0)
        buf_puts(&s->out, s->wanted == EXPLAIN_HOLDS
                              ? "\nrules that hold:\n"
                              : "\nrules that are about this, but do not hold because of:\n");
    buf_printf(&s->out, "  %-7s %-24s %s:%u", r.forbid ? outcome_name(r.outcome) : "permit", r.id,
               r.file, x->line > 0 && s->wanted != EXPLAIN_HOLDS ? x->line : r.line);
    if (s->wanted != EXPLAIN_HOLDS) {
        buf_puts(&s->out, "\n          ");
        put_clause(&s->out, x->clause);
        if (x->error[0] != '\0')
            buf_printf(&s->out, "  (%s)", x->error);
    }
    buf_puts(&s->out, "\n");
}

static const char *const state_names[] = {"holds", "condition", "failed", "scope"};

static void json_rule(void *ctx, const struct explain_rule *x)
{
    struct showing *s = ctx;
    struct policy_rule r = policy_rule(s->q->setup.policy, x->rule);

    json_obj(&s->j, NULL);
    json_cstr(&s->j, "rule", r.id);
    json_cstr(&s->j, "file", r.file);
    json_int(&s->j, "line", x->line > 0 ? x->line : r.line);
    json_cstr(&s->j, "effect", r.forbid ? "forbid" : "permit");
    json_cstr(&s->j, "state", state_names[x->state]);
    if (x->state == EXPLAIN_SCOPE)
        json_cstr(&s->j, "part", x->part);
    if (x->state != EXPLAIN_HOLDS)
        json_str(&s->j, "clause", x->clause);
    if (x->error[0] != '\0')
        json_cstr(&s->j, "error", x->error);
    json_obj_end(&s->j);
}

static bool show_change(void *ctx, const struct explain_change *c)
{
    struct showing *s = ctx;

    if (s->q->as_json) {
        json_obj(&s->j, NULL);
        json_cstr(&s->j, "fact", c->what);
        json_cstr(&s->j, "change", c->added ? "add" : c->removed ? "remove" : "set");
        json_cstr(&s->j, "value", c->value);
        json_cstr(&s->j, "outcome", outcome_name(c->outcome));
        json_obj_end(&s->j);
        return true;
    }
    if (s->shown++ == 0)
        buf_puts(&s->out, "\nthe smallest changes that would be decided more leniently:\n");
    buf_printf(&s->out, "  %-7s %s %s ", outcome_name(c->outcome), c->what,
               c->added     ? "with"
               : c->removed ? "without"
                            : "=");
    buf_add_safe(&s->out, str_of(c->value), CLAUSE_SHOWN);
    buf_puts(&s->out, "\n");
    return true;
}

static int explain_text(struct showing *s)
{
    struct question *q = s->q;
    const char *reason = "";

    put_decision(&s->out, &q->decision);
    for (enum explain_state wanted = EXPLAIN_HOLDS; wanted <= EXPLAIN_CONDITION; wanted++) {
        s->wanted = wanted;
        s->shown = 0;
        (void)policy_explain(q->setup.policy, &q->setup.session, &q->action, q->scratch, show_rule,
                             s, &reason);
    }
    s->shown = 0;
    policy_changes(q->setup.policy, &q->setup.session, &q->action, q->decision.outcome,
                   CHANGES_SHOWN, show_change, s);
    return cli_put(&s->out);
}

static int explain_json(struct showing *s)
{
    struct question *q = s->q;
    const char *reason = "";

    json_start(&s->j, &s->out);
    json_obj(&s->j, NULL);
    json_cstr(&s->j, "outcome", outcome_name(q->decision.outcome));
    put_rules(&s->j, &q->decision);
    json_str(&s->j, "reason", q->decision.reason);
    json_arr(&s->j, "explained");
    (void)policy_explain(q->setup.policy, &q->setup.session, &q->action, q->scratch, json_rule, s,
                         &reason);
    json_arr_end(&s->j);
    json_arr(&s->j, "changes");
    policy_changes(q->setup.policy, &q->setup.session, &q->action, q->decision.outcome,
                   CHANGES_SHOWN, show_change, s);
    json_arr_end(&s->j);
    json_obj_end(&s->j);
    buf_puts(&s->out, "\n");
    return cli_put(&s->out);
}

int policy_explain_command(int argc, char **argv)
{
    struct question q = {0};
    struct showing s = {.q = &q};
    int code = ask(&q, argc, argv);

    if (code < 0) {
        buf_init(&s.out, 16u << 20);
        code = q.as_json ? explain_json(&s) : explain_text(&s);
        buf_free(&s.out);
    }
    release(&q);
    return code;
}
