/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is odd in a set of valid policies. All is proved by form: whatever is reported is so, but
 * not all that is so is reported.
 *
 * A policy covers another if it is satisfied wherever the other is: its scope is as wide and
 * each of its conditions is one of the other's. (A condition that fails to evaluate satisfies
 * nothing, and the covered policy has evaluated them all.)
 */
#include "names.h"
#include "validate.h"

#include <stdlib.h>

enum { MAX_POLICIES = 4096 }; /* pairs are compared */

/* A policy as the linter sees it. */
struct lint_view {
    const struct cedar_policy *policy;
    uint64_t *actions;    /* bits: those that the scope admits and that apply to something in it */
    uint32_t *conditions; /* numbers of what must hold, ascending, each once */
    uint32_t n_conditions;
};

struct linter {
    const struct cedar_schema *schema;
    const struct cedar_policies *policies;
    const struct cedar_lint_options *options;
    cedar_report_fn *report;
    void *report_ctx;
    struct cedar_arena arena;
    struct cedar_numbers numbers;
    struct lint_view *views;
    uint32_t n;
    uint32_t words; /* of a set of actions */
};

/* ---- annotations ----------------------------------------------------------------------------- */

static const struct cedar_note *find_note(const struct cedar_policy *policy, const char *key)
{
    for (uint32_t i = 0; i < policy->n_notes; i++) {
        if (cedar_str_eq(policy->notes[i].key, cedar_str(key)))
            return &policy->notes[i];
    }
    return NULL;
}

/* Whether it has one of the annotations of a list that ends with NULL. */
static bool has_any(const struct cedar_policy *policy, const char *const *keys)
{
    for (; keys != NULL && *keys != NULL; keys++) {
        if (find_note(policy, *keys) != NULL)
            return true;
    }
    return false;
}

/* Whether all duties of `small` are those of `large`, with the same values. */
static bool duties_within(const struct linter *l, const struct cedar_policy *small,
                          const struct cedar_policy *large)
{
    const char *const *keys = l->options != NULL ? l->options->duties : NULL;

    for (; keys != NULL && *keys != NULL; keys++) {
        const struct cedar_note *a = find_note(small, *keys), *b = find_note(large, *keys);

        if (a != NULL && (b == NULL || !cedar_str_eq(a->value, b->value)))
            return false;
    }
    return true;
}

/* What people call it: its @id, or else its id. */
static struct cedar_shown name_of(const struct cedar_policy *policy)
{
    const struct cedar_note *note = find_note(policy, "id");

    return cedar_show(note != NULL ? note->value : policy->id);
}

/* ---- views ----------------------------------------------------------------------------------- */

/* Counts the conjuncts of what must hold; writes their numbers if out is not NULL. */
static bool conjuncts(struct linter *l, const struct cedar_expr *expr, bool negated, uint32_t *out,
                      uint32_t *n)
{
    uint32_t number;

    if (expr->kind == EXPR_NOT)
        return conjuncts(l, expr->a, !negated, out, n);
    if (expr->kind == (negated ? EXPR_OR : EXPR_AND))
        return conjuncts(l, expr->a, negated, out, n) && conjuncts(l, expr->b, negated, out, n);
    if (expr->kind == EXPR_BOOL && expr->u.boolean != negated)
        return true; /* holds always */
    number = cedar_number(&l->numbers, expr);
    if (number == 0 || number > UINT32_MAX / 2)
        return false;
    if (out != NULL)
        out[*n] = number * 2 + negated;
    ++*n;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

static bool collect_conditions(struct linter *l, struct lint_view *view)
{
    const struct cedar_policy *policy = view->policy;
    uint32_t n = 0, distinct = 0;

    for (uint32_t i = 0; i < policy->n_clauses; i++) {
        if (!conjuncts(l, policy->clauses[i].expr, policy->clauses[i].is_unless, NULL, &n))
            return false;
    }
    view->conditions = CEDAR_NEW_N(&l->arena, uint32_t, n);
    if (view->conditions == NULL)
        return false;
    n = 0;
    for (uint32_t i = 0; i < policy->n_clauses; i++)
        conjuncts(l, policy->clauses[i].expr, policy->clauses[i].is_unless, view->conditions, &n);
    if (n > 1)
        qsort(view->conditions, n, sizeof(view->conditions[0]), by_number);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || view->conditions[i] != view->conditions[i - 1])
            view->conditions[distinct++] = view->conditions[i];
    }
    view->n_conditions = distinct;
    return true;
}

