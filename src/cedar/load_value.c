/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values from JSON.
 */
#include "ext.h"
#include "load.h"
#include "names.h"
#include "parse_help.h"
#include "value.h"

#include <stdlib.h>

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
        return load_expected(l, json, "a type's name in a string");
    if (!cedar_is_path(json->string))
        return load_wrong(l, json, "this is no type's name");
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
    cedar_name type = CEDAR_NO_NAME;

    if (!is_type_and_id(json))
        return load_expected(l, json, "an entity: {\"type\": .., \"id\": ..}, both strings");
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
        return load_wrong(l, json, "this is no ip address or range");
    *out = cedar_ipaddr(ip);
    return CEDAR_OK;
}

/* An extension value from the text of its constructor. */
static enum cedar_status read_extension(struct cedar_loader *l, enum cedar_call call,
                                        const struct cedar_json *json, struct cedar_value *out)
{
    int64_t n;

    if (json->kind != JSON_STRING)
        return load_expected(l, json, "the value in a string");
    switch ((int)call) {
    case CALL_IP:
        return read_ip(l, json, out);
    case CALL_DECIMAL:
        if (!cedar_decimal_read(json->string, &n))
            return load_wrong(l, json, "this is no decimal: digits, a point, one to four digits");
        *out = cedar_scaled(CEDAR_DECIMAL, n);
        return CEDAR_OK;
    case CALL_DATETIME:
        if (!cedar_datetime_read(json->string, &n))
            return load_wrong(l, json,
                              "this is no datetime, as 2024-10-15 or 2024-10-15T11:35:00Z");
        *out = cedar_scaled(CEDAR_DATETIME, n);
        return CEDAR_OK;
    default:
        if (!cedar_duration_read(json->string, &n))
            return load_wrong(l, json, "this is no duration, as 1d2h3m4s5ms");
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
    struct cedar_value a = {0}, b = {0};
    int64_t sum;

    if (args == NULL || args->kind != JSON_ARRAY || args->n != 2)
        return load_wrong(l, json, "`offset` takes \"args\": a datetime and a duration");
    TRY(cedar_load_value(l, &args->items[0], &datetime, &a));
    TRY(cedar_load_value(l, &args->items[1], &duration, &b));
    if (a.kind != CEDAR_DATETIME || b.kind != CEDAR_DURATION)
        return load_wrong(l, json, "`offset` takes \"args\": a datetime and a duration");
    if (__builtin_add_overflow(a.integer, b.integer, &sum))
        return load_wrong(l, json, "this datetime does not fit 64 bits");
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
        return load_expected(l, json, "an extension value: {\"fn\": .., \"arg\": ..}");
    if (cedar_str_eq(fn->string, CEDAR_STR("offset")))
        return load_offset(l, json, out);
    call = cedar_call_find(fn->string, false);
    if (call == CALL_COUNT)
        return load_wrong(l, fn,
                          "no such function; there are ip, decimal, datetime, duration, offset");
    if (arg == NULL) {
        if (args->kind != JSON_ARRAY || args->n != 1)
            return load_wrong(l, args, "this function takes one argument");
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
    cedar_set_sort(out, items);
    return CEDAR_OK;
}

static int compare_fields(const void *left, const void *right)
{
    const struct cedar_field *a = left, *b = right;

    return a->name < b->name ? -1 : a->name > b->name;
}

void cedar_sort_fields(struct cedar_field *fields, uint32_t n)
{
    if (n > 1)
        qsort(fields, n, sizeof(*fields), compare_fields);
}

enum cedar_status cedar_load_fields(struct cedar_loader *l, const struct cedar_json *json,
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
    cedar_sort_fields(fields, json->n);
    *out = cedar_record(fields, json->n);
    return CEDAR_OK;
}

static enum cedar_status load_object(struct cedar_loader *l, const struct cedar_json *json,
                                     const struct cedar_type *type, struct cedar_value *out)
{
    const struct cedar_json *entity = cedar_json_get(json, "__entity");
    const struct cedar_json *call = cedar_json_get(json, "__extn");

    if ((entity != NULL || call != NULL) && json->n != 1)
        return load_wrong(l, json, "an escape stands alone in its object");
    if (cedar_json_get(json, "__expr") != NULL)
        return load_wrong(l, json, "`__expr` is no longer part of the format");
    if (entity != NULL)
        return load_entity(l, entity, out);
    if (call != NULL)
        return load_call(l, call, out);
    if (type != NULL && type->kind == TYPE_ENTITY && is_type_and_id(json))
        return load_entity(l, json, out);
    if (type != NULL && type->kind >= TYPE_IPADDR && is_call(json))
        return load_call(l, json, out);
    return cedar_load_fields(l, json, type, out);
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
    return load_expected(l, json, "a boolean, a 64-bit integer, a string, an array or an object");
}
