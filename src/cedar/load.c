/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entities and requests from JSON.
 */
#include "load.h"
#include "names.h"
#include "parse_help.h"
#include "store.h"

/* ---- entities --------------------------------------------------------------------- */

static enum cedar_status load_parents(struct cedar_loader *l, const struct cedar_json *json,
                                      struct cedar_entity *out)
{
    struct cedar_uid *parents;

    if (json->kind != JSON_ARRAY)
        return load_expected(l, json, "an array of parents");
    parents = CEDAR_NEW_N(l->arena, struct cedar_uid, json->n);
    if (parents == NULL)
        return cedar_fail_memory(l->err);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(cedar_load_uid(l, &json->items[i], &parents[i]));
    out->parents = parents;
    out->n_parents = json->n;
    return CEDAR_OK;
}

/* Tags: every one of the same type. */
static enum cedar_status load_tags(struct cedar_loader *l, const struct cedar_json *json,
                                   const struct cedar_type *type, struct cedar_entity *out)
{
    struct cedar_field *tags;

    if (json->kind != JSON_OBJECT)
        return load_expected(l, json, "an object of tags");
    if (json->n > CEDAR_MAX_ELEMENTS)
        return cedar_fail(l->err, CEDAR_ERR_LIMIT, l->source, json->span, "more than %d tags",
                          CEDAR_MAX_ELEMENTS);
    tags = CEDAR_NEW_N(l->arena, struct cedar_field, json->n);
    if (tags == NULL)
        return cedar_fail_memory(l->err);
    for (uint32_t i = 0; i < json->n; i++) {
        TRY(cedar_intern_or_fail(l->names, json->members[i].key, &tags[i].name, l->err));
        TRY(cedar_load_value(l, &json->members[i].value, type, &tags[i].value));
    }
    cedar_sort_fields(tags, json->n);
    out->tags = tags;
    out->n_tags = json->n;
    return CEDAR_OK;
}

static enum cedar_status check_members(struct cedar_loader *l, const struct cedar_json *json)
{
    static const char *const known[] = {"uid", "attrs", "parents", "tags"};

    for (uint32_t i = 0; i < json->n; i++) {
        bool found = false;

        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            found |= cedar_str_eq(json->members[i].key, cedar_str(known[k]));
        if (!found)
            return cedar_fail(l->err, CEDAR_ERR_SYNTAX, l->source, json->members[i].span,
                              "an entity has \"uid\", \"attrs\", \"parents\", \"tags\", but no "
                              "\"%s\"",
                              cedar_show(json->members[i].key).text);
    }
    return CEDAR_OK;
}

static enum cedar_status load_one(struct cedar_loader *l, const struct cedar_json *json,
                                  const struct cedar_schema *schema, struct cedar_entity *out)
{
    const struct cedar_json *uid = cedar_json_get(json, "uid");
    const struct cedar_json *attrs = cedar_json_get(json, "attrs");
    const struct cedar_json *parents = cedar_json_get(json, "parents");
    const struct cedar_json *tags = cedar_json_get(json, "tags");
    const struct cedar_type *attr_type = NULL, *tag_type = NULL;
    struct cedar_value fields;

    if (json->kind != JSON_OBJECT)
        return load_expected(l, json, "an entity: an object with \"uid\", \"attrs\", \"parents\"");
    TRY(check_members(l, json));
    if (uid == NULL)
        return load_wrong(l, json, "this entity has no \"uid\"");
    TRY(cedar_load_uid(l, uid, &out->uid));
    if (schema != NULL) {
        attr_type = cedar_schema_entity_attrs(schema, out->uid.type);
        tag_type = cedar_schema_entity_tags(schema, out->uid.type);
    }
    if (attrs != NULL) {
        if (attrs->kind != JSON_OBJECT)
            return load_expected(l, attrs, "an object of attributes");
        TRY(cedar_load_fields(l, attrs, attr_type, &fields));
        out->attrs = fields.fields;
        out->n_attrs = fields.len;
    }
    if (parents != NULL)
        TRY(load_parents(l, parents, out));
    return tags != NULL ? load_tags(l, tags, tag_type, out) : CEDAR_OK;
}

/* An action that the document brings too: it must say nothing but what the schema says. */
static enum cedar_status merge_action(struct cedar_loader *l, struct cedar_entity *brought,
                                      const struct cedar_schema *schema,
                                      const struct cedar_entity *declared)
{
    bool same = brought->n_attrs == 0 && brought->n_tags == 0;

    for (uint32_t i = 0; i < brought->n_parents && same; i++)
        same = cedar_schema_action_is_in(schema, &brought->uid, &brought->parents[i]);
    if (!same)
        return cedar_fail(l->err, CEDAR_ERR_CONFLICT, l->source, (struct cedar_span){0, 0},
                          "action \"%s\" is not as the schema declares it",
                          cedar_show(brought->uid.id).text);
    brought->parents = declared->parents;
    brought->n_parents = declared->n_parents;
    return CEDAR_OK;
}

/* The schema's actions, after the *n entities of the document, which may name them too. */
static enum cedar_status add_actions(struct cedar_loader *l, struct cedar_entity *list, size_t *n,
                                     const struct cedar_schema *schema)
{
    size_t loaded = *n, n_actions = 0;
    const struct cedar_entity *actions =
        schema != NULL ? cedar_schema_actions(schema, &n_actions) : NULL;

    for (size_t i = 0; i < n_actions; i++) {
        bool there = false;

        for (size_t k = 0; k < loaded && !there; k++) {
            there = cedar_uid_eq(&list[k].uid, &actions[i].uid);
            if (there)
                TRY(merge_action(l, &list[k], schema, &actions[i]));
        }
        if (!there)
            list[(*n)++] = actions[i];
    }
    return CEDAR_OK;
}

