/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h - comparing values, within a budget.
 *
 * Sets of hostile size make comparing quadratic. So each comparison of two elements takes one
 * from the budget, and when it is spent (or values are nested deeper than VALUE_MAX_DEPTH) the
 * answer is false and the budget stays 0: the caller looks at it and denies.
 */
#ifndef CEDAR_VALUE_H
#define CEDAR_VALUE_H

#include "arena.h"
#include "diag.h"

#define VALUE_MAX_DEPTH (CEDAR_MAX_NESTING + 8)

bool cedar_value_eq(const struct cedar_value *a, const struct cedar_value *b, uint32_t *budget);
bool cedar_set_contains(const struct cedar_value *set, const struct cedar_value *item,
                        uint32_t *budget);
bool cedar_set_contains_all(const struct cedar_value *set, const struct cedar_value *items,
                            uint32_t *budget);
bool cedar_set_contains_any(const struct cedar_value *set, const struct cedar_value *items,
                            uint32_t *budget);

/*
 * A set of many strings, longs or entities, all of one kind, is put in order and marked, so that
 * it is searched by halves. items belong to the caller, who gives the set away as sorted.
 */
void cedar_set_sort(struct cedar_value *set, struct cedar_value *items);

/* The field of that name, or NULL. */
static inline const struct cedar_value *cedar_field_find(const struct cedar_field *fields,
                                                         uint32_t n, cedar_name name)
{
    for (uint32_t i = 0; i < n; i++)
        if (fields[i].name == name)
            return &fields[i].value;
    return NULL;
}

/* A deep copy into the arena; false without memory, or nested too deep. */
bool cedar_value_copy(struct cedar_arena *arena, const struct cedar_value *from,
                      struct cedar_value *to);
bool cedar_fields_copy(struct cedar_arena *arena, const struct cedar_field *from, uint32_t n,
                       const struct cedar_field **to);

/* "a set", "a long" ... for messages. */
const char *cedar_kind_name(enum cedar_kind kind);

/* Writes the value as Cedar text. */
void cedar_value_put(struct cedar_buf *buf, const struct cedar_names *names,
                     const struct cedar_value *value);
void cedar_uid_put(struct cedar_buf *buf, const struct cedar_names *names,
                   const struct cedar_uid *uid);

#endif
