/* SPDX-License-Identifier: Apache-2.0 */
/* The second step: what names mean, and the types that they make up. */
#include "schema_resolve.h"
#include "suggest.h"

/* What a name may stand for. */
enum { MEANS_COMMON = 1, MEANS_ENTITY = 2 };

/* ---- names ------------------------------------------------------------------------------- */

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
                               cedar_name name, int wanted, char buf[SCHEMA_MAX_PATH],
                               struct common_type **common)
{
    struct cedar_str text = cedar_name_str(schema->names, name), joined;
    cedar_name full;

    if (!cedar_is_qualified(text) && ns->name != CEDAR_NO_NAME &&
        cedar_join_name(schema->names, ns, text, buf, &joined)) {
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
    return fail_unknown(r, ns, cedar_resolver_text(r, name), span, wanted);
}

bool cedar_schema_is_plain_reference(const struct cedar_schema *schema,
                                     const struct schema_namespace *ns,
                                     const struct schema_type *reference)
{
    int wanted = reference->kind == WRITTEN_ENTITY ? MEANS_ENTITY : MEANS_COMMON;
    struct common_type *meant, *common;
    cedar_name full, plain;
    char buf[SCHEMA_MAX_PATH];

    full = find_meaning(schema, ns, reference->name, wanted, buf, &meant);
    plain = find_meaning(schema, ns, reference->name, MEANS_COMMON | MEANS_ENTITY, buf, &common);
    return full == plain && meant == common;
}

/* An entity type that can have entities: declared, and not that of actions. */
enum cedar_status cedar_resolve_entity(struct resolver *r, const struct schema_namespace *ns,
                                       const struct schema_ref *ref, const struct entity_type **out)
{
    struct common_type *common;
    cedar_name name;

    TRY(resolve_name(r, ns, ref->name, ref->span, MEANS_ENTITY, &common, &name));
    *out = cedar_find_entity_type(r->schema, name);
    if (*out != NULL)
        return CEDAR_OK;
    return RESOLVE_FAIL(r, CEDAR_ERR_UNKNOWN, ref->span,
                        "`%s` is the type of actions: it cannot stand here",
                        cedar_resolver_text(r, name));
}

/* ---- types ------------------------------------------------------------------------------- */

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
        return RESOLVE_FAIL(r, CEDAR_ERR_CYCLE, span, "common type `%s` is defined by itself",
                            cedar_resolver_text(r, common->written->name));
    common->state = COMMON_BUSY;
    TRY(cedar_resolve_type(r, common->ns, common->written->type, &common->type, &height));
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
    struct cedar_str name = cedar_resolver_text(r, written->name);
    enum cedar_type_kind kind;

    if (!cedar_find_extension(name, &kind))
        return RESOLVE_FAIL(
            r, CEDAR_ERR_UNKNOWN, written->span,
            "unknown extension type `%s`: ipaddr, decimal, datetime and duration exist", name);
    *out = cedar_type_plain(&r->schema->types, kind);
    return *out != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
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
        TRY(cedar_resolve_type(r, ns, attr->type, &attrs[n].type, &part));
        *height = part > *height ? part : *height;
    }
    *out = cedar_type_record(&r->schema->types, attrs, n);
    if (*out == NULL)
        return cedar_fail_memory(r->err);
    for (uint32_t i = 1; i < n; i++) {
        if ((*out)->attrs[i].name == (*out)->attrs[i - 1].name)
            return RESOLVE_FAIL(r, CEDAR_ERR_CONFLICT, written->span,
                                "attribute `%s` is declared twice",
                                cedar_resolver_text(r, (*out)->attrs[i].name));
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
        TRY(cedar_resolve_type(r, ns, written->element, out, height));
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
enum cedar_status cedar_resolve_type(struct resolver *r, const struct schema_namespace *ns,
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
enum cedar_status cedar_resolve_attrs(struct resolver *r, const struct schema_namespace *ns,
                                      const struct schema_type *written, const char *what,
                                      const struct cedar_type **out)
{
    uint32_t height;

    if (written == NULL) {
        *out = cedar_type_record(&r->schema->types, NULL, 0);
        return *out != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
    }
    TRY(cedar_resolve_type(r, ns, written, out, &height));
    if ((*out)->kind == TYPE_RECORD)
        return CEDAR_OK;
    return cedar_fail(r->err, CEDAR_ERR_TYPE, r->schema->fragment.source, written->span,
                      "%s must be a record", what);
}

enum cedar_status cedar_resolve_commons(struct resolver *r)
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

    TRY(cedar_resolve_declarations(&r));
    TRY(cedar_resolve_commons(&r));
    TRY(cedar_resolve_entities(&r));
    return cedar_resolve_actions(&r);
}
