/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type.h - types as a schema declares them, and what the JSON loader asks of a schema.
 */
#ifndef CEDAR_TYPE_H
#define CEDAR_TYPE_H

#include "arena.h"

enum cedar_type_kind {
    TYPE_BOOL,
    TYPE_LONG,
    TYPE_STRING,
    TYPE_ENTITY, /* entity: the type's name */
    TYPE_SET,    /* element */
    TYPE_RECORD, /* attrs */
    TYPE_IPADDR,
    TYPE_DECIMAL,
    TYPE_DATETIME,
    TYPE_DURATION,
};

struct cedar_type;

struct cedar_attr_type {
    cedar_name name;
    bool required;
    const struct cedar_type *type;
};

struct cedar_type {
    enum cedar_type_kind kind;
    cedar_name entity;
    const struct cedar_type *element;
    const struct cedar_attr_type *attrs;
    uint32_t n_attrs;
};

/* The declared type of an attribute of a record type; NULL if it declares none. */
const struct cedar_type *cedar_type_attr(const struct cedar_type *record, cedar_name attr);

/* The record type of an entity type's attributes, or NULL if the schema has no such type. */
const struct cedar_type *cedar_schema_entity_attrs(const struct cedar_schema *schema,
                                                   cedar_name type);
/* The type of its tags; NULL if it has none. */
const struct cedar_type *cedar_schema_entity_tags(const struct cedar_schema *schema,
                                                  cedar_name type);
/* The record type of an action's context, or NULL if the schema has no such action. */
const struct cedar_type *cedar_schema_context(const struct cedar_schema *schema,
                                              const struct cedar_uid *action);
/*
 * The schema's actions as entities: parents are the direct groups. The array belongs to the
 * schema.
 */
const struct cedar_entity *cedar_schema_actions(const struct cedar_schema *schema, size_t *n);

#endif
