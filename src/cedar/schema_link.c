/* SPDX-License-Identifier: Apache-2.0 */
/* The last step: entity types and actions, and the hierarchies that they form. */
#include "schema_resolve.h"

#include <stdlib.h>

/* ---- entity types ------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    const struct cedar_str *left = a, *right = b;
    size_t common = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->ptr, right->ptr, common);

    return order != 0 ? order : left->len < right->len ? -1 : left->len > right->len;
}

static enum cedar_status resolve_choices(struct resolver *r, struct entity_type *type)
{
    const struct schema_choice *choice;
    struct cedar_str *ids;
    uint32_t n = 0;

    for (choice = type->written->choices; choice != NULL; choice = choice->next)
        n++;
    if (n == 0)
        return CEDAR_OK;
    ids = CEDAR_NEW_N(&r->schema->arena, struct cedar_str, n);
    if (ids == NULL)
        return cedar_fail_memory(r->err);
    n = 0;
    for (choice = type->written->choices; choice != NULL; choice = choice->next)
        ids[n++] = choice->id;
    qsort(ids, n, sizeof(*ids), compare_ids);
    type->ids = ids;
    type->n_ids = n;
    return CEDAR_OK;
}

static uint32_t count_refs(const struct schema_ref *ref)
{
    uint32_t n = 0;

    for (; ref != NULL; ref = ref->next)
        n++;
    return n;
}

static enum cedar_status check_links(struct resolver *r, uint32_t n)
{
    if (n <= CEDAR_MAX_LINKS)
        return CEDAR_OK;
    return cedar_fail(r->err, CEDAR_ERR_LIMIT, (struct cedar_str){"", 0}, (struct cedar_span){0, 0},
                      "more than %u parents are declared in all", CEDAR_MAX_LINKS);
}

static enum cedar_status resolve_entity_parents(struct resolver *r, struct entity_type *type)
{
    const struct entity_type *parent;

    type->parents = CEDAR_NEW_N(&r->schema->arena, uint32_t, count_refs(type->written->parents));
    if (type->parents == NULL)
        return cedar_fail_memory(r->err);
    for (const struct schema_ref *ref = type->written->parents; ref != NULL; ref = ref->next) {
        TRY(cedar_resolve_entity(r, type->ns, ref, &parent));
        type->parents[type->n_parents++] = parent->index;
    }
    return CEDAR_OK;
}

static const uint32_t *entity_parents(const void *ctx, uint32_t node, uint32_t *n)
{
    const struct cedar_schema *schema = ctx;

    *n = schema->entities[node].n_parents;
    return schema->entities[node].parents;
}

enum cedar_status cedar_resolve_entities(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;
    uint32_t links = 0, height;

    for (uint32_t i = 0; i < schema->n_entities; i++) {
        struct entity_type *type = &schema->entities[i];

        TRY(resolve_choices(r, type));
        TRY(cedar_resolve_attrs(r, type->ns, type->written->shape, "the shape of an entity type",
                                &type->attrs));
        if (type->written->tags != NULL)
            TRY(cedar_resolve_type(r, type->ns, type->written->tags, &type->tags, &height));
        TRY(resolve_entity_parents(r, type));
        links += type->n_parents;
        TRY(check_links(r, links));
    }
    if (cedar_closure_make(&schema->arena, schema->n_entities, entity_parents, schema,
                           &schema->entity_closure) != CEDAR_OK)
        return cedar_fail_memory(r->err);
    return CEDAR_OK;
}

/* ---- actions ----------------------------------------------------------------------------- */

/* Entity types that an action applies to, each once. */
static enum cedar_status resolve_applies(struct resolver *r, const struct action_type *action,
                                         const struct schema_ref *refs,
                                         const struct entity_type ***out, uint32_t *n)
{
    const struct entity_type **types =
        CEDAR_NEW_N(&r->schema->arena, const struct entity_type *, count_refs(refs));
    const struct entity_type *type;

    *n = 0;
    r->stamp++;
    if (types == NULL)
        return cedar_fail_memory(r->err);
    for (; refs != NULL; refs = refs->next) {
        TRY(cedar_resolve_entity(r, action->ns, refs, &type));
        if (r->stamps[type->index] != r->stamp)
            types[(*n)++] = type;
        r->stamps[type->index] = r->stamp;
    }
    *out = types;
    return CEDAR_OK;
}

