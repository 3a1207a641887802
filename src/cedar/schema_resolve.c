/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was written to what it means. Names resolve as RFC 24 and RFC 70 of Cedar say: an
 * unqualified name stands for a declaration of its own namespace, else for one of the empty
 * namespace, where the built-in types stand too unless they are declared anew; a common type
 * goes before an entity type of the same name.
 */
#include "schema.h"
#include "suggest.h"
#include "text.h"

#include <stdlib.h>

enum { MAX_NAME = 4096, MAX_PATH = 2 * MAX_NAME + 2 };

#define TRY(call)                               \
    do {                                        \
        enum cedar_status try_status_ = (call); \
        if (try_status_ != CEDAR_OK)            \
            return try_status_;                 \
    } while (0)

enum common_state { COMMON_NEW, COMMON_BUSY, COMMON_DONE };

struct common_type {
    const struct schema_common *written; /* NULL for a built-in */
    const struct schema_namespace *ns;
    enum common_state state;
    uint32_t height; /* levels of types and common types under it, itself included */
    const struct cedar_type *type;
};

/* What a name may stand for. */
enum { MEANS_COMMON = 1, MEANS_ENTITY = 2 };

struct resolver {
    struct cedar_schema *schema;
    struct cedar_error *err;
    uint32_t depth;
    uint32_t n_commons;
    uint32_t *stamps; /* by entity type: the last list that it stood in */
    uint32_t stamp;
    char name[MAX_PATH];
};

/* Fails with a message about one name, which stands for %s in the format. */
#define fail(r, status, span, format, name)                                      \
    cedar_fail((r)->err, (status), (r)->schema->fragment.source, (span), format, \
               cedar_show(name).text)

static struct cedar_str text_of(const struct resolver *r, cedar_name name)
{
    return cedar_name_str(r->schema->names, name);
}

/* "Ns::Name" in buf; false if it would be too long. */
static bool join_name(const struct cedar_names *names, const struct schema_namespace *ns,
                      struct cedar_str name, char buf[MAX_PATH], struct cedar_str *out)
{
    struct cedar_str prefix = cedar_name_str(names, ns->name);

    if (prefix.len > MAX_NAME || name.len > MAX_NAME)
        return false;
    if (prefix.len == 0) {
        *out = name;
        return true;
    }
    memcpy(buf, prefix.ptr, prefix.len);
    memcpy(buf + prefix.len, "::", 2);
    memcpy(buf + prefix.len + 2, name.ptr, name.len);
    *out = (struct cedar_str){buf, prefix.len + 2 + name.len};
    return true;
}

static bool qualify(struct resolver *r, const struct schema_namespace *ns, struct cedar_str name,
                    struct cedar_str *out)
{
    return join_name(r->schema->names, ns, name, r->name, out);
}

static enum cedar_status declare_name(struct resolver *r, const struct schema_namespace *ns,
                                      struct cedar_str name, struct cedar_span span,
                                      cedar_name *out)
{
    struct cedar_str full;

    if (!qualify(r, ns, name, &full))
        return fail(r, CEDAR_ERR_LIMIT, span, "the name `%s` is too long", name);
    *out = cedar_intern(r->schema->names, full);
    return *out != CEDAR_NO_NAME ? CEDAR_OK : cedar_fail_memory(r->err);
}

/* ---- collecting the declarations -------------------------------------------------------- */

static enum cedar_status declare_common(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_common *written)
{
    struct common_type *common = CEDAR_NEW(&r->schema->arena, struct common_type);
    cedar_name full;

    if (common == NULL)
        return cedar_fail_memory(r->err);
    if (++r->n_commons > SCHEMA_MAX_ENTITY_TYPES)
        return fail(r, CEDAR_ERR_LIMIT, written->span, "too many common types at `%s`",
                    text_of(r, written->name));
    TRY(declare_name(r, ns, text_of(r, written->name), written->span, &full));
    if (cedar_name_map_get(&r->schema->common_map, full) != NULL)
        return fail(r, CEDAR_ERR_CONFLICT, written->span, "common type `%s` is declared twice",
                    text_of(r, full));
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
    if (cedar_str_eq(text_of(r, written->name), CEDAR_STR("Action")))
        return fail(r, CEDAR_ERR_CONFLICT, written->span,
                    "`%s` is the type of actions and cannot be declared", CEDAR_STR("Action"));
    TRY(declare_name(r, ns, text_of(r, written->name), written->span, &type->name));
    if (cedar_find_entity_type(schema, type->name) != NULL)
        return fail(r, CEDAR_ERR_CONFLICT, written->span, "entity type `%s` is declared twice",
                    text_of(r, type->name));
    return cedar_name_map_put(&schema->entity_map, type->name, type) ? CEDAR_OK
                                                                     : cedar_fail_memory(r->err);
}

