/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_ast.h - a schema as it was written, from either format.
 *
 * Names are as written (not yet qualified), interned. Everything lives in one arena. Lists are
 * singly linked in source order. The readers check the form of a schema; what its names stand
 * for is the work of schema_resolve.
 *
 * Formats: https://docs.cedarpolicy.com/schema/human-readable-schema-grammar.html and
 * https://docs.cedarpolicy.com/schema/json-schema-grammar.html
 */
#ifndef CEDAR_SCHEMA_AST_H
#define CEDAR_SCHEMA_AST_H

#include "arena.h"
#include "diag.h"

/* A map from names to pointers, in an arena. Zero-initialise but for the arena. */
struct cedar_name_map {
    struct cedar_arena *arena;
    struct name_slot {
        cedar_name name;
        void *value;
    } * slots;
    uint32_t cap, len; /* cap is 0 or a power of two */
};

void *cedar_name_map_get(const struct cedar_name_map *map, cedar_name name);
/* Adds or replaces; false without memory. */
bool cedar_name_map_put(struct cedar_name_map *map, cedar_name name, void *value);

/* An annotation. */
struct schema_note {
    struct schema_note *next;
    struct cedar_str key;
    struct cedar_str value;
    bool has_value;
};

enum schema_type_kind {
    WRITTEN_BOOL,
    WRITTEN_LONG,
    WRITTEN_STRING,
    WRITTEN_SET,
    WRITTEN_RECORD,
    WRITTEN_ENTITY,    /* name must be an entity type */
    WRITTEN_COMMON,    /* name must be a common type */
    WRITTEN_EITHER,    /* name is a common type or else an entity type */
    WRITTEN_EXTENSION, /* name is ipaddr, decimal, datetime or duration */
};

struct schema_attr;

struct schema_type {
    enum schema_type_kind kind;
    struct cedar_span span;
    cedar_name name;
    struct schema_type *element;
    struct schema_attr *attrs;
    uint32_t n_attrs;
};

struct schema_attr {
    struct schema_attr *next;
    cedar_name name;
    bool required;
    struct cedar_span span;
    struct schema_type *type;
    struct schema_note *notes;
};

/* A reference to a type, or to an action group: then id is set, and name may be none. */
struct schema_ref {
    struct schema_ref *next;
    cedar_name name;
    struct cedar_str id;
    struct cedar_span span;
};

struct schema_common {
    struct schema_common *next;
    cedar_name name;
    struct cedar_span span; /* of the name */
    struct schema_type *type;
    struct schema_note *notes;
};

struct schema_choice {
    struct schema_choice *next;
    struct cedar_str id;
};

struct schema_entity {
    struct schema_entity *next;
    cedar_name name;
    struct cedar_span span; /* of the name */
    struct schema_ref *parents;
    struct schema_type *shape;     /* NULL: no attributes */
    struct schema_type *tags;      /* NULL: no tags */
    struct schema_choice *choices; /* not NULL: an enumerated type */
    struct schema_note *notes;
};

struct schema_action {
    struct schema_action *next;
    struct cedar_str id;
    struct cedar_span span; /* of the id */
    struct schema_ref *parents;
    struct schema_ref *principals;
    struct schema_ref *resources;
    struct schema_type *context; /* NULL: the empty record */
    struct schema_note *notes;
};

struct schema_namespace {
    struct schema_namespace *next;
    cedar_name name; /* CEDAR_NO_NAME for the empty namespace */
    struct cedar_span span;
    struct schema_note *notes;
    struct schema_common *commons, **commons_end;
    struct schema_entity *entities, **entities_end;
    struct schema_action *actions, **actions_end;
};

struct schema_fragment {
    struct cedar_arena *arena;
    struct cedar_names *names;
    struct cedar_str source;
    struct schema_namespace *namespaces, **namespaces_end;
    struct schema_namespace *empty; /* the one without a name, once made */
    struct cedar_name_map namespaces_by_name;
};

/* The namespace of that name, made if there is none; NULL without memory. */
struct schema_namespace *cedar_schema_namespace(struct schema_fragment *fragment, cedar_name name,
                                                bool *is_new);

/* The readers. The fragment comes with arena, names and source set. */
enum cedar_status cedar_schema_read_text(struct schema_fragment *fragment, struct cedar_error *err);
enum cedar_status cedar_schema_read_json(struct schema_fragment *fragment, struct cedar_error *err);

/* Whether a common type may not be called so: Bool, Boolean, Entity, Extension, Long ... */
bool cedar_schema_is_builtin(struct cedar_str name);

#endif
