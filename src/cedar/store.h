/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - entities with the ancestors of each, found by uid.
 */
#ifndef CEDAR_STORE_H
#define CEDAR_STORE_H

#include "arena.h"
#include "diag.h"

struct cedar_entities {
    struct cedar_arena arena;
    struct cedar_names *names; /* a reference */
    uint32_t n, n_table;
    struct cedar_entity *list; /* parents: all ancestors, ascending by hash */
    uint32_t *table;           /* open addressing by uid: index + 1, or 0; a power of two */
};

/* The stored entity, or NULL; entities may be NULL. */
const struct cedar_entity *cedar_store_find(const struct cedar_entities *entities,
                                            const struct cedar_uid *uid);

/* Whether uid is among ancestors that ascend by hash. */
bool cedar_ancestors_have(const struct cedar_uid *ancestors, uint32_t n,
                          const struct cedar_uid *uid);

/* An empty store; NULL without memory. */
struct cedar_entities *cedar_store_new(struct cedar_names *names,
                                       const struct cedar_allocator *alloc);
/*
 * Takes the n entities of list, which live in the store's arena with direct parents. Finds
 * doubles (the same entity twice is one; one that differs is a conflict) and closes the
 * hierarchy.
 */
enum cedar_status cedar_store_fill(struct cedar_entities *store, struct cedar_entity *list,
                                   size_t n, struct cedar_error *err);

#endif
