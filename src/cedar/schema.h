/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - a schema as the validators see it: names qualified, types resolved, hierarchies
 * closed. Immutable once made. See cedar.h and type.h for what others ask of it.
 */
#ifndef CEDAR_SCHEMA_H
#define CEDAR_SCHEMA_H

#include "names.h"
#include "schema_ast.h"
#include "type.h"

/* Who is above whom: a square of bits, row by row. A node is above itself only in a cycle. */
struct cedar_closure {
    uint32_t n;
    uint32_t words; /* in a row */
    uint64_t *bits;
};

static inline bool cedar_closure_has(const struct cedar_closure *closure, uint32_t below,
                                     uint32_t above)
{
    return (closure->bits[(size_t)below * closure->words + above / 64] >> (above % 64) & 1) != 0;
}

struct entity_type {
    cedar_name name;
    uint32_t index;
    const struct schema_entity *written;
    const struct schema_namespace *ns;
    const struct cedar_type *attrs; /* a record */
    const struct cedar_type *tags;  /* NULL: none */
    const struct cedar_str *ids;    /* of an enumerated type, ascending; else NULL */
    uint32_t n_ids;
    uint32_t *parents; /* indices */
    uint32_t n_parents;
};

struct action_type {
    struct cedar_uid uid;
    uint32_t index;
    const struct schema_action *written;
    const struct schema_namespace *ns;
    const struct cedar_type *context; /* a record */
    const struct entity_type **principals;
    const struct entity_type **resources;
    uint32_t n_principals, n_resources;
    uint32_t *parents; /* indices */
    uint32_t n_parents;
};

struct cedar_schema {
    struct cedar_arena arena;
    struct cedar_names *names; /* a reference */
    struct schema_fragment fragment;
    struct cedar_types types;
    const struct cedar_type *bools[3];                 /* by enum cedar_truth */
    const struct cedar_type *plain[TYPE_DURATION + 1]; /* by kind; NULL for those with parts */
    struct cedar_name_map entity_map;                  /* full name to struct entity_type */
    struct cedar_name_map common_map;                  /* full name to the resolver's own */
    struct cedar_name_map action_map;                  /* name of an action entity type to itself */
    struct entity_type *entities;
    uint32_t n_entities;
    struct action_type *actions;         /* in source order */
    struct action_type **actions_by_uid; /* hash table, n_slots a power of two */
    uint32_t n_actions, n_slots;
    struct cedar_closure entity_closure, action_closure;
    struct cedar_entity *as_entities; /* the actions, for cedar_schema_actions() */
};

const struct entity_type *cedar_find_entity_type(const struct cedar_schema *schema,
                                                 cedar_name name);
const struct action_type *cedar_find_action(const struct cedar_schema *schema,
                                            const struct cedar_uid *uid);
/* Whether an entity of the first type can be in one of the second: same, or below it. */
bool cedar_type_can_be_in(const struct cedar_schema *schema, cedar_name below, cedar_name above);
/* Whether the id is one that the type allows: true for a type that is not enumerated. */
bool cedar_entity_type_has_id(const struct entity_type *type, struct cedar_str id);

/* Resolves the fragment into the rest of the schema. */
enum cedar_status cedar_schema_resolve(struct cedar_schema *schema, struct cedar_error *err);

/*
 * Whether a reference that must be an entity or a common type (as JSON can say) means the same
 * when it is written as a bare name, which may be either.
 */
bool cedar_schema_is_plain_reference(const struct cedar_schema *schema,
                                     const struct schema_namespace *ns,
                                     const struct schema_type *reference);

/* Fills closure from direct edges: parents(node)[0..n). Arena memory. */
typedef const uint32_t *cedar_parents_fn(const void *ctx, uint32_t node, uint32_t *n);
enum cedar_status cedar_closure_make(struct cedar_arena *arena, uint32_t n,
                                     cedar_parents_fn *parents, const void *ctx,
                                     struct cedar_closure *out);

#endif
