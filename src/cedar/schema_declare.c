/* SPDX-License-Identifier: Apache-2.0 */
/* The first step: what is declared, under which full name. */
#include "schema_resolve.h"

bool cedar_is_qualified(struct cedar_str name)
{
    return name.len > 0 && memchr(name.ptr, ':', name.len) != NULL;
}

bool cedar_join_name(const struct cedar_names *names, const struct schema_namespace *ns,
                     struct cedar_str name, char buf[SCHEMA_MAX_PATH], struct cedar_str *out)
{
    struct cedar_str prefix = cedar_name_str(names, ns->name);

    if (prefix.len > SCHEMA_MAX_NAME || name.len > SCHEMA_MAX_NAME)
        return false;
    if (prefix.len == 0) {
        *out = name;
        return true;
    }
    memcpy(buf, prefix.ptr, prefix.len);
    buf[prefix.len] = buf[prefix.len + 1] = ':';
    memcpy(buf + prefix.len + 2, name.ptr, name.len);
    *out = (struct cedar_str){buf, prefix.len + 2 + name.len};
    return true;
}

static enum cedar_status declare_name(struct resolver *r, const struct schema_namespace *ns,
                                      struct cedar_str name, struct cedar_span span,
                                      cedar_name *out)
{
    struct cedar_str full;

    if (!cedar_join_name(r->schema->names, ns, name, r->name, &full))
        return RESOLVE_FAIL(r, CEDAR_ERR_LIMIT, span, "the name `%s` is too long", name);
    *out = cedar_intern(r->schema->names, full);
    return *out != CEDAR_NO_NAME ? CEDAR_OK : cedar_fail_memory(r->err);
}

/* ---- collecting the declarations -------------------------------------------------------- */

static enum cedar_status declare_common(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_common *written)
{
    struct common_type *common = CEDAR_NEW(&r->schema->arena, struct common_type);
    cedar_name full = CEDAR_NO_NAME;

    if (common == NULL)
        return cedar_fail_memory(r->err);
    if (++r->n_commons > CEDAR_MAX_TYPES)
        return RESOLVE_FAIL(r, CEDAR_ERR_LIMIT, written->span, "too many common types at `%s`",
                            cedar_resolver_text(r, written->name));
    TRY(declare_name(r, ns, cedar_resolver_text(r, written->name), written->span, &full));
    if (cedar_name_map_get(&r->schema->common_map, full) != NULL)
        return RESOLVE_FAIL(r, CEDAR_ERR_CONFLICT, written->span,
                            "common type `%s` is declared twice", cedar_resolver_text(r, full));
    *common = (struct common_type){.written = written, .ns = ns};
    return cedar_name_map_put(&r->schema->common_map, full, common) ? CEDAR_OK
                                                                    : cedar_fail_memory(r->err);
}

static enum cedar_status declare_entity(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_entity *written)
{
    struct cedar_schema *schema = r->schema;
    struct entity_type *type = &schema->entities[schema->n_entities];

    type->written = written;
    type->ns = ns;
    type->index = schema->n_entities++;
    if (cedar_str_eq(cedar_resolver_text(r, written->name), CEDAR_STR("Action")))
        return RESOLVE_FAIL(r, CEDAR_ERR_CONFLICT, written->span,
                            "`%s` is the type of actions and cannot be declared",
                            CEDAR_STR("Action"));
    TRY(declare_name(r, ns, cedar_resolver_text(r, written->name), written->span, &type->name));
    if (cedar_find_entity_type(schema, type->name) != NULL)
        return RESOLVE_FAIL(r, CEDAR_ERR_CONFLICT, written->span,
                            "entity type `%s` is declared twice",
                            cedar_resolver_text(r, type->name));
    return cedar_name_map_put(&schema->entity_map, type->name, type) ? CEDAR_OK
                                                                     : cedar_fail_memory(r->err);
}