static bool admits_any(const struct linter *l, const struct cedar_policy *policy,
                       const struct cedar_scope *scope, const struct entity_type *const *types,
                       uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (cedar_scope_admits_type(l->schema, policy, scope, types[i]->name) != TRUTH_FALSE)
            return true;
    }
    return false;
}

static bool collect_actions(struct linter *l, struct lint_view *view)
{
    const struct cedar_policy *policy = view->policy;

    view->actions = CEDAR_NEW_N(&l->arena, uint64_t, l->words);
    if (view->actions == NULL)
        return false;
    for (uint32_t i = 0; i < l->schema->n_actions; i++) {
        const struct action_type *action = &l->schema->actions[i];

        if (cedar_scope_admits_action(l->schema, policy, action) &&
            admits_any(l, policy, &policy->principal, action->principals, action->n_principals) &&
            admits_any(l, policy, &policy->resource, action->resources, action->n_resources))
            view->actions[i / 64] |= UINT64_C(1) << (i % 64);
    }
    return true;
}

/* Templates take no part in deciding, so they are left out. */
static bool make_views(struct linter *l)
{
    size_t n = cedar_ast_count(l->policies);

    l->words = (l->schema->n_actions + 63) / 64;
    l->views = CEDAR_NEW_N(&l->arena, struct lint_view, n);
    if (l->views == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct lint_view *view = &l->views[l->n];

        view->policy = cedar_ast_policy(l->policies, i);
        if (cedar_is_template(view->policy))
            continue;
        if (!collect_conditions(l, view) || !collect_actions(l, view))
            return false;
        l->n++;
    }
    return true;
}

/* ---- covering -------------------------------------------------------------------------------- */

/* Whether every principal (or resource) that `narrow` can apply to is of this type. */
static bool only_of_type(const struct linter *l, const struct lint_view *narrow, bool principal,
                         cedar_name type)
{
    const struct cedar_scope *scope =
        principal ? &narrow->policy->principal : &narrow->policy->resource;

    for (uint32_t i = 0; i < l->schema->n_actions; i++) {
        const struct action_type *action = &l->schema->actions[i];
        const struct entity_type *const *types = principal ? action->principals : action->resources;
        uint32_t n = principal ? action->n_principals : action->n_resources;

        if ((narrow->actions[i / 64] >> (i % 64) & 1) == 0)
            continue;
        for (uint32_t k = 0; k < n; k++) {
            if (types[k]->name != type && cedar_scope_admits_type(l->schema, narrow->policy, scope,
                                                                  types[k]->name) != TRUTH_FALSE)
                return false;
        }
    }
    return true;
}

/* Whether `narrow` names the group itself, or is in it by its own scope. */
static bool within_group(const struct cedar_scope *narrow, const struct cedar_uid *group)
{
    return (narrow->op == SCOPE_EQ || narrow->op == SCOPE_IN || narrow->op == SCOPE_IS_IN) &&
           cedar_uid_eq(&narrow->uid, group);
}

static bool scope_covers(const struct linter *l, const struct cedar_scope *wide,
                         const struct lint_view *narrow, bool principal)
{
    const struct cedar_scope *scope =
        principal ? &narrow->policy->principal : &narrow->policy->resource;

    switch (wide->op) {
    case SCOPE_ANY:
        return true;
    case SCOPE_EQ:
        return scope->op == SCOPE_EQ && cedar_uid_eq(&scope->uid, &wide->uid);
    case SCOPE_IN:
        return within_group(scope, &wide->uid);
    case SCOPE_IS:
        return only_of_type(l, narrow, principal, wide->type);
    case SCOPE_IS_IN:
        return only_of_type(l, narrow, principal, wide->type) && within_group(scope, &wide->uid);
    case SCOPE_IN_SET:
        break;
    }
    return false;
}

