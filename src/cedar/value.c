/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"
#include "ext.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>

static bool eq(const struct cedar_value *a, const struct cedar_value *b, uint32_t *budget,
               int depth);

static bool spend(uint32_t *budget)
{
    if (*budget == 0)
        return false;
    return --*budget > 0;
}

/* ---- sets in order ---------------------------------------------------------------- */

#define SORT_FROM 9 /* elements; fewer are looked through as fast */

static int compare_strs(struct cedar_str a, struct cedar_str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len > 0 ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static int compare_uids(const struct cedar_uid *a, const struct cedar_uid *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return compare_strs(a->id, b->id);
}

/* Two values of one kind that cedar_set_sort() takes. */
static int compare(const void *left, const void *right)
{
    const struct cedar_value *a = left, *b = right;

    if (a->kind == CEDAR_STRING)
        return compare_strs((struct cedar_str){a->string, a->len},
                            (struct cedar_str){b->string, b->len});
    if (a->kind == CEDAR_ENTITY)
        return compare_uids(a->uid, b->uid);
    return a->integer < b->integer ? -1 : a->integer > b->integer;
}

void cedar_set_sort(struct cedar_value *set, struct cedar_value *items)
{
    uint8_t kind = set->len >= SORT_FROM ? items[0].kind : CEDAR_SET;

    if (kind != CEDAR_STRING && kind != CEDAR_ENTITY && kind != CEDAR_LONG)
        return;
    for (uint32_t i = 1; i < set->len; i++)
        if (items[i].kind != kind)
            return;
    qsort(items, set->len, sizeof(*items), compare);
    set->sorted = 1;
}

/* ---- comparing -------------------------------------------------------------------- */

static bool contains(const struct cedar_value *set, const struct cedar_value *item,
                     uint32_t *budget, int depth)
{
    if (set->sorted) {
        *budget -= *budget > 8 ? 8 : *budget;
        return spend(budget) && set->items[0].kind == item->kind &&
               bsearch(item, set->items, set->len, sizeof(*item), compare) != NULL;
    }
    for (uint32_t i = 0; i < set->len; i++) {
        if (!spend(budget))
            return false;
        if (set->items[i].kind == item->kind && eq(&set->items[i], item, budget, depth))
            return true;
    }
    return false;
}

static bool contains_all(const struct cedar_value *set, const struct cedar_value *items,
                         uint32_t *budget, int depth)
{
    for (uint32_t i = 0; i < items->len; i++)
        if (!contains(set, &items->items[i], budget, depth))
            return false;
    return true;
}

static bool records_eq(const struct cedar_value *a, const struct cedar_value *b, uint32_t *budget,
                       int depth)
{
    if (a->len != b->len)
        return false;
    for (uint32_t i = 0; i < a->len; i++) {
        /* records made alike hold their fields in one order */
        const struct cedar_value *other =
            b->fields[i].name == a->fields[i].name
                ? &b->fields[i].value
                : cedar_field_find(b->fields, b->len, a->fields[i].name);

        *budget -= *budget > b->len / 64 ? b->len / 64 : *budget;
        if (!spend(budget) || other == NULL || !eq(&a->fields[i].value, other, budget, depth))
            return false;
    }
    return true;
}

static bool eq(const struct cedar_value *a, const struct cedar_value *b, uint32_t *budget,
               int depth)
{
    if (a->kind != b->kind)
        return false;
    switch ((enum cedar_kind)a->kind) {
    case CEDAR_BOOL:
        return a->boolean == b->boolean;
    case CEDAR_LONG:
    case CEDAR_DECIMAL:
    case CEDAR_DATETIME:
    case CEDAR_DURATION:
        return a->integer == b->integer;
    case CEDAR_STRING:
        return a->len == b->len && (a->len == 0 || memcmp(a->string, b->string, a->len) == 0);
    case CEDAR_ENTITY:
        return cedar_uid_eq(a->uid, b->uid);
    case CEDAR_IPADDR:
        return cedar_ip_eq(a->ip, b->ip);
    case CEDAR_SET:
    case CEDAR_RECORD:
        break;
    }
    if (++depth > VALUE_MAX_DEPTH) {
        *budget = 0;
        return false;
    }
    if (a->kind == CEDAR_RECORD)
        return records_eq(a, b, budget, depth);
    return contains_all(a, b, budget, depth) && contains_all(b, a, budget, depth);
}

bool cedar_value_eq(const struct cedar_value *a, const struct cedar_value *b, uint32_t *budget)
{
    return eq(a, b, budget, 0);
}

bool cedar_set_contains(const struct cedar_value *set, const struct cedar_value *item,
                        uint32_t *budget)
{
    return contains(set, item, budget, 0);
}

bool cedar_set_contains_all(const struct cedar_value *set, const struct cedar_value *items,
                            uint32_t *budget)
{
    return contains_all(set, items, budget, 0);
}

bool cedar_set_contains_any(const struct cedar_value *set, const struct cedar_value *items,
                            uint32_t *budget)
{
    for (uint32_t i = 0; i < items->len; i++)
        if (contains(set, &items->items[i], budget, 0))
            return true;
    return false;
}

/* ---- copies ----------------------------------------------------------------------- */

static bool copy(struct cedar_arena *arena, const struct cedar_value *from, struct cedar_value *to,
                 int depth);

static bool copy_fields(struct cedar_arena *arena, const struct cedar_field *from, uint32_t n,
                        const struct cedar_field **to, int depth)
{
    struct cedar_field *fields = CEDAR_NEW_N(arena, struct cedar_field, n);

    if (fields == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        fields[i].name = from[i].name;
        if (!copy(arena, &from[i].value, &fields[i].value, depth))
            return false;
    }
    *to = fields;
    return true;
}

static bool copy_items(struct cedar_arena *arena, const struct cedar_value *from,
                       struct cedar_value *to, int depth)
{
    struct cedar_value *items = CEDAR_NEW_N(arena, struct cedar_value, from->len);

    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < from->len; i++)
        if (!copy(arena, &from->items[i], &items[i], depth))
            return false;
    to->items = items;
    return true;
}

