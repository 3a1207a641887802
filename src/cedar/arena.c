/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdlib.h>

#define CHUNK_MIN ((size_t)16 * 1024)
#define ALIGN     ((size_t)16)

struct cedar_chunk {
    struct cedar_chunk *older;
    size_t size; /* of the whole allocation */
};

#define CHUNK_HEAD ((sizeof(struct cedar_chunk) + ALIGN - 1) & ~(ALIGN - 1))

static void *malloc_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

struct cedar_allocator cedar_allocator_or_default(const struct cedar_allocator *alloc)
{
    if (alloc != NULL)
        return *alloc;
    return (struct cedar_allocator){malloc_resize, NULL};
}

void cedar_arena_init(struct cedar_arena *arena, const struct cedar_allocator *alloc)
{
    *arena = (struct cedar_arena){.alloc = cedar_allocator_or_default(alloc)};
}

void cedar_arena_free(struct cedar_arena *arena)
{
    while (arena->chunks != NULL) {
        struct cedar_chunk *chunk = arena->chunks;

        arena->chunks = chunk->older;
        arena->alloc.resize(arena->alloc.ctx, chunk, chunk->size, 0);
    }
    arena->next = arena->end = NULL;
}

/* Starts a chunk that holds n bytes at least; each is larger than the one before. */
static bool grow(struct cedar_arena *arena, size_t n)
{
    size_t size = arena->chunks != NULL ? arena->chunks->size * 2 : CHUNK_MIN;
    struct cedar_chunk *chunk;

    if (size > ((size_t)4 << 20))
        size = (size_t)4 << 20;
    if (n > SIZE_MAX - CHUNK_HEAD)
        return false;
    if (size < n + CHUNK_HEAD)
        size = n + CHUNK_HEAD;
    chunk = arena->alloc.resize(arena->alloc.ctx, NULL, 0, size);
    if (chunk == NULL)
        return false;
    *chunk = (struct cedar_chunk){arena->chunks, size};
    arena->chunks = chunk;
    arena->next = (char *)chunk + CHUNK_HEAD;
    arena->end = (char *)chunk + size;
    return true;
}

void *cedar_arena_get(struct cedar_arena *arena, size_t n)
{
    void *ptr;

    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = (n + ALIGN - 1) & ~(ALIGN - 1);
    if (n == 0)
        n = ALIGN;
    if (n > (size_t)(arena->end - arena->next) && !grow(arena, n))
        return NULL;
    ptr = arena->next;
    arena->next += n;
    return ptr;
}

void *cedar_arena_zero(struct cedar_arena *arena, size_t count, size_t size)
{
    size_t n;
    void *ptr;

    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    ptr = cedar_arena_get(arena, n);
    if (ptr != NULL)
        memset(ptr, 0, n);
    return ptr;
}

struct cedar_str cedar_arena_str(struct cedar_arena *arena, struct cedar_str s)
{
    char *ptr = s.len < SIZE_MAX ? cedar_arena_get(arena, s.len + 1) : NULL;

    if (ptr == NULL)
        return (struct cedar_str){NULL, 0};
    if (s.len > 0)
        memcpy(ptr, s.ptr, s.len);
    ptr[s.len] = '\0';
    return (struct cedar_str){ptr, s.len};
}

void cedar_vec_init(struct cedar_vec *vec, const struct cedar_allocator *alloc, size_t size)
{
    *vec = (struct cedar_vec){.alloc = *alloc, .size = size};
}

void *cedar_vec_push(struct cedar_vec *vec)
{
    char *item;

    if (vec->len == vec->cap) {
        size_t cap = vec->cap != 0 ? vec->cap * 2 : 8, bytes;
        void *items;

        if (__builtin_mul_overflow(cap, vec->size, &bytes))
            return NULL;
        items = vec->alloc.resize(vec->alloc.ctx, vec->items, vec->cap * vec->size, bytes);
        if (items == NULL)
            return NULL;
        vec->items = items;
        vec->cap = cap;
    }
    item = (char *)vec->items + vec->len++ * vec->size;
    memset(item, 0, vec->size);
    return item;
}

void cedar_vec_free(struct cedar_vec *vec)
{
    if (vec->items != NULL)
        vec->alloc.resize(vec->alloc.ctx, vec->items, vec->cap * vec->size, 0);
    vec->items = NULL;
    vec->len = vec->cap = 0;
}

void *cedar_vec_to_arena(const struct cedar_vec *vec, struct cedar_arena *arena)
{
    void *copy = cedar_arena_get(arena, vec->len * vec->size);

    if (copy != NULL && vec->len > 0)
        memcpy(copy, vec->items, vec->len * vec->size);
    return copy;
}
