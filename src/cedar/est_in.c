/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies from the JSON policy format:
 * https://docs.cedarpolicy.com/policies/json-format.html.
 */
#include "est.h"

/* An expression takes two or three containers for each level. */
#define MAX_EST_NESTING 2048

/* "entity" or "slot" */
static enum cedar_status read_scope_uid(struct est *in, const struct cedar_json *json,
                                        const char *slot, struct cedar_scope *scope)
{
    const struct cedar_json *entity = cedar_json_get(json, "entity");
    const struct cedar_json *named = cedar_json_get(json, "slot");

    scope->uid_span = json->span;
    if (named != NULL && entity == NULL && slot != NULL) {
        if (named->kind != JSON_STRING || !cedar_str_eq(named->string, cedar_str(slot)))
            return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, named->span,
                              "the slot that may stand here is %s", slot);
        scope->has_slot = true;
        return CEDAR_OK;
    }
    if (entity == NULL)
        return est_expected(in, json, "an object with \"entity\"");
    scope->uid_span = entity->span;
    return cedar_load_uid(&in->loader, entity, &scope->uid);
}

static enum cedar_status check_action(struct est *in, const struct cedar_json *json,
                                      const struct cedar_uid *uid)
{
    if (cedar_is_action_type(in->into->names, uid->type))
        return CEDAR_OK;
    return est_wrong(in, json->span, "an action's type is Action, in a namespace or none");
}

static enum cedar_status read_action_set(struct est *in, const struct cedar_json *json,
                                         struct cedar_scope *scope)
{
    struct cedar_uid *uids;
    struct cedar_span *spans;

    if (json->kind != JSON_ARRAY || json->n > CEDAR_MAX_ELEMENTS)
        return est_expected(in, json, "an array of actions");
    uids = CEDAR_NEW_N(&in->into->arena, struct cedar_uid, json->n);
    spans = CEDAR_NEW_N(&in->into->arena, struct cedar_span, json->n);
    if (uids == NULL || spans == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < json->n; i++) {
        spans[i] = json->items[i].span;
        TRY(cedar_load_uid(&in->loader, &json->items[i], &uids[i]));
        TRY(check_action(in, &json->items[i], &uids[i]));
    }
    scope->op = SCOPE_IN_SET;
    scope->uids = uids;
    scope->uid_spans = spans;
    scope->n = json->n;
    return CEDAR_OK;
}

static enum cedar_status read_scope_is(struct est *in, const struct cedar_json *json,
                                       const char *slot, struct cedar_scope *scope)
{
    const struct cedar_json *type = NULL, *within = cedar_json_get(json, "in");

    if (slot == NULL)
        return est_wrong(in, json->span, "an action is compared by `==` or `in`, not by its type");
    TRY(est_member(in, json, "entity_type", &type));
    TRY(cedar_load_type_name(&in->loader, type, &scope->type));
    scope->type_span = type->span;
    scope->op = within != NULL ? SCOPE_IS_IN : SCOPE_IS;
    return within != NULL ? read_scope_uid(in, within, slot, scope) : CEDAR_OK;
}

/* slot is NULL for the action. */
static enum cedar_status read_scope(struct est *in, const struct cedar_json *policy,
                                    const char *key, const char *slot, struct cedar_scope *scope)
{
    const struct cedar_json *json = NULL, *entities;
    struct cedar_str op = {0};

    TRY(est_member(in, policy, key, &json));
    TRY(est_string_member(in, json, "op", &op));
    scope->span = json->span;
    entities = cedar_json_get(json, "entities");
    if (cedar_str_eq(op, CEDAR_STR("All")))
        return CEDAR_OK;
    if (cedar_str_eq(op, CEDAR_STR("is")))
        return read_scope_is(in, json, slot, scope);
    if (cedar_str_eq(op, CEDAR_STR("in")) && slot == NULL && entities != NULL)
        return read_action_set(in, entities, scope);
    if (!cedar_str_eq(op, CEDAR_STR("==")) && !cedar_str_eq(op, CEDAR_STR("in")))
        return est_wrong(in, json->span, "\"op\" is \"All\", \"==\", \"in\" or \"is\"");
    scope->op = op.len == 2 && op.ptr[0] == '=' ? SCOPE_EQ : SCOPE_IN;
    TRY(read_scope_uid(in, json, slot, scope));
    return slot == NULL ? check_action(in, json, &scope->uid) : CEDAR_OK;
}

