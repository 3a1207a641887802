/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - values, entities and requests from JSON that has been read.
 *
 * Format: https://docs.cedarpolicy.com/auth/entities-syntax.html. Where a schema declares the
 * type, an entity may be {"type", "id"} and an extension value a string or {"fn", "arg"}; what
 * does not fit the type is read as if there were none, and validation says so.
 */
#ifndef CEDAR_LOAD_H
#define CEDAR_LOAD_H

#include "json.h"
#include "type.h"

struct cedar_loader {
    struct cedar_names *names;
    struct cedar_arena *arena; /* results live here */
    struct cedar_str source;   /* for places in messages */
    struct cedar_error *err;
};

static inline enum cedar_status load_expected(struct cedar_loader *l, const struct cedar_json *json,
                                              const char *what)
{
    return cedar_fail(l->err, CEDAR_ERR_SYNTAX, l->source, json->span, "expected %s, found %s",
                      what, cedar_json_kind_name(json));
}

static inline enum cedar_status load_wrong(struct cedar_loader *l, const struct cedar_json *json,
                                           const char *why)
{
    return cedar_fail(l->err, CEDAR_ERR_INVALID, l->source, json->span, "%s", why);
}

/* The members of an object as fields, ascending by name; type is a record type or NULL. */
enum cedar_status cedar_load_fields(struct cedar_loader *loader, const struct cedar_json *json,
                                    const struct cedar_type *type, struct cedar_value *out);
/* Puts fields into the order of their names. */
void cedar_sort_fields(struct cedar_field *fields, uint32_t n);

/* type may be NULL. */
enum cedar_status cedar_load_value(struct cedar_loader *loader, const struct cedar_json *json,
                                   const struct cedar_type *type, struct cedar_value *out);
/* {"type", "id"}, {"__entity": ..} or Type::"id" in a string. */
enum cedar_status cedar_load_uid(struct cedar_loader *loader, const struct cedar_json *json,
                                 struct cedar_uid *out);
/* A type's name, checked and interned. */
enum cedar_status cedar_load_type_name(struct cedar_loader *loader, const struct cedar_json *json,
                                       cedar_name *out);
/* The object of a request; fields beside principal, action, resource, context are left alone. */
enum cedar_status cedar_load_request(struct cedar_loader *loader, const struct cedar_json *json,
                                     const struct cedar_schema *schema, struct cedar_request *out);

#endif
