/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"
#include "ext.h"
#include "names.h"
#include "parser.h"
#include "store.h"

#include <stdlib.h>

#define TRY(call)                        \
    do {                                 \
        enum cedar_status try_ = (call); \
        if (try_ != CEDAR_OK)            \
            return try_;                 \
    } while (0)

static enum cedar_status expected(struct cedar_loader *l, const struct cedar_json *json,
                                  const char *what)
{
    return cedar_fail(l->err, CEDAR_ERR_SYNTAX, l->source, json->span, "expected %s, found %s",
                      what, cedar_json_kind_name(json));
}

static enum cedar_status wrong(struct cedar_loader *l, const struct cedar_json *json,
                               const char *why)
{
    return cedar_fail(l->err, CEDAR_ERR_INVALID, l->source, json->span, "%s", why);
}

static enum cedar_status keep(struct cedar_loader *l, struct cedar_str s, struct cedar_str *out)
{
    *out = cedar_arena_str(l->arena, s);
    return out->ptr != NULL ? CEDAR_OK : cedar_fail_memory(l->err);
}

/* ---- entities' names -------------------------------------------------------------- */

enum cedar_status cedar_load_type_name(struct cedar_loader *l, const struct cedar_json *json,
                                       cedar_name *out)
{
    if (json->kind != JSON_STRING)
        return expected(l, json, "a type's name in a string");
    if (!cedar_is_path(json->string))
        return wrong(l, json, "this is no type's name");
    return cedar_intern_or_fail(l->names, json->string, out, l->err);
}

static bool is_type_and_id(const struct cedar_json *json)
{
    const struct cedar_json *type = cedar_json_get(json, "type"), *id = cedar_json_get(json, "id");

    return json->n == 2 && type != NULL && id != NULL && type->kind == JSON_STRING &&
           id->kind == JSON_STRING;
}

/* {"type", "id"} */
static enum cedar_status load_type_and_id(struct cedar_loader *l, const struct cedar_json *json,
                                          struct cedar_uid *out)
{
    struct cedar_str id;
    cedar_name type;

    if (!is_type_and_id(json))
        return expected(l, json, "an entity: {\"type\": .., \"id\": ..}, both strings");
    TRY(cedar_load_type_name(l, cedar_json_get(json, "type"), &type));
    TRY(keep(l, cedar_json_get(json, "id")->string, &id));
    *out = cedar_uid(type, id);
    return CEDAR_OK;
}

enum cedar_status cedar_load_uid(struct cedar_loader *l, const struct cedar_json *json,
                                 struct cedar_uid *out)
{
    const struct cedar_json *escape = cedar_json_get(json, "__entity");

    if (json->kind == JSON_STRING)
        return cedar_parse_uid(l->names, l->arena, json->string, out, l->err);
    return load_type_and_id(l, escape != NULL && json->n == 1 ? escape : json, out);
}

/* ---- values ----------------------------------------------------------------------- */

static enum cedar_status load_entity(struct cedar_loader *l, const struct cedar_json *json,
                                     struct cedar_value *out)
{
    struct cedar_uid *uid = CEDAR_NEW(l->arena, struct cedar_uid);

    if (uid == NULL)
        return cedar_fail_memory(l->err);
    *out = cedar_entity(uid);
    return load_type_and_id(l, json, uid);
}

static enum cedar_status read_ip(struct cedar_loader *l, const struct cedar_json *json,
                                 struct cedar_value *out)
{
    struct cedar_ip *ip = CEDAR_NEW(l->arena, struct cedar_ip);

    if (ip == NULL)
        return cedar_fail_memory(l->err);
    if (!cedar_ip_read(json->string, ip))
        return wrong(l, json, "this is no ip address or range");
    *out = cedar_ipaddr(ip);
    return CEDAR_OK;
}

/* An extension value from the text of its constructor. */
static enum cedar_status read_extension(struct cedar_loader *l, enum cedar_call call,
                                        const struct cedar_json *json, struct cedar_value *out)
{
    int64_t n;

    if (json->kind != JSON_STRING)
        return expected(l, json, "the value in a string");
    switch ((int)call) {
    case CALL_IP:
        return read_ip(l, json, out);
    case CALL_DECIMAL:
        if (!cedar_decimal_read(json->string, &n))
            return wrong(l, json, "this is no decimal: digits, a point, one to four digits");
        *out = cedar_scaled(CEDAR_DECIMAL, n);
        return CEDAR_OK;
    case CALL_DATETIME:
        if (!cedar_datetime_read(json->string, &n))
            return wrong(l, json, "this is no datetime, as 2024-10-15 or 2024-10-15T11:35:00Z");
        *out = cedar_scaled(CEDAR_DATETIME, n);
        return CEDAR_OK;
    default:
        if (!cedar_duration_read(json->string, &n))
            return wrong(l, json, "this is no duration, as 1d2h3m4s5ms");
        *out = cedar_scaled(CEDAR_DURATION, n);
        return CEDAR_OK;
    }
}

