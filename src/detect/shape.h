/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.h - what the bytes of a token look like: a sequence of byte classes with counts.
 *
 * Text of a shape: single bytes, classes such as [0-9a-f] and `\` before a byte that is meant
 * itself, each with a count {n} or {n,m} or `?` after it, or none (one). Matching is greedy and
 * never goes back, so it is one pass and can stop and go on at any byte.
 */
#ifndef BELAY_DETECT_SHAPE_H
#define BELAY_DETECT_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_STEPS 8

struct shape_step {
    uint32_t bytes[8]; /* a bit for each byte of the class */
    uint16_t least, most;
};

struct shape {
    struct shape_step step[SHAPE_STEPS];
    uint16_t n;
    uint16_t least, longest; /* bytes in all */
};

/* False: the text is no shape, or has too many steps. */
bool shape_parse(struct shape *s, const char *text);

enum match { MATCH_NO, MATCH_MORE, MATCH_FOUND };

struct shape_at {  /* zero at first */
    uint32_t done; /* bytes matched */
    uint16_t step, count;
};

/* p[0..n) are the bytes from the shape's begin, `end` says that no more come. `closed`: the byte
 * after the shape must not belong to its last class. */
enum match shape_go(const struct shape *s, struct shape_at *at, const uint8_t *p, size_t n,
                    bool end, bool closed);

/* Matches a shape of one class, or of none, backwards from the end of p[0..n): its length, or -1.
 */
int shape_back(const struct shape *s, const uint8_t *p, size_t n);

static inline bool shape_has(const struct shape_step *s, uint8_t c)
{
    return (s->bytes[c / 32] >> (c % 32) & 1) != 0;
}

#endif