static enum cedar_status declare_action(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_action *written)
{
    struct cedar_schema *schema = r->schema;
    struct action_type *action = &schema->actions[schema->n_actions];
    uint32_t slot;
    cedar_name type;

    TRY(declare_name(r, ns, CEDAR_STR("Action"), written->span, &type));
    action->written = written;
    action->ns = ns;
    action->uid = cedar_uid(type, written->id);
    action->index = schema->n_actions++;
    if (cedar_find_action(schema, &action->uid) != NULL)
        return fail(r, CEDAR_ERR_CONFLICT, written->span, "action \"%s\" is declared twice",
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
    if (entities > SCHEMA_MAX_ENTITY_TYPES || actions > SCHEMA_MAX_ACTIONS)
        return cedar_fail(
            r->err, CEDAR_ERR_LIMIT, (struct cedar_str){"", 0}, (struct cedar_span){0, 0},
            "%u entity types and %u actions: more than %u of a kind are not supported", entities,
            actions, SCHEMA_MAX_ENTITY_TYPES);
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
    return fail(r, CEDAR_ERR_CONFLICT, span,
                "`%s` is declared in the empty namespace too, which would be ambiguous",
                text_of(r, base));
}

static enum cedar_status check_action_shadow(struct resolver *r, const struct schema_action *action)
{
    struct cedar_uid plain =
        cedar_uid(cedar_lookup(r->schema->names, CEDAR_STR("Action")), action->id);

