/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies in the JSON policy format:
 * https://docs.cedarpolicy.com/policies/json-format.html.
 */
#include "ast.h"
#include "json.h"
#include "names.h"

#include <assert.h>

struct out {
    struct cedar_json_writer w;
    const struct cedar_names *names;
};

static void put_expr(struct out *o, const struct cedar_expr *e);

static void key(struct out *o, const char *name)
{
    cedar_json_key(&o->w, cedar_str(name));
}

static void put_text(struct out *o, const char *name, struct cedar_str text)
{
    key(o, name);
    cedar_json_put_string(&o->w, text);
}

static void put_uid(struct out *o, const struct cedar_uid *uid)
{
    cedar_json_begin(&o->w, '{');
    put_text(o, "type", cedar_name_str(o->names, uid->type));
    put_text(o, "id", uid->id);
    cedar_json_end(&o->w, '}');
}

/* "key": expression */
static void put_under(struct out *o, const char *name, const struct cedar_expr *e)
{
    key(o, name);
    put_expr(o, e);
}

static void put_value(struct out *o, const struct cedar_expr *e)
{
    key(o, "Value");
    if (e->kind == EXPR_BOOL) {
        cedar_json_put_bool(&o->w, e->u.boolean);
    } else if (e->kind == EXPR_LONG) {
        cedar_json_put_integer(&o->w, e->u.integer);
    } else if (e->kind == EXPR_STRING) {
        cedar_json_put_string(&o->w, e->u.string);
    } else {
        cedar_json_begin(&o->w, '{');
        key(o, "__entity");
        put_uid(o, &e->u.uid);
        cedar_json_end(&o->w, '}');
    }
}

static void put_sides(struct out *o, const char *op, const struct cedar_expr *left,
                      const struct cedar_expr *right)
{
    key(o, op);
    cedar_json_begin(&o->w, '{');
    put_under(o, "left", left);
    put_under(o, "right", right);
    cedar_json_end(&o->w, '}');
}

static void put_arg(struct out *o, const char *op, const struct cedar_expr *arg)
{
    key(o, op);
    cedar_json_begin(&o->w, '{');
    put_under(o, "arg", arg);
    cedar_json_end(&o->w, '}');
}

static void put_binary(struct out *o, const struct cedar_expr *e)
{
    static const char *const ops[] = {
        [EXPR_AND] = "&&", [EXPR_OR] = "||", [EXPR_EQ] = "==", [EXPR_NE] = "!=",
        [EXPR_LT] = "<",   [EXPR_LE] = "<=", [EXPR_GT] = ">",  [EXPR_GE] = ">=",
        [EXPR_ADD] = "+",  [EXPR_SUB] = "-", [EXPR_MUL] = "*", [EXPR_IN] = "in",
    };

    assert(ops[e->kind] != NULL);
    put_sides(o, ops[e->kind], e->a, e->b);
}

/* ".": {"left", "attr"}, or "has" */
static void put_attr(struct out *o, const char *op, const struct cedar_expr *left, cedar_name attr)
{
    key(o, op);
    cedar_json_begin(&o->w, '{');
    put_under(o, "left", left);
    put_text(o, "attr", cedar_name_str(o->names, attr));
    cedar_json_end(&o->w, '}');
}

/* "has": {"left", "attr"}; a path of several names is a list. */
static void put_has(struct out *o, const struct cedar_expr *e)
{
    if (e->u.path.n == 1) {
        put_attr(o, "has", e->a, e->u.path.names[0]);
        return;
    }
    key(o, "has");
    cedar_json_begin(&o->w, '{');
    put_under(o, "left", e->a);
    key(o, "attr");
    cedar_json_begin(&o->w, '[');
    for (uint32_t i = 0; i < e->u.path.n; i++)
        cedar_json_put_string(&o->w, cedar_name_str(o->names, e->u.path.names[i]));
    cedar_json_end(&o->w, ']');
    cedar_json_end(&o->w, '}');
}

/* A literal for each character, as the format's other implementations write it. */
static void put_literals(struct out *o, struct cedar_str s)
{
    size_t n;

    for (size_t i = 0; i < s.len; i += n) {
        for (n = 1; i + n < s.len && ((uint8_t)s.ptr[i + n] & 0xc0) == 0x80; n++)
            ;
        cedar_json_begin(&o->w, '{');
        put_text(o, "Literal", (struct cedar_str){s.ptr + i, n});
        cedar_json_end(&o->w, '}');
    }
}

static void put_like(struct out *o, const struct cedar_expr *e)
{
    key(o, "like");
    cedar_json_begin(&o->w, '{');
    put_under(o, "left", e->a);
    key(o, "pattern");
    cedar_json_begin(&o->w, '[');
    for (uint32_t i = 0; i < e->u.pattern.n; i++) {
        if (i > 0)
            cedar_json_put_string(&o->w, CEDAR_STR("Wildcard"));
        put_literals(o, e->u.pattern.pieces[i]);
    }
    cedar_json_end(&o->w, ']');
    cedar_json_end(&o->w, '}');
}

