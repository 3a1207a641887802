/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_resolve.h - the steps from what was written in a schema to what it means.
 *
 * Names resolve as RFC 24 and RFC 70 of Cedar say: an unqualified name stands for a declaration
 * of its own namespace, else for one of the empty namespace, where the built-in types stand too
 * unless they are declared anew; a common type goes before an entity type of the same name.
 */
#ifndef CEDAR_SCHEMA_RESOLVE_H
#define CEDAR_SCHEMA_RESOLVE_H

#include "schema.h"

enum { SCHEMA_MAX_NAME = 4096, SCHEMA_MAX_PATH = 2 * SCHEMA_MAX_NAME + 2 }; /* bytes */

enum common_state { COMMON_NEW, COMMON_BUSY, COMMON_DONE };

struct common_type {
    const struct schema_common *written; /* NULL for a built-in */
    const struct schema_namespace *ns;
    enum common_state state;
    uint32_t height; /* levels of types and common types under it, itself included */
    const struct cedar_type *type;
};

struct resolver {
    struct cedar_schema *schema;
    struct cedar_error *err;
    uint32_t depth;
    uint32_t n_commons;
    uint32_t *stamps; /* by entity type: the last list that it stood in */
    uint32_t stamp;
    char name[SCHEMA_MAX_PATH];
};

/* Returns a failure from the calling function. */
#define TRY(call)                               \
    do {                                        \
        enum cedar_status try_status_ = (call); \
        if (try_status_ != CEDAR_OK)            \
            return try_status_;                 \
    } while (0)

/* Fails with a message about one name, which stands for %s in the format. */
#define RESOLVE_FAIL(r, status, span, format, name)                              \
    cedar_fail((r)->err, (status), (r)->schema->fragment.source, (span), format, \
               cedar_show(name).text)

static inline struct cedar_str cedar_resolver_text(const struct resolver *r, cedar_name name)
{
    return cedar_name_str(r->schema->names, name);
}

bool cedar_is_qualified(struct cedar_str name);
/* "Ns::Name" in buf, or name itself in the empty namespace; false if it would be too long. */
bool cedar_join_name(const struct cedar_names *names, const struct schema_namespace *ns,
                     struct cedar_str name, char buf[SCHEMA_MAX_PATH], struct cedar_str *out);

/* Collects all declarations into the maps of the schema, the built-in types too. */
enum cedar_status cedar_resolve_declarations(struct resolver *r);
/* The kind of a built-in extension type by its bare name; false if there is none. */
bool cedar_find_extension(struct cedar_str name, enum cedar_type_kind *kind);

/* Resolves a reference to an entity type that can have entities (not that of actions). */
enum cedar_status cedar_resolve_entity(struct resolver *r, const struct schema_namespace *ns,
                                       const struct schema_ref *ref,
                                       const struct entity_type **out);
/* Resolves a type; *height is how many levels were written, common types followed. */
enum cedar_status cedar_resolve_type(struct resolver *r, const struct schema_namespace *ns,
                                     const struct schema_type *written,
                                     const struct cedar_type **out, uint32_t *height);
/* Resolves a shape or a context: a record, or the empty one if nothing was written. */
enum cedar_status cedar_resolve_attrs(struct resolver *r, const struct schema_namespace *ns,
                                      const struct schema_type *written, const char *what,
                                      const struct cedar_type **out);
/* Resolves all common types, also those that nothing uses. */
enum cedar_status cedar_resolve_commons(struct resolver *r);

/* Fill the entity types and the actions, and close their hierarchies. */
enum cedar_status cedar_resolve_entities(struct resolver *r);
enum cedar_status cedar_resolve_actions(struct resolver *r);

#endif