static bool conditions_within(const struct lint_view *small, const struct lint_view *large)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < small->n_conditions; i++) {
        while (k < large->n_conditions && large->conditions[k] < small->conditions[i])
            k++;
        if (k == large->n_conditions || large->conditions[k] != small->conditions[i])
            return false;
    }
    return true;
}

/* Whether it can apply to anything at all; the validator tells of those that cannot. */
static bool is_live(const struct linter *l, const struct lint_view *view)
{
    for (uint32_t i = 0; i < l->words; i++) {
        if (view->actions[i] != 0)
            return true;
    }
    return false;
}

static bool covers(const struct linter *l, const struct lint_view *wide,
                   const struct lint_view *narrow)
{
    if (wide->n_conditions > narrow->n_conditions || !conditions_within(wide, narrow))
        return false;
    for (uint32_t i = 0; i < l->words; i++) {
        if ((narrow->actions[i] & ~wide->actions[i]) != 0)
            return false;
    }
    return scope_covers(l, &wide->policy->principal, narrow, true) &&
           scope_covers(l, &wide->policy->resource, narrow, false);
}

/* ---- meeting --------------------------------------------------------------------------------- */

static bool scopes_meet(const struct linter *l, const struct lint_view *a,
                        const struct lint_view *b, const struct action_type *action, bool principal)
{
    const struct cedar_scope *left = principal ? &a->policy->principal : &a->policy->resource;
    const struct cedar_scope *right = principal ? &b->policy->principal : &b->policy->resource;
    const struct entity_type *const *types = principal ? action->principals : action->resources;
    uint32_t n = principal ? action->n_principals : action->n_resources;

    if (left->op == SCOPE_EQ && right->op == SCOPE_EQ && !cedar_uid_eq(&left->uid, &right->uid))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (cedar_scope_admits_type(l->schema, a->policy, left, types[i]->name) != TRUTH_FALSE &&
            cedar_scope_admits_type(l->schema, b->policy, right, types[i]->name) != TRUTH_FALSE)
            return true;
    }
    return false;
}

/* Whether the scopes leave it possible that one request satisfies both. */
static bool may_meet(const struct linter *l, const struct lint_view *a, const struct lint_view *b)
{
    for (uint32_t i = 0; i < l->schema->n_actions; i++) {
        const struct action_type *action = &l->schema->actions[i];

        if ((a->actions[i / 64] & b->actions[i / 64]) >> (i % 64) & 1 &&
            scopes_meet(l, a, b, action, true) && scopes_meet(l, a, b, action, false))
            return true;
    }
    return false;
}

/* ---- findings -------------------------------------------------------------------------------- */

/* Reports about view; the message names another policy by its name and line. */
static void warn(const struct linter *l, const struct lint_view *view,
                 const struct lint_view *other, const char *before, const char *after)
{
    struct cedar_finding finding = {.severity = CEDAR_WARNING, .policy_id = view->policy->id.ptr};
    struct cedar_str source = l->policies->source;
    uint32_t line = 0, column = 0;

    if (other != NULL && source.len > 0)
        cedar_locate(source, other->policy->span.start, &line, &column);
    if (other == NULL)
        cedar_fail(&finding.at, CEDAR_ERR_INVALID, source, view->policy->span, "%s%s", before,
                   after);
    else if (line > 0)
        cedar_fail(&finding.at, CEDAR_ERR_INVALID, source, view->policy->span,
                   "%s `%s` (line %u)%s", before, name_of(other->policy).text, line, after);
    else
        cedar_fail(&finding.at, CEDAR_ERR_INVALID, source, view->policy->span, "%s `%s`%s", before,
                   name_of(other->policy).text, after);
    if (l->report != NULL)
        l->report(l->report_ctx, &finding);
}

