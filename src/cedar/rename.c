/* SPDX-License-Identifier: Apache-2.0 */
/* rename.c - gives entity literals other ids, and patterns another start, before compiling. */
#include "ast.h"

struct renaming {
    struct cedar_policies *policies;
    size_t policy;
    cedar_rename_fn *rename;
    cedar_prefix_fn *prefix;
    void *ctx;
    struct cedar_error *err;
};

static enum cedar_status rename_uid(struct renaming *r, struct cedar_uid *uid,
                                    struct cedar_span span)
{
    struct cedar_str id = uid->id;
    enum cedar_status status;

    if (r->rename == NULL)
        return CEDAR_OK;
    status = r->rename(r->ctx, r->policy, uid, span, &id, r->err);
    if (status != CEDAR_OK || cedar_str_eq(id, uid->id))
        return status;
    id = cedar_arena_str(&r->policies->arena, id);
    if (id.ptr == NULL)
        return cedar_fail_memory(r->err);
    *uid = cedar_uid(uid->type, id);
    return CEDAR_OK;
}

/* The first piece of a pattern: all of it before the first wildcard. */
static enum cedar_status rename_prefix(struct renaming *r, struct cedar_expr *x)
{
    struct cedar_pattern *pattern = &x->u.pattern;
    struct cedar_str *pieces, first;
    enum cedar_status status;

    if (r->prefix == NULL || pattern->n == 0)
        return CEDAR_OK;
    first = pattern->pieces[0];
    status = r->prefix(r->ctx, r->policy, x->span, &first, r->err);
    if (status != CEDAR_OK || cedar_str_eq(first, pattern->pieces[0]))
        return status;
    pieces = CEDAR_NEW_N(&r->policies->arena, struct cedar_str, pattern->n);
    if (pieces == NULL)
        return cedar_fail_memory(r->err);
    memcpy(pieces, pattern->pieces, pattern->n * sizeof(*pieces));
    pieces[0] = cedar_arena_str(&r->policies->arena, first);
    if (pieces[0].ptr == NULL)
        return cedar_fail_memory(r->err);
    pattern->pieces = pieces;
    return CEDAR_OK;
}

static enum cedar_status rename_scope(struct renaming *r, struct cedar_scope *scope)
{
    enum cedar_status status = CEDAR_OK;

    switch (scope->op) {
    case SCOPE_EQ:
    case SCOPE_IN:
    case SCOPE_IS_IN:
        return scope->has_slot ? CEDAR_OK : rename_uid(r, &scope->uid, scope->uid_span);
    case SCOPE_IN_SET:
        break;
    case SCOPE_ANY:
    case SCOPE_IS:
        return CEDAR_OK;
    }
    struct cedar_uid *uids = CEDAR_NEW_N(&r->policies->arena, struct cedar_uid, scope->n);
    if (uids == NULL)
        return cedar_fail_memory(r->err);
    for (uint32_t i = 0; i < scope->n && status == CEDAR_OK; i++) {
        uids[i] = scope->uids[i];
        status = rename_uid(r, &uids[i], scope->uid_spans[i]);
    }
    scope->uids = uids;
    return status;
}

/* Depth is bounded by CEDAR_MAX_DEPTH. */
static enum cedar_status rename_expr(struct renaming *r, struct cedar_expr *x)
{
    enum cedar_status status = CEDAR_OK;
    struct cedar_expr *parts[] = {x->a, x->b, x->c};

    if (x->kind == EXPR_ENTITY)
        return rename_uid(r, &x->u.uid, x->span);
    if (x->kind == EXPR_LIKE)
        status = rename_prefix(r, x);
    for (size_t i = 0; i < 3 && status == CEDAR_OK; i++)
        if (parts[i] != NULL)
            status = rename_expr(r, parts[i]);
    if (x->kind == EXPR_SET)
        for (uint32_t i = 0; i < x->u.list.n && status == CEDAR_OK; i++)
            status = rename_expr(r, x->u.list.items[i]);
    if (x->kind == EXPR_RECORD)
        for (uint32_t i = 0; i < x->u.record.n && status == CEDAR_OK; i++)
            status = rename_expr(r, x->u.record.pairs[i].value);
    if (x->kind == EXPR_CALL)
        for (uint32_t i = 0; i < x->u.call.n && status == CEDAR_OK; i++)
            status = rename_expr(r, x->u.call.args[i]);
    return status;
}

enum cedar_status cedar_policies_rename(struct cedar_policies *policies, cedar_rename_fn *rename,
                                        cedar_prefix_fn *prefix, void *ctx, struct cedar_error *err)
{
    struct renaming r = {policies, 0, rename, prefix, ctx, err};

    for (; r.policy < cedar_ast_count(policies); r.policy++) {
        struct cedar_policy *policy = cedar_ast_policy(policies, r.policy);
        enum cedar_status status = CEDAR_OK;

        if (policy->source != NULL)
            continue; /* a link: its template was renamed, its slots were filled as they are */
        status = rename_scope(&r, &policy->principal);
        if (status == CEDAR_OK)
            status = rename_scope(&r, &policy->action);
        if (status == CEDAR_OK)
            status = rename_scope(&r, &policy->resource);
        for (uint32_t i = 0; i < policy->n_clauses && status == CEDAR_OK; i++)
            status = rename_expr(&r, policy->clauses[i].expr);
        if (status != CEDAR_OK)
            return status;
    }
    return CEDAR_OK;
}