static void put_is(struct out *o, const struct cedar_expr *e)
{
    key(o, "is");
    cedar_json_begin(&o->w, '{');
    put_under(o, "left", e->a);
    put_text(o, "entity_type", cedar_name_str(o->names, e->u.name));
    if (e->b != NULL)
        put_under(o, "in", e->b);
    cedar_json_end(&o->w, '}');
}

static void put_if(struct out *o, const struct cedar_expr *e)
{
    key(o, "if-then-else");
    cedar_json_begin(&o->w, '{');
    put_under(o, "if", e->a);
    put_under(o, "then", e->b);
    put_under(o, "else", e->c);
    cedar_json_end(&o->w, '}');
}

static void put_list(struct out *o, struct cedar_expr *const *items, uint32_t n)
{
    cedar_json_begin(&o->w, '[');
    for (uint32_t i = 0; i < n; i++)
        put_expr(o, items[i]);
    cedar_json_end(&o->w, ']');
}

static void put_record(struct out *o, const struct cedar_expr *e)
{
    key(o, "Record");
    cedar_json_begin(&o->w, '{');
    for (uint32_t i = 0; i < e->u.record.n; i++) {
        cedar_json_key(&o->w, cedar_name_str(o->names, e->u.record.pairs[i].name));
        put_expr(o, e->u.record.pairs[i].value);
    }
    cedar_json_end(&o->w, '}');
}

static void put_call(struct out *o, const struct cedar_expr *e)
{
    const struct cedar_call_info *info = &cedar_calls[e->u.call.call];

    if (e->u.call.call == CALL_IS_EMPTY) {
        put_arg(o, info->name, e->u.call.args[0]);
    } else if (info->is_builtin) {
        put_sides(o, info->name, e->u.call.args[0], e->u.call.args[1]);
    } else {
        key(o, info->name);
        put_list(o, e->u.call.args, e->u.call.n);
    }
}

static void put_inside(struct out *o, const struct cedar_expr *e)
{
    static const char *const vars[] = {"principal", "action", "resource", "context"};

    switch ((int)e->kind) {
    case EXPR_BOOL:
    case EXPR_LONG:
    case EXPR_STRING:
    case EXPR_ENTITY:
        put_value(o, e);
        break;
    case EXPR_VAR:
        put_text(o, "Var", cedar_str(vars[e->u.var]));
        break;
    case EXPR_NOT:
        put_arg(o, "!", e->a);
        break;
    case EXPR_NEG:
        put_arg(o, "neg", e->a);
        break;
    case EXPR_IF:
        put_if(o, e);
        break;
    case EXPR_GET:
        put_attr(o, ".", e->a, e->u.name);
        break;
    case EXPR_HAS:
        put_has(o, e);
        break;
    case EXPR_LIKE:
        put_like(o, e);
        break;
    case EXPR_IS:
        put_is(o, e);
        break;
    case EXPR_SET:
        key(o, "Set");
        put_list(o, e->u.list.items, e->u.list.n);
        break;
    case EXPR_RECORD:
        put_record(o, e);
        break;
    case EXPR_CALL:
        put_call(o, e);
        break;
    default:
        put_binary(o, e);
        break;
    }
}

/* Recursion is bounded by CEDAR_MAX_DEPTH. */
static void put_expr(struct out *o, const struct cedar_expr *e)
{
    cedar_json_begin(&o->w, '{');
    put_inside(o, e);
    cedar_json_end(&o->w, '}');
}

/* ---- policies --------------------------------------------------------------------- */

/* "entity" or "slot" of a scope */
static void put_scope_uid(struct out *o, const struct cedar_scope *scope, const char *slot)
{
    if (scope->has_slot) {
        assert(slot != NULL); /* an action has none */
        put_text(o, "slot", cedar_str(slot));
    } else {
        key(o, "entity");
        put_uid(o, &scope->uid);
    }
}

/* A set of one is written as the format's other implementations do: as that one. */
static void put_action_set(struct out *o, const struct cedar_scope *scope)
{
    put_text(o, "op", CEDAR_STR("in"));
    if (scope->n == 1) {
        key(o, "entity");
        put_uid(o, &scope->uids[0]);
        return;
    }
    key(o, "entities");
    cedar_json_begin(&o->w, '[');
    for (uint32_t i = 0; i < scope->n; i++)
        put_uid(o, &scope->uids[i]);
    cedar_json_end(&o->w, ']');
}