    if (plain.type == CEDAR_NO_NAME || cedar_find_action(r->schema, &plain) == NULL)
        return CEDAR_OK;
    return fail(r, CEDAR_ERR_CONFLICT, action->span,
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

/* ---- names ------------------------------------------------------------------------------- */

static bool is_qualified(struct cedar_str name)
{
    return name.len > 0 && memchr(name.ptr, ':', name.len) != NULL;
}

/* What the full name stands for, among the meanings that are wanted. */
static bool means(const struct cedar_schema *schema, cedar_name full, int wanted,
                  struct common_type **common)
{
    *common = NULL;
    if (full == CEDAR_NO_NAME)
        return false;
    if ((wanted & MEANS_COMMON) != 0)
        *common = cedar_name_map_get(&schema->common_map, full);
    return *common != NULL || ((wanted & MEANS_ENTITY) != 0 &&
                               (cedar_find_entity_type(schema, full) != NULL ||
                                cedar_name_map_get(&schema->action_map, full) != NULL));
}

static enum cedar_status fail_unknown(struct resolver *r, const struct schema_namespace *ns,
                                      struct cedar_str name, struct cedar_span span, int wanted)
{
    static const char *const kinds[] = {
        [MEANS_COMMON] = "common type",
        [MEANS_ENTITY] = "entity type",
        [MEANS_COMMON | MEANS_ENTITY] = "type",
    };
    struct cedar_suggestion guess;

    cedar_suggest_begin(&guess, r->schema->names, name);
    for (uint32_t i = 0; (wanted & MEANS_ENTITY) != 0 && i < r->schema->n_entities; i++) {
        const struct entity_type *type = &r->schema->entities[i];

        cedar_suggest_name(&guess, type->ns == ns ? type->written->name : type->name);
    }
    for (uint32_t i = 0; (wanted & MEANS_COMMON) != 0 && i < r->schema->common_map.cap; i++)
        cedar_suggest_name(&guess, r->schema->common_map.slots[i].name);
    return cedar_fail(r->err, CEDAR_ERR_UNKNOWN, r->schema->fragment.source, span,
                      "unknown %s `%s`%s", kinds[wanted], cedar_show(name).text,
                      cedar_suggest_end(&guess));
}

/* The declaration that a name means in a namespace, by its full name; none if there is none. */
static cedar_name find_meaning(const struct cedar_schema *schema, const struct schema_namespace *ns,
                               cedar_name name, int wanted, char buf[MAX_PATH],
                               struct common_type **common)
{
    struct cedar_str text = cedar_name_str(schema->names, name), joined;
    cedar_name full;

    if (!is_qualified(text) && ns->name != CEDAR_NO_NAME &&
        join_name(schema->names, ns, text, buf, &joined)) {
        full = cedar_lookup(schema->names, joined);
        if (means(schema, full, wanted, common))
            return full;
    }
    return means(schema, name, wanted, common) ? name : CEDAR_NO_NAME;
}

/* Resolves a name; *common is NULL if it stands for an entity type, which *entity names. */
static enum cedar_status resolve_name(struct resolver *r, const struct schema_namespace *ns,
                                      cedar_name name, struct cedar_span span, int wanted,
                                      struct common_type **common, cedar_name *entity)
{
    *entity = find_meaning(r->schema, ns, name, wanted, r->name, common);
    if (*entity != CEDAR_NO_NAME)
        return CEDAR_OK;
    return fail_unknown(r, ns, text_of(r, name), span, wanted);
}

bool cedar_schema_is_plain_reference(const struct cedar_schema *schema,
                                     const struct schema_namespace *ns,
                                     const struct schema_type *reference)
{
    int wanted = reference->kind == WRITTEN_ENTITY ? MEANS_ENTITY : MEANS_COMMON;
    struct common_type *meant, *common;
    cedar_name full, plain;
    char buf[MAX_PATH];

    full = find_meaning(schema, ns, reference->name, wanted, buf, &meant);
    plain = find_meaning(schema, ns, reference->name, MEANS_COMMON | MEANS_ENTITY, buf, &common);
    return full == plain && meant == common;
}

/* An entity type that can have entities: declared, and not that of actions. */
static enum cedar_status resolve_entity(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_ref *ref,
                                        const struct entity_type **out)
{
    struct common_type *common;
    cedar_name name;

    TRY(resolve_name(r, ns, ref->name, ref->span, MEANS_ENTITY, &common, &name));
    *out = cedar_find_entity_type(r->schema, name);
    if (*out != NULL)
        return CEDAR_OK;
    return fail(r, CEDAR_ERR_UNKNOWN, ref->span,
                "`%s` is the type of actions: it cannot stand here", text_of(r, name));
}

/* ---- types ------------------------------------------------------------------------------- */

static enum cedar_status resolve_type(struct resolver *r, const struct schema_namespace *ns,
                                      const struct schema_type *written,
                                      const struct cedar_type **out, uint32_t *height);

static enum cedar_status fail_depth(struct resolver *r, struct cedar_span span)
{
    return cedar_fail(r->err, CEDAR_ERR_LIMIT, r->schema->fragment.source, span,
                      "types nested more than %d deep", CEDAR_MAX_NESTING);
}

static enum cedar_status resolve_common(struct resolver *r, struct common_type *common,
                                        struct cedar_span span)
{
    uint32_t height;

    if (common->state == COMMON_DONE)
        return CEDAR_OK;
    if (common->state == COMMON_BUSY)
        return fail(r, CEDAR_ERR_CYCLE, span, "common type `%s` is defined by itself",
                    text_of(r, common->written->name));
    common->state = COMMON_BUSY;
    TRY(resolve_type(r, common->ns, common->written->type, &common->type, &height));
    common->state = COMMON_DONE;
    common->height = height;
    return CEDAR_OK;
}

static enum cedar_status resolve_reference(struct resolver *r, const struct schema_namespace *ns,
                                           const struct schema_type *written, int wanted,
                                           const struct cedar_type **out, uint32_t *height)
{
    struct common_type *common;
    cedar_name entity;

    TRY(resolve_name(r, ns, written->name, written->span, wanted, &common, &entity));
    if (common == NULL) {
        *out = cedar_type_entity(&r->schema->types, entity);
        return *out != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
    }
    TRY(resolve_common(r, common, written->span));
    *height = common->height;
    *out = common->type;
    return CEDAR_OK;
}

static enum cedar_status resolve_extension(struct resolver *r, const struct schema_type *written,
                                           const struct cedar_type **out)
{
    struct cedar_str name = text_of(r, written->name);

    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (builtins[i].kind >= TYPE_IPADDR &&
            cedar_str_eq(name, cedar_str(builtins[i].name + PREFIX_LEN))) {
            *out = cedar_type_plain(&r->schema->types, builtins[i].kind);
            return *out != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
        }
    }
    return fail(r, CEDAR_ERR_UNKNOWN, written->span,
                "unknown extension type `%s`: ipaddr, decimal, datetime and duration exist", name);
}

static enum cedar_status resolve_record(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_type *written,
                                        const struct cedar_type **out, uint32_t *height)
{
    struct cedar_attr_type *attrs =
        CEDAR_NEW_N(&r->schema->arena, struct cedar_attr_type, written->n_attrs);
    const struct schema_attr *attr = written->attrs;
    uint32_t n = 0, part;

    if (attrs == NULL)
        return cedar_fail_memory(r->err);
    for (; attr != NULL; attr = attr->next, n++) {
        attrs[n] = (struct cedar_attr_type){.name = attr->name, .required = attr->required};
        TRY(resolve_type(r, ns, attr->type, &attrs[n].type, &part));
        *height = part > *height ? part : *height;
    }
    *out = cedar_type_record(&r->schema->types, attrs, n);
    if (*out == NULL)
        return cedar_fail_memory(r->err);
    for (uint32_t i = 1; i < n; i++) {
        if ((*out)->attrs[i].name == (*out)->attrs[i - 1].name)
            return fail(r, CEDAR_ERR_CONFLICT, written->span, "attribute `%s` is declared twice",
                        text_of(r, (*out)->attrs[i].name));
    }
    return CEDAR_OK;
}

/* *height comes in as 0 and is left as that of the parts. */
static enum cedar_status resolve_inside(struct resolver *r, const struct schema_namespace *ns,
                                        const struct schema_type *written,
                                        const struct cedar_type **out, uint32_t *height)
{
    struct cedar_types *types = &r->schema->types;

    switch (written->kind) {
    case WRITTEN_BOOL:
        *out = cedar_type_plain(types, TYPE_BOOL);
        break;
    case WRITTEN_LONG:
        *out = cedar_type_plain(types, TYPE_LONG);
        break;
    case WRITTEN_STRING:
        *out = cedar_type_plain(types, TYPE_STRING);
        break;
    case WRITTEN_SET:
        TRY(resolve_type(r, ns, written->element, out, height));
        *out = cedar_type_set(types, *out);
        break;
    case WRITTEN_RECORD:
        return resolve_record(r, ns, written, out, height);
    case WRITTEN_ENTITY:
        return resolve_reference(r, ns, written, MEANS_ENTITY, out, height);
    case WRITTEN_COMMON:
        return resolve_reference(r, ns, written, MEANS_COMMON, out, height);
    case WRITTEN_EITHER:
        return resolve_reference(r, ns, written, MEANS_COMMON | MEANS_ENTITY, out, height);
    case WRITTEN_EXTENSION:
        return resolve_extension(r, written, out);
    }
    return *out != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
}

/*
 * The height counts written levels, common types followed, so the bound does not depend on the
 * order of declaration, and it bounds the recursion too.
 */
static enum cedar_status resolve_type(struct resolver *r, const struct schema_namespace *ns,
                                      const struct schema_type *written,
                                      const struct cedar_type **out, uint32_t *height)
{
    *height = 0;
    if (r->depth >= CEDAR_MAX_NESTING)
        return fail_depth(r, written->span);
    r->depth++;
    TRY(resolve_inside(r, ns, written, out, height));
    r->depth--;
    if (++*height > CEDAR_MAX_NESTING)
        return fail_depth(r, written->span);
    return CEDAR_OK;
}

/* A shape or a context: a record, or the empty one if nothing was written. */
static enum cedar_status resolve_attrs(struct resolver *r, const struct schema_namespace *ns,
                                       const struct schema_type *written, const char *what,
                                       const struct cedar_type **out)
{
    uint32_t height;

    if (written == NULL) {
        *out = cedar_type_record(&r->schema->types, NULL, 0);
        return *out != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
    }
    TRY(resolve_type(r, ns, written, out, &height));
    if ((*out)->kind == TYPE_RECORD)
        return CEDAR_OK;
    return cedar_fail(r->err, CEDAR_ERR_TYPE, r->schema->fragment.source, written->span,
                      "%s must be a record", what);
}

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
    if (n <= SCHEMA_MAX_LINKS)
        return CEDAR_OK;
    return cedar_fail(r->err, CEDAR_ERR_LIMIT, (struct cedar_str){"", 0}, (struct cedar_span){0, 0},
                      "more than %u parents are declared in all", SCHEMA_MAX_LINKS);
}

static enum cedar_status resolve_entity_parents(struct resolver *r, struct entity_type *type)
{
    const struct entity_type *parent;

