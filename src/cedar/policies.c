/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of policies: making, finding, linking, asking.
 */
#include "names.h"
#include "parser.h"

struct cedar_policies *cedar_policies_new(struct cedar_names *names,
                                          const struct cedar_allocator *alloc)
{
    struct cedar_allocator a = cedar_allocator_or_default(alloc);
    struct cedar_policies *policies = a.resize(a.ctx, NULL, 0, sizeof(*policies));

    if (policies == NULL)
        return NULL;
    *policies = (struct cedar_policies){.refs = 1};
    policies->names = cedar_names_hold(names);
    cedar_arena_init(&policies->arena, &a);
    cedar_vec_init(&policies->list, &a, sizeof(struct cedar_policy *));
    return policies;
}

struct cedar_policies *cedar_policies_hold(struct cedar_policies *policies)
{
    policies->refs++;
    return policies;
}

void cedar_policies_free(struct cedar_policies *policies)
{
    struct cedar_allocator a;

    if (policies == NULL || --policies->refs > 0)
        return;
    a = policies->arena.alloc;
    if (policies->by_id != NULL)
        a.resize(a.ctx, policies->by_id, policies->n_by_id * sizeof(uint32_t), 0);
    cedar_names_free(policies->names);
    cedar_vec_free(&policies->list);
    cedar_arena_free(&policies->arena);
    a.resize(a.ctx, policies, sizeof(*policies), 0);
}

static uint32_t *id_slot(const struct cedar_policies *policies, struct cedar_str id)
{
    uint32_t mask = policies->n_by_id - 1;

    for (uint32_t i = cedar_uid_hash(0, id) & mask;; i = (i + 1) & mask) {
        uint32_t at = policies->by_id[i];

        if (at == 0 || cedar_str_eq(cedar_ast_policy(policies, at - 1)->id, id))
            return &policies->by_id[i];
    }
}

static bool grow_ids(struct cedar_policies *policies)
{
    struct cedar_allocator *a = &policies->arena.alloc;
    uint32_t n = policies->n_by_id != 0 ? policies->n_by_id * 2 : 16, *table;

    if (policies->list.len * 2 < policies->n_by_id)
        return true;
    table = a->resize(a->ctx, NULL, 0, n * sizeof(*table));
    if (table == NULL)
        return false;
    memset(table, 0, n * sizeof(*table));
    if (policies->by_id != NULL)
        a->resize(a->ctx, policies->by_id, policies->n_by_id * sizeof(*table), 0);
    policies->by_id = table;
    policies->n_by_id = n;
    for (size_t i = 0; i < policies->list.len; i++)
        *id_slot(policies, cedar_ast_policy(policies, i)->id) = (uint32_t)i + 1;
    return true;
}

enum cedar_status cedar_policies_add(struct cedar_policies *policies, struct cedar_policy *policy,
                                     struct cedar_error *err)
{
    struct cedar_policy **item;
    uint32_t *slot;

    if (policies->list.len >= CEDAR_MAX_POLICIES)
        return cedar_fail(err, CEDAR_ERR_LIMIT, policies->source, policy->span,
                          "more than %d policies", CEDAR_MAX_POLICIES);
    if (!grow_ids(policies))
        return cedar_fail_memory(err);
    slot = id_slot(policies, policy->id);
    if (*slot != 0)
        return cedar_fail(err, CEDAR_ERR_CONFLICT, (struct cedar_str){NULL, 0}, policy->span,
                          "there are two policies of the id `%s`", cedar_show(policy->id).text);
    item = cedar_vec_push(&policies->list);
    if (item == NULL)
        return cedar_fail_memory(err);
    *item = policy;
    policy->index = (uint32_t)policies->list.len - 1;
    *slot = (uint32_t)policies->list.len;
    return CEDAR_OK;
}

struct cedar_policy *cedar_policies_find(const struct cedar_policies *policies, struct cedar_str id)
{
    uint32_t at = policies->n_by_id != 0 ? *id_slot(policies, id) : 0;

    return at != 0 ? cedar_ast_policy(policies, at - 1) : NULL;
}

/* ---- links ------------------------------------------------------------------------ */