static enum cedar_status read_clauses(struct est *in, const struct cedar_json *json,
                                      struct cedar_policy *policy)
{
    const struct cedar_json *list = NULL;

    TRY(est_member(in, json, "conditions", &list));
    if (list->kind != JSON_ARRAY || list->n > 1024)
        return est_expected(in, list, "an array of at most 1024 conditions");
    policy->n_clauses = list->n;
    policy->clauses = CEDAR_NEW_N(&in->into->arena, struct cedar_clause, list->n);
    if (policy->clauses == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < list->n; i++) {
        struct cedar_str kind = {0};

        TRY(est_string_member(in, &list->items[i], "kind", &kind));
        policy->clauses[i].is_unless = cedar_str_eq(kind, CEDAR_STR("unless"));
        policy->clauses[i].span = list->items[i].span;
        if (!policy->clauses[i].is_unless && !cedar_str_eq(kind, CEDAR_STR("when")))
            return est_wrong(in, list->items[i].span, "\"kind\" is \"when\" or \"unless\"");
        TRY(est_expr_member(in, &list->items[i], "body", &policy->clauses[i].expr));
    }
    return CEDAR_OK;
}

static enum cedar_status read_notes(struct est *in, const struct cedar_json *json,
                                    struct cedar_policy *policy)
{
    const struct cedar_json *notes = cedar_json_get(json, "annotations");

    if (notes == NULL)
        return CEDAR_OK;
    if (notes->kind != JSON_OBJECT || notes->n > 256)
        return est_expected(in, notes, "an object of at most 256 annotations");
    policy->n_notes = notes->n;
    policy->notes = CEDAR_NEW_N(&in->into->arena, struct cedar_note, notes->n);
    if (policy->notes == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < notes->n; i++) {
        const struct cedar_json_member *m = &notes->members[i];
        struct cedar_note *note = &policy->notes[i];

        note->span = m->span;
        note->has_value = m->value.kind == JSON_STRING;
        if (!note->has_value && m->value.kind != JSON_NULL)
            return est_expected(in, &m->value, "a string");
        if (!cedar_is_ident(m->key))
            return est_wrong(in, m->span, "an annotation's name is an identifier");
        TRY(est_keep(in, m->key, &note->key));
        TRY(est_keep(in, note->has_value ? m->value.string : CEDAR_STR(""), &note->value));
    }
    return CEDAR_OK;
}

static enum cedar_status read_policy(struct est *in, const struct cedar_json *json,
                                     struct cedar_str id)
{
    struct cedar_policy *policy = CEDAR_NEW(&in->into->arena, struct cedar_policy);
    struct cedar_str effect = {0};

    if (policy == NULL)
        return est_no_memory(in);
    if (json->kind != JSON_OBJECT)
        return est_expected(in, json, "a policy: an object");
    policy->span = policy->scope_span = json->span;
    TRY(est_keep(in, id, &policy->id));
    TRY(est_string_member(in, json, "effect", &effect));
    policy->effect = cedar_str_eq(effect, CEDAR_STR("forbid")) ? CEDAR_FORBID : CEDAR_PERMIT;
    if (policy->effect == CEDAR_PERMIT && !cedar_str_eq(effect, CEDAR_STR("permit")))
        return est_wrong(in, json->span, "\"effect\" is \"permit\" or \"forbid\"");
    TRY(read_scope(in, json, "principal", "?principal", &policy->principal));
    TRY(read_scope(in, json, "action", NULL, &policy->action));
    TRY(read_scope(in, json, "resource", "?resource", &policy->resource));
    policy->has_principal_slot = policy->principal.has_slot;
    policy->has_resource_slot = policy->resource.has_slot;
    TRY(read_clauses(in, json, policy));
    TRY(read_notes(in, json, policy));
    return cedar_policies_add(in->into, policy, in->loader.err);
}

