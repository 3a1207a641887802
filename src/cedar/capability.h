/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capability.h - what the type checker knows to be present: "this expression has that
 * attribute", "that tag".
 *
 * Two expressions are the same if they are written the same, apart from blanks, brackets and
 * shorthand (a != b is !(a == b)). So expressions are numbered by structure (hash consing) and
 * a capability is a pair of numbers.
 */
#ifndef CEDAR_CAPABILITY_H
#define CEDAR_CAPABILITY_H

#include "ast.h"

struct number_node;

/* Numbers of the expressions of one policy. Zero-initialise but for the arena. */
struct cedar_numbers {
    struct cedar_arena *arena;
    struct number_node *nodes; /* hash table by structure */
    uint32_t cap, len;
    struct number_known {
        const struct cedar_expr *expr;
        uint32_t number;
    } * known; /* hash table by address */
    uint32_t known_cap, known_len;
};

/* The number of an expression, from 1; 0 without memory. */
uint32_t cedar_number(struct cedar_numbers *numbers, const struct cedar_expr *expr);
/* The number of base.attr. */
uint32_t cedar_number_get(struct cedar_numbers *numbers, uint32_t base, cedar_name attr);

typedef uint64_t cedar_capability;

static inline cedar_capability cedar_has_attr(uint32_t number, cedar_name attr)
{
    return (uint64_t)number << 32 | attr;
}

static inline cedar_capability cedar_has_tag(uint32_t number, uint32_t tag_number)
{
    return UINT64_C(1) << 63 | (uint64_t)number << 32 | tag_number;
}

/* An immutable set in an arena, ascending; NULL is the empty one. */
struct cedar_capabilities {
    uint32_t n;
    cedar_capability items[];
};

bool cedar_capabilities_has(const struct cedar_capabilities *set, cedar_capability item);
/* Each sets *ok to false without memory and then returns NULL. */
const struct cedar_capabilities *cedar_capabilities_one(struct cedar_arena *arena,
                                                        cedar_capability item, bool *ok);
const struct cedar_capabilities *cedar_capabilities_union(struct cedar_arena *arena,
                                                          const struct cedar_capabilities *a,
                                                          const struct cedar_capabilities *b,
                                                          bool *ok);
const struct cedar_capabilities *cedar_capabilities_both(struct cedar_arena *arena,
                                                         const struct cedar_capabilities *a,
                                                         const struct cedar_capabilities *b,
                                                         bool *ok);

#endif