/* {"fn": "offset", "args": [datetime, duration]}: how a datetime without text is written. */
static enum cedar_status load_offset(struct cedar_loader *l, const struct cedar_json *json,
                                     struct cedar_value *out)
{
    static const struct cedar_type datetime = {.kind = TYPE_DATETIME};
    static const struct cedar_type duration = {.kind = TYPE_DURATION};
    const struct cedar_json *args = cedar_json_get(json, "args");
    struct cedar_value a, b;
    int64_t sum;

    if (args == NULL || args->kind != JSON_ARRAY || args->n != 2)
        return wrong(l, json, "`offset` takes \"args\": a datetime and a duration");
    TRY(cedar_load_value(l, &args->items[0], &datetime, &a));
    TRY(cedar_load_value(l, &args->items[1], &duration, &b));
    if (a.kind != CEDAR_DATETIME || b.kind != CEDAR_DURATION)
        return wrong(l, json, "`offset` takes \"args\": a datetime and a duration");
    if (__builtin_add_overflow(a.integer, b.integer, &sum))
        return wrong(l, json, "this datetime does not fit 64 bits");
    *out = cedar_scaled(CEDAR_DATETIME, sum);
    return CEDAR_OK;
}

static bool is_call(const struct cedar_json *json)
{
    const struct cedar_json *fn = cedar_json_get(json, "fn");

    return json->n == 2 && fn != NULL && fn->kind == JSON_STRING &&
           (cedar_json_get(json, "arg") != NULL || cedar_json_get(json, "args") != NULL);
}

/* {"fn", "arg"}, or "args" with one */
static enum cedar_status load_call(struct cedar_loader *l, const struct cedar_json *json,
                                   struct cedar_value *out)
{
    const struct cedar_json *fn = cedar_json_get(json, "fn"), *arg = cedar_json_get(json, "arg");
    const struct cedar_json *args = cedar_json_get(json, "args");
    enum cedar_call call;

    if (!is_call(json))
        return expected(l, json, "an extension value: {\"fn\": .., \"arg\": ..}");
    if (cedar_str_eq(fn->string, CEDAR_STR("offset")))
        return load_offset(l, json, out);
    call = cedar_call_find(fn->string, false);
    if (call == CALL_COUNT)
        return wrong(l, fn, "no such function; there are ip, decimal, datetime, duration, offset");
    if (arg == NULL) {
        if (args->kind != JSON_ARRAY || args->n != 1)
            return wrong(l, args, "this function takes one argument");
        arg = &args->items[0];
    }
    return read_extension(l, call, arg, out);
}

static enum cedar_status load_set(struct cedar_loader *l, const struct cedar_json *json,
                                  const struct cedar_type *element, struct cedar_value *out)
{
    struct cedar_value *items;

    if (json->n > CEDAR_MAX_ELEMENTS)
        return cedar_fail(l->err, CEDAR_ERR_LIMIT, l->source, json->span,
                          "a set of more than %d elements", CEDAR_MAX_ELEMENTS);
    items = CEDAR_NEW_N(l->arena, struct cedar_value, json->n);
    if (items == NULL)
        return cedar_fail_memory(l->err);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(cedar_load_value(l, &json->items[i], element, &items[i]));
    *out = cedar_set(items, json->n);
    return CEDAR_OK;
}

static int compare_fields(const void *left, const void *right)
{
    const struct cedar_field *a = left, *b = right;

    return a->name < b->name ? -1 : a->name > b->name;
}

/* The members of an object as fields, ascending by name. type is a record type or NULL. */
static enum cedar_status load_fields(struct cedar_loader *l, const struct cedar_json *json,
                                     const struct cedar_type *type, struct cedar_value *out)
{
    struct cedar_field *fields;

    if (json->n > CEDAR_MAX_ELEMENTS)
        return cedar_fail(l->err, CEDAR_ERR_LIMIT, l->source, json->span,
                          "a record of more than %d attributes", CEDAR_MAX_ELEMENTS);
    fields = CEDAR_NEW_N(l->arena, struct cedar_field, json->n);
    if (fields == NULL)
        return cedar_fail_memory(l->err);
    for (uint32_t i = 0; i < json->n; i++) {
        const struct cedar_json_member *m = &json->members[i];
        const struct cedar_type *t = NULL;

        TRY(cedar_intern_or_fail(l->names, m->key, &fields[i].name, l->err));
        if (type != NULL && type->kind == TYPE_RECORD)
            t = cedar_type_attr(type, fields[i].name);
        TRY(cedar_load_value(l, &m->value, t, &fields[i].value));
    }
    if (json->n > 1)
        qsort(fields, json->n, sizeof(*fields), compare_fields);
    *out = cedar_record(fields, json->n);
    return CEDAR_OK;
}