static bool copy_uid(struct cedar_arena *arena, const struct cedar_uid *from,
                     struct cedar_value *to)
{
    struct cedar_uid *uid = CEDAR_NEW(arena, struct cedar_uid);

    if (uid == NULL)
        return false;
    *uid = cedar_uid(from->type, cedar_arena_str(arena, from->id));
    to->uid = uid;
    return uid->id.ptr != NULL;
}

static bool copy(struct cedar_arena *arena, const struct cedar_value *from, struct cedar_value *to,
                 int depth)
{
    struct cedar_ip *ip;

    *to = *from;
    if (++depth > VALUE_MAX_DEPTH)
        return false;
    switch ((enum cedar_kind)from->kind) {
    case CEDAR_STRING:
        to->string = cedar_arena_str(arena, (struct cedar_str){from->string, from->len}).ptr;
        return to->string != NULL;
    case CEDAR_ENTITY:
        return copy_uid(arena, from->uid, to);
    case CEDAR_SET:
        return copy_items(arena, from, to, depth);
    case CEDAR_RECORD:
        return copy_fields(arena, from->fields, from->len, &to->fields, depth);
    case CEDAR_IPADDR:
        ip = CEDAR_NEW(arena, struct cedar_ip);
        if (ip != NULL)
            *ip = *from->ip;
        to->ip = ip;
        return ip != NULL;
    case CEDAR_BOOL:
    case CEDAR_LONG:
    case CEDAR_DECIMAL:
    case CEDAR_DATETIME:
    case CEDAR_DURATION:
        break;
    }
    return true;
}

bool cedar_value_copy(struct cedar_arena *arena, const struct cedar_value *from,
                      struct cedar_value *to)
{
    return copy(arena, from, to, 0);
}

bool cedar_fields_copy(struct cedar_arena *arena, const struct cedar_field *from, uint32_t n,
                       const struct cedar_field **to)
{
    return copy_fields(arena, from, n, to, 0);
}

/* ---- text ------------------------------------------------------------------------- */

const char *cedar_kind_name(enum cedar_kind kind)
{
    static const char *const names[] = {
        [CEDAR_BOOL] = "a boolean",      [CEDAR_LONG] = "a long",
        [CEDAR_STRING] = "a string",     [CEDAR_ENTITY] = "an entity",
        [CEDAR_SET] = "a set",           [CEDAR_RECORD] = "a record",
        [CEDAR_IPADDR] = "an ipaddr",    [CEDAR_DECIMAL] = "a decimal",
        [CEDAR_DATETIME] = "a datetime", [CEDAR_DURATION] = "a duration",
    };

    return names[kind];
}

