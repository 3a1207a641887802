/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse.h - server-sent events, as the HTML standard has them parsed (9.2.6), across any chunk edges.
 *
 * An event is told with the very bytes that it came in, from the end of the one before to the blank
 * line that ends it, so that it can be passed on unchanged.
 */
#ifndef BELAY_MODEL_SSE_H
#define BELAY_MODEL_SSE_H

#include "base/text.h"

#include <stdint.h>

struct sse {
    size_t max; /* bytes of one event */
    struct buf raw, data, type;
    size_t line; /* where the line that is being read begins in raw */
    bool any;    /* a byte was read: a BOM may only stand before */
    bool cr;     /* the last byte was CR: an LF that follows belongs to it */
    bool has_data;
    bool done; /* raw holds a whole event that was told; the next byte begins a new one */
    bool over; /* an event was longer than max */
};

void sse_start(struct sse *s, size_t max);
void sse_free(struct sse *s);

/*
 * Takes bytes up to the end of one event and says how many. *whole: s->raw is one event, s->data
 * its data (empty: comments or fields alone), s->type its name (empty: "message"). With s->over
 * nothing is taken any more: s->raw holds what was read of the event that is too long.
 */
size_t sse_feed(struct sse *s, const char *p, size_t n, bool *whole);
/* At the end of the stream: an event that lacks its blank line is told all the same, as many
 * clients do. False: nothing is left. */
bool sse_end(struct sse *s);

#endif