static const struct action_type *find_group(struct resolver *r, const struct action_type *action,
                                            const struct schema_ref *ref)
{
    struct cedar_str type = CEDAR_STR("Action"), full;
    const struct action_type *group = NULL;
    struct cedar_uid uid;

    if (ref->name != CEDAR_NO_NAME)
        type = cedar_resolver_text(r, ref->name);
    if (!cedar_is_qualified(type) &&
        cedar_join_name(r->schema->names, action->ns, type, r->name, &full)) {
        uid = cedar_uid(cedar_lookup(r->schema->names, full), ref->id);
        group = cedar_find_action(r->schema, &uid);
    }
    if (group == NULL) {
        uid = cedar_uid(cedar_lookup(r->schema->names, type), ref->id);
        group = cedar_find_action(r->schema, &uid);
    }
    return group;
}

static enum cedar_status resolve_groups(struct resolver *r, struct action_type *action)
{
    action->parents =
        CEDAR_NEW_N(&r->schema->arena, uint32_t, count_refs(action->written->parents));
    if (action->parents == NULL)
        return cedar_fail_memory(r->err);
    for (const struct schema_ref *ref = action->written->parents; ref != NULL; ref = ref->next) {
        const struct action_type *group = find_group(r, action, ref);

        if (group == NULL)
            return RESOLVE_FAIL(r, CEDAR_ERR_UNKNOWN, ref->span, "unknown action group \"%s\"",
                                ref->id);
        action->parents[action->n_parents++] = group->index;
    }
    return CEDAR_OK;
}

static const uint32_t *action_parents(const void *ctx, uint32_t node, uint32_t *n)
{
    const struct cedar_schema *schema = ctx;

    *n = schema->actions[node].n_parents;
    return schema->actions[node].parents;
}

static enum cedar_status resolve_action(struct resolver *r, struct action_type *action)
{
    const struct schema_action *written = action->written;

    TRY(resolve_applies(r, action, written->principals, &action->principals,
                        &action->n_principals));
    TRY(resolve_applies(r, action, written->resources, &action->resources, &action->n_resources));
    TRY(cedar_resolve_attrs(r, action->ns, written->context, "the context of an action",
                            &action->context));
    return resolve_groups(r, action);
}

static enum cedar_status close_actions(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;

    if (cedar_closure_make(&schema->arena, schema->n_actions, action_parents, schema,
                           &schema->action_closure) != CEDAR_OK)
        return cedar_fail_memory(r->err);
    for (uint32_t i = 0; i < schema->n_actions; i++) {
        if (cedar_closure_has(&schema->action_closure, i, i))
            return RESOLVE_FAIL(r, CEDAR_ERR_CYCLE, schema->actions[i].written->span,
                                "action \"%s\" is in itself", schema->actions[i].uid.id);
    }
    return CEDAR_OK;
}

static enum cedar_status make_action_entities(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;

    schema->as_entities = CEDAR_NEW_N(&schema->arena, struct cedar_entity, schema->n_actions);
    if (schema->as_entities == NULL)
        return cedar_fail_memory(r->err);
    for (uint32_t i = 0; i < schema->n_actions; i++) {
        const struct action_type *action = &schema->actions[i];
        struct cedar_uid *parents =
            CEDAR_NEW_N(&schema->arena, struct cedar_uid, action->n_parents);

        if (parents == NULL)
            return cedar_fail_memory(r->err);
        for (uint32_t k = 0; k < action->n_parents; k++)
            parents[k] = schema->actions[action->parents[k]].uid;
        schema->as_entities[i] = (struct cedar_entity){
            .uid = action->uid, .parents = parents, .n_parents = action->n_parents};
    }
    return CEDAR_OK;
}

enum cedar_status cedar_resolve_actions(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;
    uint64_t links = 0, environments = 0;

    for (uint32_t i = 0; i < schema->n_actions; i++) {
        struct action_type *action = &schema->actions[i];

        TRY(resolve_action(r, action));
        links += action->n_parents;
        TRY(check_links(r, (uint32_t)links));
        environments += (uint64_t)action->n_principals * action->n_resources;
        if (environments > CEDAR_MAX_REQUESTS)
            return cedar_fail(
                r->err, CEDAR_ERR_LIMIT, schema->fragment.source, action->written->span,
                "more than %u combinations of principal type, action and resource type",
                CEDAR_MAX_REQUESTS);
    }
    TRY(close_actions(r));
    return make_action_entities(r);
}
