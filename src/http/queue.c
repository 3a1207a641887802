/* SPDX-License-Identifier: Apache-2.0 */
#include "http/queue.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_KEEP ((size_t)8 * 1024)

char *queue_room(struct queue *q, size_t most)
{
    if (q->size - q->start - q->n < most && q->start > 0) {
        memmove(q->p, q->p + q->start, q->n);
        q->start = 0;
    }
    if (q->size - q->start - q->n < most) {
        size_t size = q->size < 512 ? 1024 : q->size * 2;

        q->size = size > q->n + most ? size : q->n + most;
        q->p = xrealloc(q->p, q->size, 1);
    }
    return q->p + q->start + q->n;
}

void queue_grow(struct queue *q, size_t n)
{
    assert(n <= q->size - q->start - q->n);
    q->n += n;
}

void queue_add(struct queue *q, const void *p, size_t n)
{
    if (n == 0)
        return;
    memcpy(queue_room(q, n), p, n);
    q->n += n;
}

struct str queue_view(const struct queue *q)
{
    return (struct str){q->n > 0 ? q->p + q->start : "", q->n};
}

void queue_drop(struct queue *q, size_t n)
{
    assert(n <= q->n);
    q->start += n;
    q->n -= n;
    if (q->n == 0) {
        q->start = 0;
        if (q->size > QUEUE_KEEP)
            queue_free(q);
    }
}

void queue_free(struct queue *q)
{
    free(q->p);
    *q = (struct queue){0};
}