/* Whether `narrow` adds nothing where `wide` stands, both of one effect. */
static bool adds_nothing(const struct linter *l, const struct lint_view *wide,
                         const struct lint_view *narrow)
{
    if (!duties_within(l, narrow->policy, wide->policy))
        return false;
    /* A forbid without duties is the stricter one, so it is not idle beside one with them. */
    return narrow->policy->effect == CEDAR_PERMIT || duties_within(l, wide->policy, narrow->policy);
}

/* Of two policies that cover each other, the later one is told of. */
static bool shadows(const struct linter *l, const struct lint_view *wide,
                    const struct lint_view *narrow)
{
    if (wide == narrow || wide->policy->effect != narrow->policy->effect ||
        !covers(l, wide, narrow) || !adds_nothing(l, wide, narrow))
        return false;
    return wide < narrow || !covers(l, narrow, wide) || !adds_nothing(l, narrow, wide);
}

static bool is_final(const struct linter *l, const struct cedar_policy *policy)
{
    return policy->effect == CEDAR_FORBID &&
           (l->options == NULL || !has_any(policy, l->options->softens));
}

static void check_covered(const struct linter *l, const struct lint_view *view)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const struct lint_view *other = &l->views[i];

        if (view->policy->effect == CEDAR_PERMIT && is_final(l, other->policy) &&
            covers(l, other, view)) {
            warn(l, view, other, "this permit has no effect: the forbid",
                 " applies wherever it does");
            return;
        }
        if (shadows(l, other, view)) {
            warn(l, view, other, "this policy adds nothing:", " applies wherever it does");
            return;
        }
    }
}

/* The same must hold and must not: numbers of a conjunct and of its negation are neighbours. */
static void check_contradiction(const struct linter *l, const struct lint_view *view)
{
    for (uint32_t i = 1; i < view->n_conditions; i++) {
        if ((view->conditions[i] ^ 1) == view->conditions[i - 1]) {
            warn(l, view, NULL, "this policy can never apply: one of its conditions is also ",
                 "required to be false");
            return;
        }
    }
}

/* A duty that is of use only where something may be permitted. */
static void check_reach(const struct linter *l, const struct lint_view *view)
{
    if (view->policy->effect != CEDAR_FORBID || l->options == NULL ||
        !has_any(view->policy, l->options->needs_permit))
        return;
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->views[i].policy->effect == CEDAR_PERMIT && may_meet(l, view, &l->views[i]))
            return;
    }
    warn(l, view, NULL, "nothing that this forbid concerns is ever permitted, ",
         "so its annotation can change nothing");
}

static enum cedar_status lint(struct linter *l, struct cedar_error *err)
{
    if (!make_views(l))
        return cedar_fail_memory(err);
    if (l->report != NULL)
        cedar_lint_text(l->policies->source, l->report, l->report_ctx);
    for (uint32_t i = 0; i < l->n; i++) {
        if (!is_live(l, &l->views[i]))
            continue;
        check_contradiction(l, &l->views[i]);
        check_covered(l, &l->views[i]);
        check_reach(l, &l->views[i]);
    }
    return CEDAR_OK;
}

enum cedar_status cedar_lint(const struct cedar_schema *schema,
                             const struct cedar_policies *policies,
                             const struct cedar_lint_options *options, cedar_report_fn *report,
                             void *ctx, struct cedar_error *err)
{
    struct linter l = {.schema = schema,
                       .policies = policies,
                       .options = options,
                       .report = report,
                       .report_ctx = ctx};
    enum cedar_status status;

    if (policies->names != schema->names)
        return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){"", 0},
                          (struct cedar_span){0, 0},
                          "the schema and the policies were read with different names");
    if (cedar_ast_count(policies) > MAX_POLICIES)
        return cedar_fail(err, CEDAR_ERR_LIMIT, (struct cedar_str){"", 0},
                          (struct cedar_span){0, 0}, "more than %d policies are not compared",
                          MAX_POLICIES);
    cedar_arena_init(&l.arena, cedar_names_allocator(schema->names));
    l.numbers.arena = &l.arena;
    status = lint(&l, err);
    cedar_arena_free(&l.arena);
    return status;
}
