/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cedar_fail_alloc.h - an allocator for tests that fails from the nth request on and counts
 * what is still held. Single threaded.
 */
#ifndef CEDAR_FAIL_ALLOC_H
#define CEDAR_FAIL_ALLOC_H

#include "cedar.h"

#include <stdlib.h>

struct fail_alloc {
    size_t left;  /* requests that succeed; SIZE_MAX: all */
    size_t held;  /* bytes not yet given back */
    size_t asked; /* requests so far */
};

static inline void *fail_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct fail_alloc *alloc = ctx;
    void *made;

    if (new_size == 0) {
        free(ptr);
        alloc->held -= ptr != NULL ? old_size : 0;
        return NULL;
    }
    alloc->asked++;
    if (alloc->left == 0)
        return NULL;
    if (alloc->left != SIZE_MAX)
        alloc->left--;
    made = realloc(ptr, new_size);
    if (made != NULL)
        alloc->held += new_size - (ptr != NULL ? old_size : 0);
    return made;
}

static inline struct cedar_allocator fail_allocator(struct fail_alloc *alloc)
{
    return (struct cedar_allocator){fail_resize, alloc};
}

#endif
