/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"

#include "policy/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rule by rule ------------------------------------------------------------------- */

static void take_span(const struct unit *u, struct cedar_span span, struct explain_rule *out)
{
    struct cedar_str source = cedar_policies_source(u->policies);
    uint32_t column;

    if (span.end <= span.start || span.end > source.len)
        return;
    out->clause = (struct str){source.ptr + span.start, span.end - span.start};
    cedar_locate(source, span.start, &out->line, &column);
}

static void explain_one(const struct policy *p, size_t i, struct policy_scratch *s,
                        struct explain_rule *out)
{
    const struct rule *r = &p->rules[i];
    const struct unit *u = &p->units[r->unit];
    struct cedar_explanation x;

    memset(out, 0, sizeof(*out));
    out->rule = i;
    out->part = "";
    cedar_explain(u->program, r->index, NULL, &s->request.cedar, s->cedar, s->cedar_size, &x);
    take_span(u, x.span, out);
    switch (x.outcome) {
    case CEDAR_SATISFIED:
        out->state = EXPLAIN_HOLDS;
        return;
    case CEDAR_NO_CONDITION:
        out->state = EXPLAIN_CONDITION;
        return;
    case CEDAR_FAILED:
        out->state = EXPLAIN_FAILED;
        cedar_policy_error_print(u->program, &x.error, out->error, sizeof(out->error));
        take_span(u, x.error.span, out);
        return;
    case CEDAR_EXHAUSTED:
        out->state = EXPLAIN_FAILED;
        (void)snprintf(out->error, sizeof(out->error), "it is too costly to decide");
        return;
    case CEDAR_NO_PRINCIPAL:
        out->part = "principal";
        break;
    case CEDAR_NO_ACTION:
    case CEDAR_IS_TEMPLATE:
        out->part = "action";
        break;
    case CEDAR_NO_RESOURCE:
        out->part = "resource";
        break;
    }
    out->state = EXPLAIN_SCOPE;
}

bool policy_explain(const struct policy *p, const struct session *s, const struct action *a,
                    struct policy_scratch *scratch, explain_visit *visit, void *ctx,
                    const char **reason)
{
    if (!request_make(p, s, a, &scratch->request, reason))
        return false;
    for (size_t i = 0; i < p->nrules; i++) {
        struct explain_rule one;

        explain_one(p, i, scratch, &one);
        visit(ctx, &one);
    }
    return true;
}

/* ---- what would change it ----------------------------------------------------------- */

#define CHANGES_MAX 256

struct search {
    const struct policy *p;
    const struct session *s;
    const struct action *a;
    struct policy_scratch *scratch;
    enum outcome now;
    struct explain_change found[CHANGES_MAX];
    size_t n;
};

static bool known(const struct search *x, const struct explain_change *c)
{
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->found[i].what, c->what) == 0 && strcmp(x->found[i].value, c->value) == 0)
            return true;
    return false;
}

static void attempt(struct search *x, const struct action *changed, struct explain_change c)
{
    struct decision d;

    if (x->n == CHANGES_MAX || known(x, &c))
        return;
    policy_decide(x->p, x->s, changed, x->scratch, &d);
    if (d.outcome >= x->now)
        return;
    c.outcome = d.outcome;
    x->found[x->n++] = c;
}

static struct explain_change change_of(const char *what, struct str value)
{
    struct explain_change c = {.what = what};

    (void)snprintf(c.value, sizeof(c.value), "%.*s", (int)(value.n < 500 ? value.n : 500), value.p);
    return c;
}

static void try_number(struct search *x, int64_t value)
{
    for (unsigned f = 0; f < FIELD_COUNT; f++) {
        struct action changed = *x->a;
        char text[32];

        if (field_kind((enum field_id)f) != FIELD_INT || !x->a->has[f])
            continue;
        changed.field[f].num = value;
        (void)snprintf(text, sizeof(text), "%lld", (long long)value);
        attempt(x, &changed, change_of(field_name((enum field_id)f), str_of(text)));
    }
}

