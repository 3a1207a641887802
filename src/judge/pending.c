/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/pending.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct pending *pending_add(struct pendings *p, int from, const struct frame_in *f)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        struct pending *q = &p->slot[i];

        if (q->id != 0)
            continue;
        if (++p->last_id == 0) /* 0 means free */
            p->last_id = 1;
        *q = (struct pending){.id = p->last_id, .from = from, .n = f->n};
        q->packet = xcalloc(f->n, 1);
        memcpy(q->packet, f->data, f->n);
        p->n++;
        return q;
    }
    return NULL;
}

struct pending *pending_same(struct pendings *p, int from, const struct frame_in *f, pid_t pid)
{
    for (size_t i = 0; i < PENDING_MAX && p->n > 0; i++) {
        struct pending *q = &p->slot[i];

        /* All but the header, which holds the id. */
        if (q->id != 0 && q->from == from && q->pid == pid && q->n == f->n &&
            q->nwaiters < PENDING_WAITERS &&
            memcmp(q->packet + FRAME_HEADER, f->data + FRAME_HEADER, f->n - FRAME_HEADER) == 0)
            return q;
    }
    return NULL;
}

struct pending *pending_find(struct pendings *p, uint32_t id)
{
    for (size_t i = 0; i < PENDING_MAX && id != 0; i++)
        if (p->slot[i].id == id)
            return &p->slot[i];
    return NULL;
}

struct pending *pending_of(struct pendings *p, int from, uint32_t frame, size_t *waiter)
{
    for (size_t i = 0; i < PENDING_MAX && p->n > 0; i++) {
        struct pending *q = &p->slot[i];

        for (size_t k = 0; q->id != 0 && q->from == from && k < q->nwaiters; k++)
            if (q->waiter[k].frame == frame) {
                *waiter = k;
                return q;
            }
    }
    return NULL;
}

struct pending *pending_first(struct pendings *p)
{
    struct pending *first = NULL;

    for (size_t i = 0; i < PENDING_MAX && p->n > 0; i++)
        if (p->slot[i].id != 0 && (first == NULL || p->slot[i].deadline < first->deadline))
            first = &p->slot[i];
    return first;
}

void pending_remove(struct pendings *p, struct pending *q)
{
    free(q->packet);
    *q = (struct pending){0};
    p->n--;
}
