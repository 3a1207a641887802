/* SPDX-License-Identifier: Apache-2.0 */
#include "type.h"

#include <stdlib.h>

enum { SHOWN_ATTRS = 4, SHOWN_DEPTH = 3 };

const struct cedar_attr_type *cedar_type_find(const struct cedar_type *record, cedar_name attr)
{
    uint32_t low = 0, high = record->n_attrs;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (record->attrs[middle].name == attr)
            return &record->attrs[middle];
        if (record->attrs[middle].name < attr)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct cedar_type *cedar_type_attr(const struct cedar_type *record, cedar_name attr)
{
    const struct cedar_attr_type *found = cedar_type_find(record, attr);

    return found != NULL ? found->type : NULL;
}

static uint32_t mix(uint32_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x9e3779b1u;
    return hash ^ (hash >> 15);
}

static bool same(const struct cedar_type *a, const struct cedar_type *b)
{
    if (a->hash != b->hash || a->kind != b->kind || a->truth != b->truth ||
        a->entity != b->entity || a->element != b->element || a->n_attrs != b->n_attrs)
        return false;
    for (uint32_t i = 0; i < a->n_attrs; i++) {
        if (a->attrs[i].name != b->attrs[i].name || a->attrs[i].type != b->attrs[i].type ||
            a->attrs[i].required != b->attrs[i].required)
            return false;
    }
    return true;
}

static const struct cedar_type *lookup(const struct cedar_types *types,
                                       const struct cedar_type *wanted)
{
    if (types->cap == 0)
        return NULL;
    for (uint32_t i = wanted->hash & (types->cap - 1);; i = (i + 1) & (types->cap - 1)) {
        if (types->slots[i] == NULL)
            return NULL;
        if (same(types->slots[i], wanted))
            return types->slots[i];
    }
}

static void place(struct cedar_types *types, const struct cedar_type *type)
{
    uint32_t i = type->hash & (types->cap - 1);

    while (types->slots[i] != NULL)
        i = (i + 1) & (types->cap - 1);
    types->slots[i] = type;
    types->len++;
}

static bool grow(struct cedar_types *types)
{
    struct cedar_types bigger = *types;

    if (types->cap >= UINT32_C(1) << 30)
        return false;
    bigger.cap = types->cap == 0 ? 16 : types->cap * 2;
    bigger.len = 0;
    bigger.slots = CEDAR_NEW_N(types->arena, const struct cedar_type *, bigger.cap);
    if (bigger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < types->cap; i++) {
        if (types->slots[i] != NULL)
            place(&bigger, types->slots[i]);
    }
    *types = bigger;
    return true;
}

/* Fills what follows from the parts: hash, depth, has_truth. */
static bool derive(struct cedar_type *type)
{
    uint32_t depth = 0;

    type->hash = mix(mix(mix(7, type->kind), type->truth), type->entity);
    type->has_truth = type->truth != TRUTH_ANY;
    if (type->element != NULL) {
        type->hash = mix(type->hash, type->element->hash);
        type->has_truth |= type->element->has_truth;
        depth = type->element->depth;
    }
    for (uint32_t i = 0; i < type->n_attrs; i++) {
        const struct cedar_attr_type *attr = &type->attrs[i];

        type->hash = mix(mix(type->hash, attr->name * 2 + attr->required), attr->type->hash);
        type->has_truth |= attr->type->has_truth;
        depth = attr->type->depth > depth ? attr->type->depth : depth;
    }
    type->depth = (uint16_t)(depth + 1);
    return depth < UINT16_MAX;
}

/* The interned type of the same content; attrs are copied if it is new. */
static const struct cedar_type *intern(struct cedar_types *types, struct cedar_type wanted)
{
    const struct cedar_type *found = NULL;
    struct cedar_type *made;
    struct cedar_attr_type *attrs;

    if (!derive(&wanted))
        return NULL;
    if (types->base != NULL)
        found = lookup(types->base, &wanted);
    if (found == NULL)
        found = lookup(types, &wanted);
    if (found != NULL)
        return found;
    if ((types->len + 1) * 2 > types->cap && !grow(types))
        return NULL;
    made = CEDAR_NEW(types->arena, struct cedar_type);
    attrs = CEDAR_NEW_N(types->arena, struct cedar_attr_type, wanted.n_attrs);
    if (made == NULL || attrs == NULL)
        return NULL;
    if (wanted.n_attrs > 0)
        memcpy(attrs, wanted.attrs, wanted.n_attrs * sizeof(*attrs));
    *made = wanted;
    made->attrs = attrs;
    place(types, made);
    return made;
}

const struct cedar_type *cedar_type_plain(struct cedar_types *types, enum cedar_type_kind kind)
{
    return intern(types, (struct cedar_type){.kind = kind});
}

const struct cedar_type *cedar_type_bool(struct cedar_types *types, enum cedar_truth truth)
{
    return intern(types, (struct cedar_type){.kind = TYPE_BOOL, .truth = (uint8_t)truth});
}

const struct cedar_type *cedar_type_entity(struct cedar_types *types, cedar_name name)
{
    return intern(types, (struct cedar_type){.kind = TYPE_ENTITY, .entity = name});
}

const struct cedar_type *cedar_type_set(struct cedar_types *types, const struct cedar_type *element)
{
    return intern(types, (struct cedar_type){.kind = TYPE_SET, .element = element});
}

static int by_name(const void *a, const void *b)
{
    cedar_name left = ((const struct cedar_attr_type *)a)->name;
    cedar_name right = ((const struct cedar_attr_type *)b)->name;

    return left < right ? -1 : left > right;
}

const struct cedar_type *cedar_type_record(struct cedar_types *types, struct cedar_attr_type *attrs,
                                           uint32_t n)
{
    if (n > 1)
        qsort(attrs, n, sizeof(*attrs), by_name);
    return intern(types, (struct cedar_type){.kind = TYPE_RECORD, .attrs = attrs, .n_attrs = n});
}

/* Both are records. */
static enum cedar_status lub_record(struct cedar_types *types, const struct cedar_type *a,
                                    const struct cedar_type *b, const struct cedar_type **out)
{
    struct cedar_attr_type *attrs;

    if (a->n_attrs != b->n_attrs)
        return CEDAR_OK;
    attrs = CEDAR_NEW_N(types->arena, struct cedar_attr_type, a->n_attrs);
    if (attrs == NULL)
        return CEDAR_ERR_MEMORY;
    for (uint32_t i = 0; i < a->n_attrs; i++) {
        enum cedar_status status;

        if (a->attrs[i].name != b->attrs[i].name || a->attrs[i].required != b->attrs[i].required)
            return CEDAR_OK;
        attrs[i] = a->attrs[i];
        status = cedar_type_lub(types, a->attrs[i].type, b->attrs[i].type, &attrs[i].type);
        if (status != CEDAR_OK || attrs[i].type == NULL)
            return status;
    }
    *out = cedar_type_record(types, attrs, a->n_attrs);
    return *out != NULL ? CEDAR_OK : CEDAR_ERR_MEMORY;
}

enum cedar_status cedar_type_lub(struct cedar_types *types, const struct cedar_type *a,
                                 const struct cedar_type *b, const struct cedar_type **out)
{
    const struct cedar_type *element;
    enum cedar_status status;

    *out = NULL;
    if (a == b) {
        *out = a;
        return CEDAR_OK;
    }
    /* Interned types without a Bool of known value have nothing in which they may differ. */
    if (a->kind != b->kind || (!a->has_truth && !b->has_truth))
        return CEDAR_OK;
    if (a->kind == TYPE_BOOL) {
        *out = cedar_type_bool(types, TRUTH_ANY);
    } else if (a->kind == TYPE_SET) {
        status = cedar_type_lub(types, a->element, b->element, &element);
        if (status != CEDAR_OK || element == NULL)
            return status;
        *out = cedar_type_set(types, element);
    } else if (a->kind == TYPE_RECORD) {
        return lub_record(types, a, b, out);
    } else {
        return CEDAR_OK;
    }
    return *out != NULL ? CEDAR_OK : CEDAR_ERR_MEMORY;
}

static void print_depth(struct cedar_buf *buf, const struct cedar_names *names,
                        const struct cedar_type *type, int depth);

static void print_record(struct cedar_buf *buf, const struct cedar_names *names,
                         const struct cedar_type *type, int depth)
{
    cedar_buf_printf(buf, "{");
    for (uint32_t i = 0; i < type->n_attrs; i++) {
        const struct cedar_attr_type *attr = &type->attrs[i];

        if (i == SHOWN_ATTRS || depth >= SHOWN_DEPTH) {
            cedar_buf_printf(buf, "%s...", i > 0 ? ", " : "");
            break;
        }
        cedar_buf_printf(buf, "%s%s%s: ", i > 0 ? ", " : "",
                         cedar_show(cedar_name_str(names, attr->name)).text,
                         attr->required ? "" : "?");
        print_depth(buf, names, attr->type, depth + 1);
    }
    cedar_buf_printf(buf, "}");
}

static void print_depth(struct cedar_buf *buf, const struct cedar_names *names,
                        const struct cedar_type *type, int depth)
{
    static const char *const plain[] = {
        [TYPE_LONG] = "Long",       [TYPE_STRING] = "String",     [TYPE_IPADDR] = "ipaddr",
        [TYPE_DECIMAL] = "decimal", [TYPE_DATETIME] = "datetime", [TYPE_DURATION] = "duration",
    };
    static const char *const truths[] = {
        [TRUTH_ANY] = "Bool", [TRUTH_TRUE] = "true", [TRUTH_FALSE] = "false"};

    if (type->kind == TYPE_BOOL) {
        cedar_buf_printf(buf, "%s", truths[type->truth]);
    } else if (type->kind == TYPE_ENTITY) {
        cedar_buf_printf(buf, "%s", cedar_show(cedar_name_str(names, type->entity)).text);
    } else if (type->kind == TYPE_RECORD) {
        print_record(buf, names, type, depth);
    } else if (type->kind == TYPE_SET) {
        cedar_buf_printf(buf, "Set<");
        if (depth >= SHOWN_DEPTH)
            cedar_buf_printf(buf, "...");
        else
            print_depth(buf, names, type->element, depth + 1);
        cedar_buf_printf(buf, ">");
    } else {
        cedar_buf_printf(buf, "%s", plain[type->kind]);
    }
}

void cedar_type_print(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_type *type)
{
    print_depth(buf, names, type, 0);
}
