/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation of policies: what they name exists, some action applies to the types of their
 * scope, and in every request environment that the scope admits, the conditions are well typed.
 */
#include "names.h"
#include "parser.h"
#include "suggest.h"
#include "validate.h"

/* ---- names ---------------------------------------------------------------------------------- */

static void fault_unknown_type(struct validator *v, struct cedar_span span, cedar_name type)
{
    struct cedar_str text = cedar_name_str(v->names, type);
    struct cedar_suggestion guess;

    cedar_suggest_begin(&guess, v->names, text);
    for (uint32_t i = 0; i < v->schema->n_entities; i++)
        cedar_suggest_name(&guess, v->schema->entities[i].name);
    cedar_validator_fault(v, span, "unknown entity type `%s`%s", cedar_show(text).text,
                          cedar_suggest_end(&guess));
}

static void fault_unknown_action(struct validator *v, struct cedar_span span,
                                 const struct cedar_uid *uid)
{
    struct cedar_suggestion guess;
    const struct cedar_schema *schema = v->schema;

    cedar_suggest_begin(&guess, v->names, uid->id);
    for (uint32_t i = 0; i < schema->n_actions; i++) {
        const struct cedar_uid *known = &schema->actions[i].uid;

        if (cedar_str_eq(known->id, uid->id)) { /* the right id, in another namespace */
            cedar_validator_fault(v, span, "unknown action %s; did you mean %s?",
                                  cedar_uid_text(v->names, uid).text,
                                  cedar_uid_text(v->names, known).text);
            return;
        }
        cedar_suggest_str(&guess, known->id);
    }
    cedar_validator_fault(v, span, "unknown action %s%s", cedar_uid_text(v->names, uid).text,
                          cedar_suggest_end(&guess));
}

static void check_type_name(struct validator *v, struct cedar_span span, cedar_name type)
{
    if (cedar_find_entity_type(v->schema, type) == NULL && !cedar_is_action_type(v->names, type))
        fault_unknown_type(v, span, type);
}

static void check_uid(struct validator *v, struct cedar_span span, const struct cedar_uid *uid)
{
    const struct entity_type *type = cedar_find_entity_type(v->schema, uid->type);
    struct cedar_suggestion guess;

    if (cedar_is_action_type(v->names, uid->type)) {
        if (cedar_find_action(v->schema, uid) == NULL)
            fault_unknown_action(v, span, uid);
    } else if (type == NULL) {
        fault_unknown_type(v, span, uid->type);
    } else if (!cedar_entity_type_has_id(type, uid->id)) {
        cedar_suggest_begin(&guess, v->names, uid->id);
        for (uint32_t i = 0; i < type->n_ids; i++)
            cedar_suggest_str(&guess, type->ids[i]);
        cedar_validator_fault(v, span, "%s is not one of the entities of its enumerated type%s",
                              cedar_uid_text(v->names, uid).text, cedar_suggest_end(&guess));
    }
}

static void check_names_in(struct validator *v, const struct cedar_expr *expr);

static void check_names_in_list(struct validator *v, struct cedar_expr *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        check_names_in(v, list[i]);
}

static void check_names_in(struct validator *v, const struct cedar_expr *expr)
{
    if (expr->kind == EXPR_ENTITY)
        check_uid(v, expr->span, &expr->u.uid);
    if (expr->kind == EXPR_IS)
        check_type_name(v, expr->span, expr->u.name);
    if (expr->kind == EXPR_SET)
        check_names_in_list(v, expr->u.list.items, expr->u.list.n);
    if (expr->kind == EXPR_CALL)
        check_names_in_list(v, expr->u.call.args, expr->u.call.n);
    for (uint32_t i = 0; expr->kind == EXPR_RECORD && i < expr->u.record.n; i++)
        check_names_in(v, expr->u.record.pairs[i].value);
    if (expr->a != NULL)
        check_names_in(v, expr->a);
    if (expr->b != NULL)
        check_names_in(v, expr->b);
    if (expr->c != NULL)
        check_names_in(v, expr->c);
}

static bool has_type(const struct cedar_scope *scope)
{
    return scope->op == SCOPE_IS || scope->op == SCOPE_IS_IN;
}

/* Whether uid is set: written, or filled in by a link. */
static bool has_uid(const struct cedar_policy *policy, const struct cedar_scope *scope)
{
    return (scope->op == SCOPE_EQ || scope->op == SCOPE_IN || scope->op == SCOPE_IS_IN) &&
           (!scope->has_slot || policy->source != NULL);
}