/* The list with the item taken out, or put at its end. */
static void try_item(struct search *x, enum field_id f, struct str item)
{
    struct explain_change c = change_of(field_name(f), item);
    struct action changed = *x->a;
    struct str list = x->a->field[f].str, one;
    AUTO_BUF struct buf other = {0};

    buf_init(&other, FRAME_MAX);
    while (frame_list_next(&list, &one) == FRAME_OK) {
        if (str_eq(one, item))
            c.removed = true;
        else
            action_list_add(&other, one);
    }
    if (!c.removed)
        action_list_add(&other, item);
    c.added = !c.removed;
    if (other.full)
        return;
    changed.field[f].str = buf_str(&other);
    attempt(x, &changed, c);
}

static void try_text(struct search *x, struct str value)
{
    for (unsigned f = 0; f < FIELD_COUNT; f++) {
        struct action changed = *x->a;

        if (!x->a->has[f])
            continue;
        if (field_kind((enum field_id)f) == FIELD_LIST) {
            try_item(x, (enum field_id)f, value);
        } else if (field_kind((enum field_id)f) == FIELD_STR) {
            changed.field[f].str = value;
            attempt(x, &changed, change_of(field_name((enum field_id)f), value));
        }
    }
}

/* The thing itself, or the same name in a folder that a rule names. */
static void try_entity(struct search *x, const struct cedar_uid *uid)
{
    const struct policy *p = x->p;
    struct action changed = *x->a;
    AUTO_BUF struct buf path = {0};
    enum resource_kind k = x->a->kind;
    struct str id = str_from(uid->id);
    const char *slash = memrchr(x->a->resource.p, '/', x->a->resource.n);

    buf_init(&path, ACTION_RESOURCE_MAX);
    buf_add(&path, id.p, id.n);
    if (uid->type == p->word[WORD_DIR] && slash != NULL)
        buf_add(&path, slash, x->a->resource.n - (size_t)(slash - x->a->resource.p));
    else if (uid->type != p->type[k] && !(uid->type == p->word[WORD_DOMAIN] && k == RESOURCE_HOST))
        return;
    changed.resource = buf_str(&path);
    if (!path.full && path.n > 0)
        attempt(x, &changed, change_of("resource", changed.resource));
}

static void try_literal(void *ctx, const struct cedar_literal *lit)
{
    struct search *x = ctx;

    if (lit->kind == CEDAR_LIT_LONG)
        try_number(x, lit->value.integer);
    else if (lit->kind == CEDAR_LIT_STRING)
        try_text(x, (struct str){lit->value.string, lit->value.len});
    else if (lit->kind == CEDAR_LIT_ENTITY)
        try_entity(x, lit->value.uid);
}

/* What is easiest to do otherwise comes first: leave an argument out, use another port … */
static int effort(const struct explain_change *c)
{
    if (c->removed)
        return 0;
    if (strcmp(c->what, "resource") == 0)
        return 2;
    if (c->added)
        return 3;
    return c->value[strspn(c->value, "-0123456789")] == '\0' ? 1 : 4;
}

static int by_outcome(const void *a, const void *b)
{
    const struct explain_change *x = a, *y = b;

    if (x->outcome != y->outcome)
        return (int)x->outcome - (int)y->outcome;
    if (effort(x) != effort(y))
        return effort(x) - effort(y);
    return (int)strlen(x->value) - (int)strlen(y->value);
}

void policy_changes(const struct policy *p, const struct session *s, const struct action *a,
                    enum outcome now, size_t most, explain_change_visit *visit, void *ctx)
{
    struct search *x = xcalloc(1, sizeof(*x));

    *x = (struct search){.p = p, .s = s, .a = a, .now = now};
    x->scratch = policy_scratch_new(p);
    for (size_t i = 0; i < p->nrules; i++)
        cedar_policy_literals(p->units[p->rules[i].unit].policies, p->rules[i].index, try_literal,
                              x);
    qsort(x->found, x->n, sizeof(x->found[0]), by_outcome);
    for (size_t i = 0; i < x->n && i < most; i++)
        if (!visit(ctx, &x->found[i]))
            break;
    policy_scratch_free(x->scratch);
    free(x);
}