void cedar_uid_put(struct cedar_buf *buf, const struct cedar_names *names,
                   const struct cedar_uid *uid)
{
    struct cedar_str type = cedar_name_str(names, uid->type);

    cedar_buf_put(buf, type.ptr, type.len);
    cedar_buf_put(buf, "::", 2);
    cedar_quote(buf, uid->id);
}

/* name("text") of an extension value, by its own printer. */
static void put_extension(struct cedar_buf *buf, const struct cedar_value *value)
{
    switch ((int)value->kind) {
    case CEDAR_IPADDR:
        cedar_buf_printf(buf, "ip(\"");
        cedar_ip_print(buf, value->ip);
        break;
    case CEDAR_DECIMAL:
        cedar_buf_printf(buf, "decimal(\"");
        cedar_decimal_print(buf, value->integer);
        break;
    case CEDAR_DATETIME:
        cedar_buf_printf(buf, "datetime(\"");
        cedar_datetime_print(buf, value->integer);
        break;
    default:
        cedar_buf_printf(buf, "duration(\"");
        cedar_duration_print(buf, value->integer);
        break;
    }
    cedar_buf_put(buf, "\")", 2);
}

static void put_value(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_value *value, int depth);

static void put_set(struct cedar_buf *buf, const struct cedar_names *names,
                    const struct cedar_value *value, int depth)
{
    cedar_buf_put(buf, "[", 1);
    for (uint32_t i = 0; i < value->len; i++) {
        if (i > 0)
            cedar_buf_put(buf, ", ", 2);
        put_value(buf, names, &value->items[i], depth);
    }
    cedar_buf_put(buf, "]", 1);
}

static void put_record(struct cedar_buf *buf, const struct cedar_names *names,
                       const struct cedar_value *value, int depth)
{
    cedar_buf_put(buf, "{", 1);
    for (uint32_t i = 0; i < value->len; i++) {
        if (i > 0)
            cedar_buf_put(buf, ", ", 2);
        cedar_quote(buf, cedar_name_str(names, value->fields[i].name));
        cedar_buf_put(buf, ": ", 2);
        put_value(buf, names, &value->fields[i].value, depth);
    }
    cedar_buf_put(buf, "}", 1);
}

static void put_value(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_value *value, int depth)
{
    if (++depth > VALUE_MAX_DEPTH) {
        cedar_buf_put(buf, "...", 3);
        return;
    }
    switch ((enum cedar_kind)value->kind) {
    case CEDAR_BOOL:
        cedar_buf_printf(buf, "%s", value->boolean ? "true" : "false");
        break;
    case CEDAR_LONG:
        cedar_buf_printf(buf, "%" PRId64, value->integer);
        break;
    case CEDAR_STRING:
        cedar_quote(buf, (struct cedar_str){value->string, value->len});
        break;
    case CEDAR_ENTITY:
        cedar_uid_put(buf, names, value->uid);
        break;
    case CEDAR_SET:
        put_set(buf, names, value, depth);
        break;
    case CEDAR_RECORD:
        put_record(buf, names, value, depth);
        break;
    case CEDAR_IPADDR:
    case CEDAR_DECIMAL:
    case CEDAR_DATETIME:
    case CEDAR_DURATION:
        put_extension(buf, value);
        break;
    }
}

void cedar_value_put(struct cedar_buf *buf, const struct cedar_names *names,
                     const struct cedar_value *value)
{
    put_value(buf, names, value, 0);
}

size_t cedar_value_print(const struct cedar_names *names, const struct cedar_value *value,
                         char *ptr, size_t cap)
{
    struct cedar_buf buf = {ptr, cap, 0};

    cedar_value_put(&buf, names, value);
    return cedar_buf_end(&buf);
}

size_t cedar_uid_print(const struct cedar_names *names, const struct cedar_uid *uid, char *ptr,
                       size_t cap)
{
    struct cedar_buf buf = {ptr, cap, 0};

    cedar_uid_put(&buf, names, uid);
    return cedar_buf_end(&buf);
}
