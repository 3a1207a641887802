/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate.h - the parts of the validators.
 *
 * A policy is checked once for each request environment (principal type, action, resource
 * type) that the schema allows. Rules: https://docs.cedarpolicy.com/policies/validation.html
 * and the formal model in Cedar's specification; strict mode only.
 */
#ifndef CEDAR_VALIDATE_H
#define CEDAR_VALIDATE_H

#include "capability.h"
#include "schema.h"

enum { VALIDATE_MAX_FINDINGS = 50 }; /* shown of one policy */

struct validator {
    const struct cedar_schema *schema;
    const struct cedar_policies *policies;
    const struct cedar_names *names;
    cedar_report_fn *report;
    void *report_ctx;
    bool valid; /* no CEDAR_FAULT yet */
    bool out_of_memory;

    /* The policy at hand; arena and numbers are its own. */
    const struct cedar_policy *policy;
    struct cedar_arena arena;
    struct cedar_numbers numbers;
    uint64_t shown[VALIDATE_MAX_FINDINGS]; /* hashes: one mistake is told once */
    uint32_t n_shown;

    /* The environment at hand; scratch and types are its own. */
    bool in_environment;
    bool failed; /* a fault was found in this environment */
    const struct entity_type *principal, *resource;
    const struct action_type *action;
    struct cedar_arena scratch;
    struct cedar_types types;
};

/* Reports; the second also marks the environment and the whole as invalid. */
void cedar_validator_report(struct validator *v, enum cedar_severity severity,
                            enum cedar_status status, struct cedar_span span, const char *format,
                            ...) __attribute__((format(printf, 5, 6)));
void cedar_validator_fault(struct validator *v, struct cedar_span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A type's text for messages. */
struct cedar_type_text {
    char text[128];
};
struct cedar_type_text cedar_type_text(const struct cedar_names *names,
                                       const struct cedar_type *type);
/* A uid's text for messages. */
struct cedar_uid_text {
    char text[128];
};
struct cedar_uid_text cedar_uid_text(const struct cedar_names *names, const struct cedar_uid *uid);

/* The type of an expression and what is present where it is true. */
struct checked {
    const struct cedar_type *type; /* NULL: none could be told, and why was reported */
    const struct cedar_capabilities *caps;
};

/* Types an expression in the environment at hand. */
struct checked cedar_check_expr(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior);
/* The same for one that must be Bool. */
struct checked cedar_check_condition(struct validator *v, const struct cedar_expr *expr,
                                     const struct cedar_capabilities *prior);
/* Types a call. */
struct checked cedar_check_call(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior);
/*
 * Types an operand; if its kind is not in the mask (1 << enum cedar_type_kind), reports what
 * was expected, with help after it if that is not NULL, and gives no type.
 */
struct checked cedar_check_operand(struct validator *v, const struct cedar_expr *expr,
                                   const struct cedar_capabilities *prior, unsigned kinds,
                                   const char *expected, const char *help);
/* Bool of what is known. */
const struct cedar_type *cedar_bool_type(const struct validator *v, enum cedar_truth truth);

/* What the scope part says of a principal or resource of this type, by type alone. */
enum cedar_truth cedar_scope_admits_type(const struct cedar_schema *schema,
                                         const struct cedar_policy *policy,
                                         const struct cedar_scope *scope, cedar_name type);
/* Whether the policy's scope admits the action. */
bool cedar_scope_admits_action(const struct cedar_schema *schema, const struct cedar_policy *policy,
                               const struct action_type *action);

/* Entity types, entity ids and actions that the policy names: all must exist. */
void cedar_check_names(struct validator *v);

#endif
