/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - cleanup attributes, checked allocation and arenas.
 *
 * belay's roles do not survive the loss of memory: x-functions abort, the keeper
 * sees the role die and stops the agent. Libraries that must report it (cedar)
 * have their own allocator.
 */
#ifndef BELAY_BASE_MEM_H
#define BELAY_BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Variable attributes: released when the variable leaves its scope. */
#define AUTO_FREE  __attribute__((cleanup(mem_auto_free)))
#define AUTO_CLOSE __attribute__((cleanup(mem_auto_close)))
#define AUTO_ARENA __attribute__((cleanup(arena_release)))

void mem_auto_free(void *pointer_to_pointer);
void mem_auto_close(int *fd); /* closes if >= 0; keeps errno */

/* Once, before anything is allocated: large pieces come from the kernel and go back to it, so that
 * they cost only the pages of them that are used. A session starts several programs, and touching
 * memory is most of what their start takes. */
void mem_init(void);

/* Never return NULL; n * size is checked for overflow. Release with free(). */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Gives the fd away: the variable becomes -1. */
static inline int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/*
 * An arena: memory for one lifetime (a request, a file being parsed), released at
 * once. Zero-initialise to use. Not for threads. Blocks are 16-byte aligned.
 */
struct arena_chunk;
struct arena {
    struct arena_chunk *head;
    size_t used; /* bytes handed out, for limits and tests */
};

void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull)); /* zeroed */
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));
void arena_release(struct arena *a); /* frees all; the arena may be used again */

#endif