/* Whether a value is given exactly where the template has a slot. */
static enum cedar_status check_slot(const struct cedar_policy *source, bool has_slot,
                                    const char *slot, const struct cedar_uid *uid,
                                    struct cedar_error *err)
{
    if (has_slot == (uid != NULL))
        return CEDAR_OK;
    return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){NULL, 0},
                      (struct cedar_span){0, 0}, "template `%s` %s %s", cedar_show(source->id).text,
                      has_slot ? "needs a value for" : "has no slot", slot);
}

static bool fill_slot(struct cedar_policies *policies, struct cedar_scope *scope,
                      const struct cedar_uid *uid)
{
    struct cedar_str id;

    if (uid == NULL)
        return true;
    id = cedar_arena_str(&policies->arena, uid->id);
    scope->uid = cedar_uid(uid->type, id);
    return id.ptr != NULL;
}

enum cedar_status cedar_policies_link(struct cedar_policies *policies, struct cedar_str template_id,
                                      struct cedar_str new_id, const struct cedar_uid *principal,
                                      const struct cedar_uid *resource, struct cedar_error *err)
{
    const struct cedar_policy *source = cedar_policies_find(policies, template_id);
    struct cedar_policy *link;
    enum cedar_status status;

    if (source == NULL || !cedar_is_template(source))
        return cedar_fail(err, CEDAR_ERR_UNKNOWN, (struct cedar_str){NULL, 0},
                          (struct cedar_span){0, 0}, "there is no template `%s`",
                          cedar_show(template_id).text);
    status = check_slot(source, source->has_principal_slot, "?principal", principal, err);
    if (status == CEDAR_OK)
        status = check_slot(source, source->has_resource_slot, "?resource", resource, err);
    if (status != CEDAR_OK)
        return status;
    link = CEDAR_NEW(&policies->arena, struct cedar_policy);
    if (link == NULL)
        return cedar_fail_memory(err);
    *link = *source;
    link->source = source;
    link->id = cedar_arena_str(&policies->arena, new_id);
    link->has_principal_slot = link->has_resource_slot = false;
    if (link->id.ptr == NULL || !fill_slot(policies, &link->principal, principal) ||
        !fill_slot(policies, &link->resource, resource))
        return cedar_fail_memory(err);
    return cedar_policies_add(policies, link, err);
}

/* ---- asking ----------------------------------------------------------------------- */

size_t cedar_policies_count(const struct cedar_policies *policies)
{
    return cedar_ast_count(policies);
}

struct cedar_policy_info cedar_policy_info(const struct cedar_policies *policies, size_t index)
{
    const struct cedar_policy *policy = cedar_ast_policy(policies, index);

    return (struct cedar_policy_info){
        .id = policy->id.ptr,
        .id_note = cedar_policy_note(policies, index, "id"),
        .source_id = policy->source != NULL ? policy->source->id.ptr : NULL,
        .effect = policy->effect,
        .is_template = cedar_is_template(policy),
        .span = policy->span,
        .scope = policy->scope_span,
        .n_annotations = policy->n_notes,
        .n_conditions = policy->n_clauses,
    };
}

struct cedar_annotation cedar_policy_annotation(const struct cedar_policies *policies, size_t index,
                                                size_t annotation)
{
    const struct cedar_note *note = &cedar_ast_policy(policies, index)->notes[annotation];

    return (struct cedar_annotation){note->key, note->value, note->span};
}

struct cedar_condition cedar_policy_condition(const struct cedar_policies *policies, size_t index,
                                              size_t condition)
{
    const struct cedar_clause *clause = &cedar_ast_policy(policies, index)->clauses[condition];

    return (struct cedar_condition){clause->is_unless, clause->span};
}

const char *cedar_policy_note(const struct cedar_policies *policies, size_t index, const char *key)
{
    const struct cedar_policy *policy = cedar_ast_policy(policies, index);

    for (uint32_t i = 0; i < policy->n_notes; i++)
        if (cedar_str_eq(policy->notes[i].key, cedar_str(key)))
            return policy->notes[i].value.ptr;
    return NULL;
}

struct cedar_str cedar_policies_source(const struct cedar_policies *policies)
{
    return policies->source;
}

const struct cedar_names *cedar_policies_names(const struct cedar_policies *policies)
{
    return policies->names;
}