static void put_scope(struct out *o, const char *name, const struct cedar_scope *scope,
                      const char *slot)
{
    key(o, name);
    cedar_json_begin(&o->w, '{');
    switch (scope->op) {
    case SCOPE_ANY:
        put_text(o, "op", CEDAR_STR("All"));
        break;
    case SCOPE_EQ:
    case SCOPE_IN:
        put_text(o, "op", cedar_str(scope->op == SCOPE_EQ ? "==" : "in"));
        put_scope_uid(o, scope, slot);
        break;
    case SCOPE_IS:
    case SCOPE_IS_IN:
        put_text(o, "op", CEDAR_STR("is"));
        put_text(o, "entity_type", cedar_name_str(o->names, scope->type));
        if (scope->op == SCOPE_IS_IN) {
            key(o, "in");
            cedar_json_begin(&o->w, '{');
            put_scope_uid(o, scope, slot);
            cedar_json_end(&o->w, '}');
        }
        break;
    case SCOPE_IN_SET:
        put_action_set(o, scope);
        break;
    }
    cedar_json_end(&o->w, '}');
}

static void put_notes(struct out *o, const struct cedar_policy *policy)
{
    key(o, "annotations");
    cedar_json_begin(&o->w, '{');
    for (uint32_t i = 0; i < policy->n_notes; i++) {
        cedar_json_key(&o->w, policy->notes[i].key);
        if (policy->notes[i].has_value)
            cedar_json_put_string(&o->w, policy->notes[i].value);
        else
            cedar_json_put_null(&o->w);
    }
    cedar_json_end(&o->w, '}');
}

static void put_policy(struct out *o, const struct cedar_policy *policy)
{
    cedar_json_begin(&o->w, '{');
    put_text(o, "effect", cedar_str(policy->effect == CEDAR_PERMIT ? "permit" : "forbid"));
    put_scope(o, "principal", &policy->principal, "?principal");
    put_scope(o, "action", &policy->action, NULL);
    put_scope(o, "resource", &policy->resource, "?resource");
    key(o, "conditions");
    cedar_json_begin(&o->w, '[');
    for (uint32_t i = 0; i < policy->n_clauses; i++) {
        cedar_json_begin(&o->w, '{');
        put_text(o, "kind", cedar_str(policy->clauses[i].is_unless ? "unless" : "when"));
        put_under(o, "body", policy->clauses[i].expr);
        cedar_json_end(&o->w, '}');
    }
    cedar_json_end(&o->w, ']');
    if (policy->n_notes > 0)
        put_notes(o, policy);
    cedar_json_end(&o->w, '}');
}

static void put_link(struct out *o, const struct cedar_policy *policy)
{
    cedar_json_begin(&o->w, '{');
    put_text(o, "templateId", policy->source->id);
    put_text(o, "newId", policy->id);
    key(o, "values");
    cedar_json_begin(&o->w, '{');
    if (policy->principal.has_slot) {
        key(o, "?principal");
        put_uid(o, &policy->principal.uid);
    }
    if (policy->resource.has_slot) {
        key(o, "?resource");
        put_uid(o, &policy->resource.uid);
    }
    cedar_json_end(&o->w, '}');
    cedar_json_end(&o->w, '}');
}

/* The policies that are templates, or those that are neither template nor link. */
static void put_those(struct out *o, const char *name, const struct cedar_policies *policies,
                      bool templates)
{
    key(o, name);
    cedar_json_begin(&o->w, '{');
    for (size_t i = 0; i < cedar_ast_count(policies); i++) {
        const struct cedar_policy *policy = cedar_ast_policy(policies, i);

        if (policy->source != NULL || cedar_is_template(policy) != templates)
            continue;
        cedar_json_key(&o->w, policy->id);
        put_policy(o, policy);
    }
    cedar_json_end(&o->w, '}');
}

static enum cedar_status finish(const struct out *o, struct cedar_error *err)
{
    if (!o->w.failed)
        return CEDAR_OK;
    return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){NULL, 0},
                      (struct cedar_span){0, 0}, "the text could not be written");
}

enum cedar_status cedar_policies_print_json(const struct cedar_policies *policies,
                                            cedar_write_fn *write, void *ctx,
                                            struct cedar_error *err)
{
    struct out o = {.w = {.write = write, .ctx = ctx}, .names = policies->names};

    cedar_json_begin(&o.w, '{');
    put_those(&o, "staticPolicies", policies, false);
    put_those(&o, "templates", policies, true);
    key(&o, "templateLinks");
    cedar_json_begin(&o.w, '[');
    for (size_t i = 0; i < cedar_ast_count(policies); i++)
        if (cedar_ast_policy(policies, i)->source != NULL)
            put_link(&o, cedar_ast_policy(policies, i));
    cedar_json_end(&o.w, ']');
    cedar_json_end(&o.w, '}');
    return finish(&o, err);
}

enum cedar_status cedar_policy_print_json(const struct cedar_policies *policies, size_t index,
                                          cedar_write_fn *write, void *ctx, struct cedar_error *err)
{
    struct out o = {.w = {.write = write, .ctx = ctx}, .names = policies->names};
    struct cedar_policy policy = *cedar_ast_policy(policies, index);

    if (policy.source != NULL) /* a link by itself is the static policy that it stands for */
        policy.principal.has_slot = policy.resource.has_slot = false;
    put_policy(&o, &policy);
    return finish(&o, err);
}