/* "staticPolicies" or "templates": objects of policies by id. */
static enum cedar_status read_policies(struct est *in, const struct cedar_json *json,
                                       const char *key, bool templates)
{
    const struct cedar_json *list = cedar_json_get(json, key);

    if (list == NULL)
        return CEDAR_OK;
    if (list->kind != JSON_OBJECT)
        return est_expected(in, list, "an object of policies by id");
    for (uint32_t i = 0; i < list->n; i++) {
        const struct cedar_policy *policy;

        TRY(read_policy(in, &list->members[i].value, list->members[i].key));
        policy = cedar_ast_policy(in->into, cedar_ast_count(in->into) - 1);
        if (cedar_is_template(policy) != templates)
            return est_wrong(in, list->members[i].span,
                             templates ? "a template has a slot" : "a static policy has no slot");
    }
    return CEDAR_OK;
}

static enum cedar_status read_link(struct est *in, const struct cedar_json *json)
{
    static const char *const slots[] = {"?principal", "?resource"};
    const struct cedar_json *values = NULL;
    struct cedar_str template_id = {0}, new_id = {0};
    struct cedar_uid uids[2];
    const struct cedar_uid *given[2] = {NULL, NULL};

    TRY(est_string_member(in, json, "templateId", &template_id));
    TRY(est_string_member(in, json, "newId", &new_id));
    TRY(est_member(in, json, "values", &values));
    for (int i = 0; i < 2; i++) {
        const struct cedar_json *value = cedar_json_get(values, slots[i]);

        if (value == NULL)
            continue;
        TRY(cedar_load_uid(&in->loader, value, &uids[i]));
        given[i] = &uids[i];
    }
    return cedar_policies_link(in->into, template_id, new_id, given[0], given[1], in->loader.err);
}

static enum cedar_status read_set_of_policies(struct est *in, const struct cedar_json *json)
{
    const struct cedar_json *links = cedar_json_get(json, "templateLinks");

    if (json->kind != JSON_OBJECT)
        return est_expected(in, json, "a policy or a policy set: an object");
    if (cedar_json_get(json, "effect") != NULL)
        return read_policy(in, json, CEDAR_STR("policy0"));
    for (uint32_t i = 0; i < json->n; i++) {
        struct cedar_str key = json->members[i].key;

        if (!cedar_str_eq(key, CEDAR_STR("staticPolicies")) &&
            !cedar_str_eq(key, CEDAR_STR("templates")) &&
            !cedar_str_eq(key, CEDAR_STR("templateLinks")))
            return est_wrong(
                in, json->members[i].span,
                "a policy set has \"staticPolicies\", \"templates\", \"templateLinks\"");
    }
    TRY(read_policies(in, json, "staticPolicies", false));
    TRY(read_policies(in, json, "templates", true));
    if (links == NULL)
        return CEDAR_OK;
    if (links->kind != JSON_ARRAY)
        return est_expected(in, links, "an array of links");
    for (uint32_t i = 0; i < links->n; i++)
        TRY(read_link(in, &links->items[i]));
    return CEDAR_OK;
}

enum cedar_status cedar_policies_parse_json(struct cedar_names *names,
                                            const struct cedar_allocator *alloc,
                                            struct cedar_str json, struct cedar_policies **out,
                                            struct cedar_error *err)
{
    struct est in = {.into = cedar_policies_new(names, alloc)};
    struct cedar_arena scratch;
    struct cedar_json tree;
    enum cedar_status status;

    if (in.into == NULL)
        return cedar_fail_memory(err);
    in.into->source = CEDAR_STR("");
    in.loader = (struct cedar_loader){names, &in.into->arena, json, err};
    cedar_arena_init(&scratch, alloc);
    status = cedar_json_parse_deep(&scratch, json, CEDAR_MAX_TEXT, MAX_EST_NESTING, &tree, err);
    if (status == CEDAR_OK)
        status = read_set_of_policies(&in, &tree);
    cedar_arena_free(&scratch);
    if (status == CEDAR_OK)
        *out = in.into;
    else
        cedar_policies_free(in.into);
    return status;
}