    type->parents = CEDAR_NEW_N(&r->schema->arena, uint32_t, count_refs(type->written->parents));
    if (type->parents == NULL)
        return cedar_fail_memory(r->err);
    for (const struct schema_ref *ref = type->written->parents; ref != NULL; ref = ref->next) {
        TRY(resolve_entity(r, type->ns, ref, &parent));
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

static enum cedar_status resolve_entities(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;
    uint32_t links = 0, height;

    for (uint32_t i = 0; i < schema->n_entities; i++) {
        struct entity_type *type = &schema->entities[i];

        TRY(resolve_choices(r, type));
        TRY(resolve_attrs(r, type->ns, type->written->shape, "the shape of an entity type",
                          &type->attrs));
        if (type->written->tags != NULL)
            TRY(resolve_type(r, type->ns, type->written->tags, &type->tags, &height));
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
        TRY(resolve_entity(r, action->ns, refs, &type));
        if (r->stamps[type->index] != r->stamp)
            types[(*n)++] = type;
        r->stamps[type->index] = r->stamp;
    }
    *out = types;
    return CEDAR_OK;
}

static enum cedar_status resolve_group(struct resolver *r, const struct action_type *action,
                                       const struct schema_ref *ref, const struct action_type **out)
{
    struct cedar_str type = CEDAR_STR("Action"), full;
    struct cedar_uid uid;

    if (ref->name != CEDAR_NO_NAME)
        type = text_of(r, ref->name);
    *out = NULL;
    if (!is_qualified(type) && qualify(r, action->ns, type, &full)) {
        uid = cedar_uid(cedar_lookup(r->schema->names, full), ref->id);
        *out = cedar_find_action(r->schema, &uid);
    }
    if (*out == NULL) {
        uid = cedar_uid(cedar_lookup(r->schema->names, type), ref->id);
        *out = cedar_find_action(r->schema, &uid);
    }
    if (*out == NULL)
        return fail(r, CEDAR_ERR_UNKNOWN, ref->span, "unknown action group \"%s\"", ref->id);
    return CEDAR_OK;
}

static enum cedar_status resolve_groups(struct resolver *r, struct action_type *action)
{
    const struct action_type *group;

    action->parents =
        CEDAR_NEW_N(&r->schema->arena, uint32_t, count_refs(action->written->parents));
    if (action->parents == NULL)
        return cedar_fail_memory(r->err);
    for (const struct schema_ref *ref = action->written->parents; ref != NULL; ref = ref->next) {
        TRY(resolve_group(r, action, ref, &group));
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
    TRY(resolve_attrs(r, action->ns, written->context, "the context of an action",
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
            return fail(r, CEDAR_ERR_CYCLE, schema->actions[i].written->span,
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

static enum cedar_status resolve_actions(struct resolver *r)
{
    struct cedar_schema *schema = r->schema;
    uint64_t links = 0, environments = 0;

    for (uint32_t i = 0; i < schema->n_actions; i++) {
        struct action_type *action = &schema->actions[i];

        TRY(resolve_action(r, action));
        links += action->n_parents;
        TRY(check_links(r, (uint32_t)links));
        environments += (uint64_t)action->n_principals * action->n_resources;
        if (environments > SCHEMA_MAX_ENVIRONMENTS)
            return cedar_fail(
                r->err, CEDAR_ERR_LIMIT, schema->fragment.source, action->written->span,
                "more than %u combinations of principal type, action and resource type",
                SCHEMA_MAX_ENVIRONMENTS);
    }
    TRY(close_actions(r));
    return make_action_entities(r);
}

static enum cedar_status resolve_commons(struct resolver *r)
{
    const struct cedar_name_map *map = &r->schema->common_map;

    for (uint32_t i = 0; i < map->cap; i++) {
        struct common_type *common = map->slots[i].value;

        if (common != NULL && common->written != NULL)
            TRY(resolve_common(r, common, common->written->span));
    }
    return CEDAR_OK;
}

enum cedar_status cedar_schema_resolve(struct cedar_schema *schema, struct cedar_error *err)
{
    struct resolver r = {.schema = schema, .err = err};

    TRY(declare_all(&r));
    TRY(check_shadows(&r));
    TRY(declare_builtins(&r));
    TRY(resolve_commons(&r));
    TRY(resolve_entities(&r));
    return resolve_actions(&r);
}
