/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The literals of a policy, for tools that look at what policies speak of.
 */
#include "ast.h"
#include "names.h"

struct visit {
    const struct cedar_policies *policies;
    cedar_literal_fn *fn;
    void *ctx;
};

static void give(const struct visit *v, struct cedar_literal literal)
{
    v->fn(v->ctx, &literal);
}

static void give_attr(const struct visit *v, struct cedar_span span, cedar_name name)
{
    give(v, (struct cedar_literal){.kind = CEDAR_LIT_ATTR, .span = span, .name = name});
}

static void give_type(const struct visit *v, struct cedar_span span, cedar_name name, bool in_scope)
{
    give(v, (struct cedar_literal){
                .kind = CEDAR_LIT_TYPE, .in_scope = in_scope, .span = span, .name = name});
}

static void give_uid(const struct visit *v, struct cedar_span span, const struct cedar_uid *uid,
                     bool in_scope)
{
    give(v, (struct cedar_literal){.kind = CEDAR_LIT_ENTITY,
                                   .in_scope = in_scope,
                                   .span = span,
                                   .value = cedar_entity(uid)});
}

/* The pattern as it would be written, up to 4 KiB of it. */
static void give_pattern(const struct visit *v, const struct cedar_expr *e)
{
    char text[4096];
    struct cedar_buf buf = {text, sizeof(text), 0};
    size_t len;

    cedar_quote_pattern(&buf, &e->u.pattern);
    len = cedar_buf_end(&buf);
    if (len > sizeof(text) - 1)
        len = sizeof(text) - 1;
    give(v, (struct cedar_literal){.kind = CEDAR_LIT_PATTERN,
                                   .span = e->span,
                                   .pattern = {text + 1, len > 2 ? len - 2 : 0}});
}

/* Recursion is bounded by CEDAR_MAX_DEPTH. */
static void visit_expr(const struct visit *v, const struct cedar_expr *e);

static void visit_parts(const struct visit *v, const struct cedar_expr *e)
{
    const struct cedar_expr *const parts[] = {e->a, e->b, e->c};

    for (int i = 0; i < 3; i++)
        if (parts[i] != NULL)
            visit_expr(v, parts[i]);
    if (e->kind == EXPR_SET)
        for (uint32_t i = 0; i < e->u.list.n; i++)
            visit_expr(v, e->u.list.items[i]);
    if (e->kind == EXPR_RECORD)
        for (uint32_t i = 0; i < e->u.record.n; i++)
            visit_expr(v, e->u.record.pairs[i].value);
    if (e->kind == EXPR_CALL)
        for (uint32_t i = 0; i < e->u.call.n; i++)
            visit_expr(v, e->u.call.args[i]);
}

static void visit_expr(const struct visit *v, const struct cedar_expr *e)
{
    visit_parts(v, e);
    switch ((int)e->kind) {
    case EXPR_ENTITY:
        give_uid(v, e->span, &e->u.uid, false);
        break;
    case EXPR_LONG:
        give(v, (struct cedar_literal){
                    .kind = CEDAR_LIT_LONG, .span = e->span, .value = cedar_long(e->u.integer)});
        break;
    case EXPR_STRING:
        give(v, (struct cedar_literal){
                    .kind = CEDAR_LIT_STRING, .span = e->span, .value = cedar_string(e->u.string)});
        break;
    case EXPR_LIKE:
        give_pattern(v, e);
        break;
    case EXPR_IS:
        give_type(v, e->span, e->u.name, false);
        break;
    case EXPR_GET:
        give_attr(v, e->span, e->u.name);
        break;
    case EXPR_HAS:
        for (uint32_t i = 0; i < e->u.path.n; i++)
            give_attr(v, e->span, e->u.path.names[i]);
        break;
    default:
        break;
    }
}

static void visit_scope(const struct visit *v, const struct cedar_scope *scope, bool is_template)
{
    if (scope->op == SCOPE_IS || scope->op == SCOPE_IS_IN)
        give_type(v, scope->type_span, scope->type, true);
    if (scope->op == SCOPE_IN_SET)
        for (uint32_t i = 0; i < scope->n; i++)
            give_uid(v, scope->uid_spans[i], &scope->uids[i], true);
    else if (scope->op != SCOPE_ANY && scope->op != SCOPE_IS && !(scope->has_slot && is_template))
        give_uid(v, scope->uid_span, &scope->uid, true);
}

void cedar_policy_literals(const struct cedar_policies *policies, size_t index,
                           cedar_literal_fn *visit, void *ctx)
{
    const struct visit v = {policies, visit, ctx};
    const struct cedar_policy *policy = cedar_ast_policy(policies, index);
    bool is_template = cedar_is_template(policy);

    visit_scope(&v, &policy->principal, is_template);
    visit_scope(&v, &policy->action, is_template);
    visit_scope(&v, &policy->resource, is_template);
    for (uint32_t i = 0; i < policy->n_clauses; i++)
        visit_expr(&v, policy->clauses[i].expr);
}
