/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h1_lines.h - collects lines up to an empty one: a head, or trailers.
 */
#ifndef BELAY_HTTP_H1_LINES_H
#define BELAY_HTTP_H1_LINES_H

#include "http/fault.h"
#include "http/queue.h"

#include <sys/types.h>

struct h1_lines {
    struct queue text; /* what was collected */
    size_t line;       /* bytes of the line that has no end yet */
};

/* Takes bytes up to the end of the empty line. How many were taken; *whole: that end was reached,
 * and text holds all. -1: *fault says what is wrong. */
ssize_t h1_lines_feed(struct h1_lines *l, const char *p, size_t n, bool *whole,
                      enum http_fault *fault);
/* For the next. */
void h1_lines_clear(struct h1_lines *l);
void h1_lines_free(struct h1_lines *l);

#endif