static void check_scope_names(struct validator *v, const struct cedar_scope *scope)
{
    if (has_type(scope))
        check_type_name(v, scope->type_span, scope->type);
    if (has_uid(v->policy, scope))
        check_uid(v, scope->uid_span, &scope->uid);
    for (uint32_t i = 0; i < scope->n; i++)
        check_uid(v, scope->uid_spans != NULL ? scope->uid_spans[i] : scope->uid_span,
                  &scope->uids[i]);
}

void cedar_check_names(struct validator *v)
{
    check_scope_names(v, &v->policy->principal);
    check_scope_names(v, &v->policy->action);
    check_scope_names(v, &v->policy->resource);
    for (uint32_t i = 0; i < v->policy->n_clauses; i++)
        check_names_in(v, v->policy->clauses[i].expr);
}

/* ---- the scope --------------------------------------------------------------------------------
 */

enum cedar_truth cedar_scope_admits_type(const struct cedar_schema *schema,
                                         const struct cedar_policy *policy,
                                         const struct cedar_scope *scope, cedar_name type)
{
    if (has_type(scope) && scope->type != type)
        return TRUTH_FALSE;
    if (scope->op == SCOPE_ANY || scope->op == SCOPE_IS)
        return TRUTH_TRUE;
    if (!has_uid(policy, scope)) /* a slot may be linked to something that fits */
        return TRUTH_ANY;
    if (scope->op == SCOPE_EQ)
        return scope->uid.type == type ? TRUTH_ANY : TRUTH_FALSE;
    return cedar_type_can_be_in(schema, type, scope->uid.type) ? TRUTH_ANY : TRUTH_FALSE;
}

static bool action_is_in(const struct cedar_schema *schema, const struct action_type *action,
                         const struct cedar_uid *uids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct action_type *group = cedar_find_action(schema, &uids[i]);

        if (group == action || (group != NULL && cedar_closure_has(&schema->action_closure,
                                                                   action->index, group->index)))
            return true;
    }
    return false;
}

bool cedar_scope_admits_action(const struct cedar_schema *schema, const struct cedar_policy *policy,
                               const struct action_type *action)
{
    const struct cedar_scope *scope = &policy->action;

    switch (scope->op) {
    case SCOPE_ANY:
        return true;
    case SCOPE_EQ:
        return cedar_uid_eq(&scope->uid, &action->uid);
    case SCOPE_IN:
        return action_is_in(schema, action, &scope->uid, 1);
    case SCOPE_IN_SET:
        return action_is_in(schema, action, scope->uids, scope->n);
    case SCOPE_IS:
    case SCOPE_IS_IN:
        break;
    }
    return false;
}

static bool admits_type(const struct validator *v, const struct cedar_scope *scope,
                        const struct entity_type *type)
{
    return cedar_scope_admits_type(v->schema, v->policy, scope, type->name) != TRUTH_FALSE;
}

/* In strict mode a list of actions is a set, so its elements must be of one type. */
static void check_action_list(struct validator *v)
{
    const struct cedar_scope *scope = &v->policy->action;

    for (uint32_t i = 1; i < scope->n; i++) {
        if (scope->uids[i].type != scope->uids[0].type)
            cedar_validator_fault(v, scope->uid_span,
                                  "the actions of a list must be of one namespace, found %s and %s",
                                  cedar_uid_text(v->names, &scope->uids[0]).text,
                                  cedar_uid_text(v->names, &scope->uids[i]).text);
    }
}

static bool any_admitted(const struct validator *v, const struct cedar_scope *scope,
                         const struct entity_type *const *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (admits_type(v, scope, types[i]))
            return true;
    }
    return false;
}

/* Faults if there is no action of the scope that applies to types of the scope. */
static void check_application(struct validator *v)
{
    const struct cedar_policy *policy = v->policy;
    bool principal = false, resource = false, action = false;

    for (uint32_t i = 0; i < v->schema->n_actions; i++) {
        const struct action_type *type = &v->schema->actions[i];
        bool fits_principal, fits_resource;

        if (!cedar_scope_admits_action(v->schema, policy, type))
            continue;
        action = true;
        fits_principal = any_admitted(v, &policy->principal, type->principals, type->n_principals);
        fits_resource = any_admitted(v, &policy->resource, type->resources, type->n_resources);
        if (fits_principal && fits_resource)
            return;
        principal |= fits_principal;
        resource |= fits_resource;
    }
    cedar_validator_fault(
        v, policy->scope_span, "no request can match this scope: %s",
        !action      ? "it names no action that is declared"
        : !principal ? "none of its actions applies to such a principal"
        : !resource  ? "none of its actions applies to such a resource"
                     : "none of its actions applies to such a principal and resource together");
}