static enum cedar_status declare_action(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_action *written)
{
    struct cedar_schema *schema = r->schema;
    struct action_type *action = &schema->actions[schema->n_actions];
    cedar_name type = CEDAR_NO_NAME;
    uint32_t slot;

    TRY(declare_name(r, ns, CEDAR_STR("Action"), written->span, &type));
    action->written = written;
    action->ns = ns;
    action->uid = cedar_uid(type, written->id);
    action->index = schema->n_actions++;
    if (cedar_find_action(schema, &action->uid) != NULL)
        return RESOLVE_FAIL(r, CEDAR_ERR_CONFLICT, written->span, "action \"%s\" is declared twice",
                            written->id);
    slot = action->uid.hash & (schema->n_slots - 1);
    while (schema->actions_by_uid[slot] != NULL)
        slot = (slot + 1) & (schema->n_slots - 1);
    schema->actions_by_uid[slot] = action;
    return cedar_name_map_put(&schema->action_map, type, action) ? CEDAR_OK
                                                                 : cedar_fail_memory(r->err);
}

/* Counts the declarations and makes room for them. */
static enum cedar_status make_room(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;
    uint32_t entities = 0, actions = 0;

    for (const struct schema_namespace *ns = schema->fragment.namespaces; ns; ns = ns->next) {
        for (const struct schema_entity *e = ns->entities; e != NULL; e = e->next)
            entities++;
        for (const struct schema_action *a = ns->actions; a != NULL; a = a->next)
            actions++;
    }
    if (entities > CEDAR_MAX_TYPES || actions > CEDAR_MAX_TYPES)
        return cedar_fail(
            r->err, CEDAR_ERR_LIMIT, (struct cedar_str){"", 0}, (struct cedar_span){0, 0},
            "%u entity types and %u actions: more than %u of a kind are not supported", entities,
            actions, CEDAR_MAX_TYPES);
    for (schema->n_slots = 4; schema->n_slots < 2 * actions; schema->n_slots *= 2)
        ;
    schema->entities = CEDAR_NEW_N(&schema->arena, struct entity_type, entities);
    schema->actions = CEDAR_NEW_N(&schema->arena, struct action_type, actions);
    schema->actions_by_uid = CEDAR_NEW_N(&schema->arena, struct action_type *, schema->n_slots);
    r->stamps = CEDAR_NEW_N(&schema->arena, uint32_t, entities);
    if (schema->entities == NULL || schema->actions == NULL || schema->actions_by_uid == NULL ||
        r->stamps == NULL)
        return cedar_fail_memory(r->err);
    return CEDAR_OK;
}

static enum cedar_status declare_all(struct resolver *r)
{
    TRY(make_room(r));
    for (const struct schema_namespace *ns = r->schema->fragment.namespaces; ns; ns = ns->next) {
        for (const struct schema_common *c = ns->commons; c != NULL; c = c->next)
            TRY(declare_common(r, ns, c));
        for (const struct schema_entity *e = ns->entities; e != NULL; e = e->next)
            TRY(declare_entity(r, ns, e));
        for (const struct schema_action *a = ns->actions; a != NULL; a = a->next)
            TRY(declare_action(r, ns, a));
    }
    return CEDAR_OK;
}

/* ---- RFC 70: the empty namespace must not be shadowed ------------------------------------ */

static enum cedar_status check_type_shadow(struct resolver *r, cedar_name base,
                                           struct cedar_span span)
{
    if (cedar_find_entity_type(r->schema, base) == NULL &&
        cedar_name_map_get(&r->schema->common_map, base) == NULL)
        return CEDAR_OK;
    return RESOLVE_FAIL(r, CEDAR_ERR_CONFLICT, span,
                        "`%s` is declared in the empty namespace too, which would be ambiguous",
                        cedar_resolver_text(r, base));
}

