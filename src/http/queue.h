/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - bytes that wait to be sent: added at the end, taken from the front. Zero-initialise.
 */
#ifndef BELAY_HTTP_QUEUE_H
#define BELAY_HTTP_QUEUE_H

#include "base/text.h"

struct queue {
    char *p;
    size_t start, n, size; /* p[start .. start + n) waits */
};

/* Room for `most` bytes behind the last; then queue_grow() says how many were written there. */
char *queue_room(struct queue *q, size_t most);
void queue_grow(struct queue *q, size_t n);
void queue_add(struct queue *q, const void *p, size_t n);
struct str queue_view(const struct queue *q);
/* A queue that gets empty keeps little memory. */
void queue_drop(struct queue *q, size_t n);
void queue_free(struct queue *q);

#endif