static enum cedar_status load_store(struct cedar_entities *store, struct cedar_str text,
                                    const struct cedar_json *json,
                                    const struct cedar_schema *schema, struct cedar_error *err)
{
    struct cedar_loader l = {store->names, &store->arena, text, err};
    struct cedar_entity *list;
    size_t n = json->n, n_actions = 0;

    if (json->kind != JSON_ARRAY)
        return load_expected(&l, json, "an array of entities");
    if (schema != NULL)
        cedar_schema_actions(schema, &n_actions);
    list = CEDAR_NEW_N(&store->arena, struct cedar_entity, json->n + n_actions);
    if (list == NULL)
        return cedar_fail_memory(err);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(load_one(&l, &json->items[i], schema, &list[i]));
    TRY(add_actions(&l, list, &n, schema));
    return cedar_store_fill(store, list, n, err);
}

enum cedar_status cedar_entities_parse(struct cedar_names *names,
                                       const struct cedar_allocator *alloc, struct cedar_str json,
                                       const struct cedar_schema *schema,
                                       struct cedar_entities **out, struct cedar_error *err)
{
    struct cedar_entities *store = cedar_store_new(names, alloc);
    struct cedar_arena scratch;
    struct cedar_json tree;
    enum cedar_status status;

    if (store == NULL)
        return cedar_fail_memory(err);
    cedar_arena_init(&scratch, alloc);
    status = cedar_json_parse(&scratch, json, CEDAR_MAX_JSON, &tree, err);
    if (status == CEDAR_OK)
        status = load_store(store, json, &tree, schema, err);
    cedar_arena_free(&scratch);
    if (status == CEDAR_OK)
        *out = store;
    else
        cedar_entities_free(store);
    return status;
}

/* ---- requests --------------------------------------------------------------------- */

static enum cedar_status load_part(struct cedar_loader *l, const struct cedar_json *json,
                                   const char *key, struct cedar_uid *out)
{
    const struct cedar_json *part = cedar_json_get(json, key);

    if (part == NULL)
        return cedar_fail(l->err, CEDAR_ERR_SYNTAX, l->source, json->span,
                          "the request has no \"%s\"", key);
    return cedar_load_uid(l, part, out);
}

enum cedar_status cedar_load_request(struct cedar_loader *l, const struct cedar_json *json,
                                     const struct cedar_schema *schema, struct cedar_request *out)
{
    const struct cedar_json *context = cedar_json_get(json, "context");
    struct cedar_value fields = cedar_record(NULL, 0);

    *out = (struct cedar_request){0};
    if (json->kind != JSON_OBJECT)
        return load_expected(l, json, "a request: an object");
    TRY(load_part(l, json, "principal", &out->principal));
    TRY(load_part(l, json, "action", &out->action));
    TRY(load_part(l, json, "resource", &out->resource));
    if (context != NULL) {
        const struct cedar_type *type =
            schema != NULL ? cedar_schema_context(schema, &out->action) : NULL;

        if (context->kind != JSON_OBJECT)
            return load_expected(l, context, "an object for the context");
        TRY(cedar_load_fields(l, context, type, &fields));
    }
    out->context = fields.fields;
    out->n_context = fields.len;
    return CEDAR_OK;
}

struct cedar_parsed_request {
    struct cedar_arena arena;
    struct cedar_names *names; /* a reference */
    struct cedar_request request;
};

enum cedar_status cedar_request_parse(struct cedar_names *names,
                                      const struct cedar_allocator *alloc, struct cedar_str json,
                                      const struct cedar_schema *schema,
                                      struct cedar_parsed_request **out, struct cedar_error *err)
{
    struct cedar_allocator a = cedar_allocator_or_default(alloc);
    struct cedar_parsed_request *parsed = a.resize(a.ctx, NULL, 0, sizeof(*parsed));
    struct cedar_loader l = {names, NULL, json, err};
    struct cedar_json tree;
    enum cedar_status status;

    if (parsed == NULL)
        return cedar_fail_memory(err);
    *parsed = (struct cedar_parsed_request){.names = cedar_names_hold(names)};
    cedar_arena_init(&parsed->arena, &a);
    l.arena = &parsed->arena;
    status = cedar_json_parse(&parsed->arena, json, CEDAR_MAX_JSON, &tree, err);
    if (status == CEDAR_OK)
        status = cedar_load_request(&l, &tree, schema, &parsed->request);
    if (status == CEDAR_OK)
        *out = parsed;
    else
        cedar_parsed_request_free(parsed);
    return status;
}

const struct cedar_request *cedar_parsed_request(const struct cedar_parsed_request *parsed)
{
    return &parsed->request;
}

void cedar_parsed_request_free(struct cedar_parsed_request *parsed)
{
    struct cedar_allocator a;

    if (parsed == NULL)
        return;
    a = parsed->arena.alloc;
    cedar_names_free(parsed->names);
    cedar_arena_free(&parsed->arena);
    a.resize(a.ctx, parsed, sizeof(*parsed), 0);
}