static enum cedar_status check_action_shadow(struct resolver *r, const struct schema_action *action)
{
    struct cedar_uid plain =
        cedar_uid(cedar_lookup(r->schema->names, CEDAR_STR("Action")), action->id);

    if (plain.type == CEDAR_NO_NAME || cedar_find_action(r->schema, &plain) == NULL)
        return CEDAR_OK;
    return RESOLVE_FAIL(
        r, CEDAR_ERR_CONFLICT, action->span,
        "action \"%s\" is declared in the empty namespace too, which would be ambiguous",
        action->id);
}

static enum cedar_status check_shadows(struct resolver *r)
{
    for (const struct schema_namespace *ns = r->schema->fragment.namespaces; ns; ns = ns->next) {
        if (ns->name == CEDAR_NO_NAME)
            continue;
        for (const struct schema_common *c = ns->commons; c != NULL; c = c->next)
            TRY(check_type_shadow(r, c->name, c->span));
        for (const struct schema_entity *e = ns->entities; e != NULL; e = e->next)
            TRY(check_type_shadow(r, e->name, e->span));
        for (const struct schema_action *a = ns->actions; a != NULL; a = a->next)
            TRY(check_action_shadow(r, a));
    }
    return CEDAR_OK;
}

/* ---- built-in types ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum cedar_type_kind kind;
} builtins[] = {
    {"__cedar::Bool", TYPE_BOOL},         {"__cedar::Long", TYPE_LONG},
    {"__cedar::String", TYPE_STRING},     {"__cedar::ipaddr", TYPE_IPADDR},
    {"__cedar::decimal", TYPE_DECIMAL},   {"__cedar::datetime", TYPE_DATETIME},
    {"__cedar::duration", TYPE_DURATION},
};

enum { PREFIX_LEN = sizeof("__cedar::") - 1 };

static enum cedar_status declare_builtin(struct resolver *r, const char *name,
                                         enum cedar_type_kind kind)
{
    struct cedar_schema *schema = r->schema;
    struct common_type *common = CEDAR_NEW(&schema->arena, struct common_type);
    cedar_name full = cedar_intern(schema->names, cedar_str(name));
    cedar_name alias = cedar_intern(schema->names, cedar_str(name + PREFIX_LEN));

    if (common == NULL || full == CEDAR_NO_NAME || alias == CEDAR_NO_NAME)
        return cedar_fail_memory(r->err);
    common->state = COMMON_DONE;
    common->height = 1;
    common->type = schema->plain[kind] = cedar_type_plain(&schema->types, kind);
    if (common->type == NULL || !cedar_name_map_put(&schema->common_map, full, common))
        return cedar_fail_memory(r->err);
    if (cedar_find_entity_type(schema, alias) != NULL ||
        cedar_name_map_get(&schema->common_map, alias) != NULL)
        return CEDAR_OK;
    return cedar_name_map_put(&schema->common_map, alias, common) ? CEDAR_OK
                                                                  : cedar_fail_memory(r->err);
}

static enum cedar_status declare_builtins(struct resolver *r)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
        TRY(declare_builtin(r, builtins[i].name, builtins[i].kind));
    for (unsigned truth = TRUTH_ANY; truth <= TRUTH_FALSE; truth++) {
        r->schema->bools[truth] = cedar_type_bool(&r->schema->types, (enum cedar_truth)truth);
        if (r->schema->bools[truth] == NULL)
            return cedar_fail_memory(r->err);
    }
    return CEDAR_OK;
}

bool cedar_find_extension(struct cedar_str name, enum cedar_type_kind *kind)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (builtins[i].kind >= TYPE_IPADDR &&
            cedar_str_eq(name, cedar_str(builtins[i].name + PREFIX_LEN))) {
            *kind = builtins[i].kind;
            return true;
        }
    }
    return false;
}

enum cedar_status cedar_resolve_declarations(struct resolver *r)
{
    TRY(declare_all(r));
    TRY(check_shadows(r));
    return declare_builtins(r);
}
