/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_MIN 4096u
#define LARGE     (128 * 1024) /* where malloc begins; left alone it grows with what is freed */
#define SPARE     (512 * 1024) /* free memory that is kept rather than fetched again */

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    max_align_t data[];
};

static void *checked(void *p)
{
    if (p == NULL)
        abort(); /* out of memory: the keeper stops the agent */
    return p;
}

void mem_init(void)
{
    /* Without either all is as right, only slower. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
    (void)mallopt(M_TRIM_THRESHOLD, SPARE);
}

void mem_auto_free(void *pointer_to_pointer)
{
    void *p;

    memcpy(&p, pointer_to_pointer, sizeof(p));
    free(p);
}

void mem_auto_close(int *fd)
{
    int keep = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = keep;
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n != 0 ? n : 1, size != 0 ? size : 1));
}

void *xrealloc(void *p, size_t n, size_t size)
{
    return checked(reallocarray(p, n != 0 ? n : 1, size != 0 ? size : 1));
}

char *xstrdup(const char *s)
{
    return checked(strdup(s));
}

char *xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : s);
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t need;

    if (__builtin_add_overflow(n, sizeof(max_align_t) - 1, &need))
        abort();
    need &= ~(sizeof(max_align_t) - 1);
    if (a->head == NULL || a->head->size - a->head->used < need) {
        size_t size = need > CHUNK_MIN ? need : CHUNK_MIN, whole;

        if (__builtin_add_overflow(size, sizeof(struct arena_chunk), &whole))
            abort();
        struct arena_chunk *c = checked(malloc(whole));
        c->size = size;
        c->used = 0;
        c->next = a->head;
        a->head = c;
    }
    void *p = (char *)a->head->data + a->head->used;
    a->head->used += need;
    a->used += need;
    return memset(p, 0, need);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    size_t whole;

    if (__builtin_add_overflow(n, 1, &whole))
        abort();
    char *copy = arena_alloc(a, whole);
    if (n > 0)
        memcpy(copy, s, n);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *s = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void arena_release(struct arena *a)
{
    while (a->head != NULL) {
        struct arena_chunk *next = a->head->next;

        free(a->head);
        a->head = next;
    }
    a->used = 0;
}