static enum cedar_status load_object(struct cedar_loader *l, const struct cedar_json *json,
                                     const struct cedar_type *type, struct cedar_value *out)
{
    const struct cedar_json *entity = cedar_json_get(json, "__entity");
    const struct cedar_json *call = cedar_json_get(json, "__extn");

    if ((entity != NULL || call != NULL) && json->n != 1)
        return wrong(l, json, "an escape stands alone in its object");
    if (cedar_json_get(json, "__expr") != NULL)
        return wrong(l, json, "`__expr` is no longer part of the format");
    if (entity != NULL)
        return load_entity(l, entity, out);
    if (call != NULL)
        return load_call(l, call, out);
    if (type != NULL && type->kind == TYPE_ENTITY && is_type_and_id(json))
        return load_entity(l, json, out);
    if (type != NULL && type->kind >= TYPE_IPADDR && is_call(json))
        return load_call(l, json, out);
    return load_fields(l, json, type, out);
}

/* A string, or the extension value that the type asks for. */
static enum cedar_status load_string(struct cedar_loader *l, const struct cedar_json *json,
                                     const struct cedar_type *type, struct cedar_value *out)
{
    static const enum cedar_call constructors[] = {
        [TYPE_IPADDR] = CALL_IP,
        [TYPE_DECIMAL] = CALL_DECIMAL,
        [TYPE_DATETIME] = CALL_DATETIME,
        [TYPE_DURATION] = CALL_DURATION,
    };
    struct cedar_str s;

    if (type != NULL && type->kind >= TYPE_IPADDR)
        return read_extension(l, constructors[type->kind], json, out);
    TRY(keep(l, json->string, &s));
    *out = cedar_string(s);
    return CEDAR_OK;
}

/* Recursion is bounded by CEDAR_MAX_NESTING, which the JSON reader enforces. */
enum cedar_status cedar_load_value(struct cedar_loader *l, const struct cedar_json *json,
                                   const struct cedar_type *type, struct cedar_value *out)
{
    switch (json->kind) {
    case JSON_BOOL:
        *out = cedar_bool(json->boolean);
        return CEDAR_OK;
    case JSON_INTEGER:
        *out = cedar_long(json->integer);
        return CEDAR_OK;
    case JSON_STRING:
        return load_string(l, json, type, out);
    case JSON_ARRAY:
        return load_set(l, json, type != NULL && type->kind == TYPE_SET ? type->element : NULL,
                        out);
    case JSON_OBJECT:
        return load_object(l, json, type, out);
    case JSON_NULL:
    case JSON_REAL:
        break;
    }
    return expected(l, json, "a boolean, a 64-bit integer, a string, an array or an object");
}

/* ---- entities --------------------------------------------------------------------- */

static enum cedar_status load_parents(struct cedar_loader *l, const struct cedar_json *json,
                                      struct cedar_entity *out)
{
    struct cedar_uid *parents;

    if (json->kind != JSON_ARRAY)
        return expected(l, json, "an array of parents");
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
        return expected(l, json, "an object of tags");
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
    if (json->n > 1)
        qsort(tags, json->n, sizeof(*tags), compare_fields);
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
        return expected(l, json, "an entity: an object with \"uid\", \"attrs\", \"parents\"");
    TRY(check_members(l, json));
    if (uid == NULL)
        return wrong(l, json, "this entity has no \"uid\"");
    TRY(cedar_load_uid(l, uid, &out->uid));
    if (schema != NULL) {
        attr_type = cedar_schema_entity_attrs(schema, out->uid.type);
        tag_type = cedar_schema_entity_tags(schema, out->uid.type);
    }
    if (attrs != NULL) {
        if (attrs->kind != JSON_OBJECT)
            return expected(l, attrs, "an object of attributes");
        TRY(load_fields(l, attrs, attr_type, &fields));
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
        return expected(&l, json, "an array of entities");
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
        return expected(l, json, "a request: an object");
    TRY(load_part(l, json, "principal", &out->principal));
    TRY(load_part(l, json, "action", &out->action));
    TRY(load_part(l, json, "resource", &out->resource));
    if (context != NULL) {
        const struct cedar_type *type =
            schema != NULL ? cedar_schema_context(schema, &out->action) : NULL;

        if (context->kind != JSON_OBJECT)
            return expected(l, context, "an object for the context");
        TRY(load_fields(l, context, type, &fields));
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