/* ---- environments ------------------------------------------------------------------------------
 */

/* The conditions in the environment at hand; TRUTH_FALSE if they can never hold. */
static enum cedar_truth check_clauses(struct validator *v)
{
    const struct cedar_capabilities *caps = NULL;

    for (uint32_t i = 0; i < v->policy->n_clauses; i++) {
        const struct cedar_clause *clause = &v->policy->clauses[i];
        struct checked checked = cedar_check_condition(v, clause->expr, caps);
        enum cedar_truth never = clause->is_unless ? TRUTH_TRUE : TRUTH_FALSE;
        bool ok = true;

        if (checked.type != NULL && checked.type->truth == never)
            return TRUTH_FALSE;
        if (clause->is_unless || checked.caps == NULL)
            continue;
        caps = cedar_capabilities_union(&v->scratch, caps, checked.caps, &ok);
        v->out_of_memory |= !ok;
    }
    return TRUTH_ANY;
}

/* Whether the policy can apply here, or might if it were not faulty. */
static bool check_environment(struct validator *v)
{
    enum cedar_truth truth;

    cedar_arena_init(&v->scratch, &v->arena.alloc);
    v->types = (struct cedar_types){.arena = &v->scratch, .base = &v->schema->types};
    v->in_environment = true;
    v->failed = false;
    truth = check_clauses(v);
    v->in_environment = false;
    cedar_arena_free(&v->scratch);
    return truth != TRUTH_FALSE || v->failed;
}

/* All environments of the action at hand. */
static bool check_action(struct validator *v)
{
    const struct action_type *action = v->action;
    bool listed = false, possible = false;

    for (uint32_t i = 0; i < action->n_principals && action->n_resources > 0; i++) {
        v->principal = action->principals[i];
        if (!admits_type(v, &v->policy->principal, v->principal))
            continue;
        if (!listed)
            check_action_list(v);
        listed = true;
        if (!cedar_scope_admits_action(v->schema, v->policy, action))
            return false;
        for (uint32_t k = 0; k < action->n_resources && !v->out_of_memory; k++) {
            v->resource = action->resources[k];
            if (admits_type(v, &v->policy->resource, v->resource))
                possible |= check_environment(v);
        }
    }
    return possible;
}

static void check_environments(struct validator *v)
{
    bool possible = false;

    for (uint32_t i = 0; i < v->schema->n_actions && !v->out_of_memory; i++) {
        v->action = &v->schema->actions[i];
        possible |= check_action(v);
    }
    if (!possible && !v->out_of_memory)
        cedar_validator_report(v, CEDAR_WARNING, CEDAR_ERR_INVALID, v->policy->span,
                               "this policy can never apply: it is false for every request that "
                               "the schema allows");
}

/* A link is as its template, but for what its slots were filled with. */
static void check_policy(struct validator *v)
{
    bool is_link = v->policy->source != NULL;

    if (is_link) {
        check_scope_names(v, &v->policy->principal);
        check_scope_names(v, &v->policy->resource);
        check_application(v);
        return;
    }
    cedar_check_names(v);
    check_application(v);
    check_environments(v);
}

static enum cedar_status check_policies(struct validator *v, struct cedar_error *err)
{
    for (size_t i = 0; i < cedar_ast_count(v->policies) && !v->out_of_memory; i++) {
        v->policy = cedar_ast_policy(v->policies, i);
        v->n_shown = 0;
        cedar_arena_init(&v->arena, cedar_names_allocator(v->names));
        v->numbers = (struct cedar_numbers){.arena = &v->arena};
        check_policy(v);
        cedar_arena_free(&v->arena);
    }
    return v->out_of_memory ? cedar_fail_memory(err) : CEDAR_OK;
}

enum cedar_status cedar_validate_policies(const struct cedar_schema *schema,
                                          const struct cedar_policies *policies,
                                          cedar_report_fn *report, void *ctx, bool *valid,
                                          struct cedar_error *err)
{
    struct validator v = {
        .schema = schema,
        .policies = policies,
        .names = schema->names,
        .report = report,
        .report_ctx = ctx,
        .valid = true,
    };
    enum cedar_status status;

    if (policies->names != schema->names)
        return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){"", 0},
                          (struct cedar_span){0, 0},
                          "the schema and the policies were read with different names");
    status = check_policies(&v, err);
    if (status == CEDAR_OK)
        *valid = v.valid;
    return status;
}
