/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type.h - types as a schema declares them, and what the JSON loader asks of a schema.
 *
 * Types are interned: two types of one table (and its base) are equal exactly if they are the
 * same pointer. So comparing is O(1) and a type that is used many times is stored once, however
 * often it would be written if all common types were expanded.
 */
#ifndef CEDAR_TYPE_H
#define CEDAR_TYPE_H

#include "arena.h"
#include "diag.h"

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

/* What the validator knows of a Bool; a schema declares TRUTH_ANY only. */
enum cedar_truth { TRUTH_ANY, TRUTH_TRUE, TRUTH_FALSE };

struct cedar_type;

struct cedar_attr_type {
    cedar_name name;
    bool required;
    const struct cedar_type *type;
};

struct cedar_type {
    enum cedar_type_kind kind;
    uint8_t truth;  /* enum cedar_truth, of a TYPE_BOOL */
    bool has_truth; /* it or a type in it is a Bool of known value */
    uint16_t depth; /* 1 for a type without parts */
    uint32_t hash;
    cedar_name entity;
    uint32_t n_attrs;
    const struct cedar_type *element;
    const struct cedar_attr_type *attrs; /* ascending by name */
};

/* The declared attribute of a record type; NULL if it declares none. */
const struct cedar_attr_type *cedar_type_find(const struct cedar_type *record, cedar_name attr);
/* The type of that attribute, or NULL. */
const struct cedar_type *cedar_type_attr(const struct cedar_type *record, cedar_name attr);

/* ---- making types ------------------------------------------------------------------ */

/*
 * A table of interned types in an arena. A table may stand on a base (of a schema), which must
 * outlive it and is only read.
 */
struct cedar_types {
    struct cedar_arena *arena;
    const struct cedar_types *base;
    const struct cedar_type **slots;
    uint32_t cap, len; /* cap is 0 or a power of two */
};

/* Each returns NULL without memory, or if the type would be nested beyond 65,535 levels. */
const struct cedar_type *cedar_type_plain(struct cedar_types *types, enum cedar_type_kind kind);
const struct cedar_type *cedar_type_bool(struct cedar_types *types, enum cedar_truth truth);
const struct cedar_type *cedar_type_entity(struct cedar_types *types, cedar_name name);
const struct cedar_type *cedar_type_set(struct cedar_types *types,
                                        const struct cedar_type *element);
/* Sorts attrs in place and copies it. Names must be distinct. */
const struct cedar_type *cedar_type_record(struct cedar_types *types, struct cedar_attr_type *attrs,
                                           uint32_t n);

/*
 * The least upper bound in strict mode: equal types, or types that differ in what is known of
 * their Bools. *out is NULL if there is none. Fails without memory only.
 */
enum cedar_status cedar_type_lub(struct cedar_types *types, const struct cedar_type *a,
                                 const struct cedar_type *b, const struct cedar_type **out);

/* Writes the type as a schema would, cut short after a few attributes: for messages. */
void cedar_type_print(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_type *type);

/* ---- what a schema declares --------------------------------------------------------- */

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
/* Whether the schema declares both actions, and the first in the second, directly or further. */
bool cedar_schema_action_is_in(const struct cedar_schema *schema, const struct cedar_uid *action,
                               const struct cedar_uid *group);

#endif
