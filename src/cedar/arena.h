/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory that is given back all at once.
 *
 * Chunks come from a cedar_allocator; each object of the library owns one arena. Nothing is
 * freed singly. Every function returns NULL (or false) when the allocator fails or a size
 * overflows, and leaves the arena usable.
 */
#ifndef CEDAR_ARENA_H
#define CEDAR_ARENA_H

#include "cedar.h"

struct cedar_chunk;

struct cedar_arena {
    struct cedar_allocator alloc;
    struct cedar_chunk *chunks; /* newest first */
    char *next;
    char *end;
};

/* The allocator given, or malloc's if it is NULL. */
struct cedar_allocator cedar_allocator_or_default(const struct cedar_allocator *alloc);

void cedar_arena_init(struct cedar_arena *arena, const struct cedar_allocator *alloc);
void cedar_arena_free(struct cedar_arena *arena);

/* n bytes, 16-byte aligned; zeroed by the second. n may be 0. */
void *cedar_arena_get(struct cedar_arena *arena, size_t n);
void *cedar_arena_zero(struct cedar_arena *arena, size_t count, size_t size);

/* A copy, NUL terminated (the NUL is not counted). On failure .ptr is NULL. */
struct cedar_str cedar_arena_str(struct cedar_arena *arena, struct cedar_str s);

#define CEDAR_NEW(arena, type)      ((type *)cedar_arena_zero((arena), 1, sizeof(type)))
#define CEDAR_NEW_N(arena, type, n) ((type *)cedar_arena_zero((arena), (n), sizeof(type)))

/*
 * A growing array of items of one size in plain allocator memory. cedar_vec_push returns the
 * new, zeroed item, NULL on failure; pointers into it die with the next push. The caller bounds
 * its length.
 */
struct cedar_vec {
    struct cedar_allocator alloc;
    size_t size; /* of an item */
    void *items;
    size_t len, cap;
};

void cedar_vec_init(struct cedar_vec *vec, const struct cedar_allocator *alloc, size_t size);
void *cedar_vec_push(struct cedar_vec *vec);
void cedar_vec_free(struct cedar_vec *vec);
/* Its items copied to the arena; NULL on failure (an empty vec gives a valid pointer). */
void *cedar_vec_to_arena(const struct cedar_vec *vec, struct cedar_arena *arena);

#endif
