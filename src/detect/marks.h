/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks.h - copies of content are known by a choice of its hashes.
 *
 * Winnowing (S. Schleimer, D. S. Wilkerson, A. Aiken: Winnowing: Local Algorithms for Document
 * Fingerprinting, SIGMOD 2003). The content is normalised: spaces and control characters go, and
 * capital letters become small. Every run of MARK_GRAM characters has a hash; of every MARK_SPAN
 * hashes in a row the least is kept as a mark (the rightmost of equal ones). So any copy of
 * MARK_GRAM + MARK_SPAN - 1 = 35 characters holds at least one mark of its source.
 *
 * What is looked at for copies is not winnowed: each of its hashes is looked up, so it does not
 * matter where a copy begins. One mark may be chance (a licence, a phrase of a language): a copy is
 * told when two different ones with one label lie within MARK_NEAR bytes, or at once when the
 * content was so small that it has at most two.
 */
#ifndef BELAY_DETECT_MARKS_H
#define BELAY_DETECT_MARKS_H

#include "detect/detect.h"

#define MARK_GRAM   20u
#define MARK_SPAN   16u
#define MARK_NEAR   1024u
#define MARK_FILTER (UINT32_C(1) << 17) /* bits */

#define MARK_RING 32u                          /* a power of two, at least MARK_GRAM */
#define MARK_BASE UINT64_C(0x9e3779b97f4a7c15) /* odd: of a polynomial modulo 2^64 */
#define MARK_AWAY UINT64_C(0x7dde4bf1258a071)  /* MARK_BASE to the power of MARK_GRAM */

/* The hash of the last MARK_GRAM normalised characters. */
struct mark_roll {
    uint64_t hash;
    uint32_t n; /* characters so far */
    uint8_t last[MARK_RING];
    uint32_t at[MARK_RING]; /* low bits of the offset of each */
};

/* Adds the byte at offset `at`; true: *hash is that of a whole run. */
static inline bool mark_roll(struct mark_roll *r, uint8_t byte, uint32_t at, uint64_t *hash)
{
    uint64_t mixed;

    if (byte <= ' ' || byte == 127)
        return false;
    if (byte >= 'A' && byte <= 'Z')
        byte |= 32;
    r->hash = r->hash * MARK_BASE + byte + 1u;
    if (r->n >= MARK_GRAM)
        r->hash -= MARK_AWAY * (r->last[(r->n - MARK_GRAM) % MARK_RING] + 1u);
    r->last[r->n % MARK_RING] = byte;
    r->at[r->n % MARK_RING] = at;
    r->n++;
    mixed = r->hash ^ r->hash >> 32;
    mixed *= UINT64_C(0xd6e8feb86659fd93);
    *hash = mixed ^ mixed >> 32;
    return r->n >= MARK_GRAM;
}

/* Where the run begins. */
static inline uint32_t mark_roll_begin(const struct mark_roll *r)
{
    return r->at[(r->n - MARK_GRAM) % MARK_RING];
}

struct marks; /* those of a detect: hash -> labels */

struct marks *marks_new(void);
void marks_free(struct marks *m);
bool marks_add(struct marks *m, unsigned label, const uint64_t *hash, size_t n);
size_t marks_count(const struct marks *m);

/* Most hashes end here, in memory that is near: false, it is no mark. */
static inline bool marks_maybe(const uint64_t *filter, uint64_t hash)
{
    return (filter[hash >> 40 & (MARK_FILTER / 64 - 1)] >> (hash >> 58) & 1) != 0;
}
const uint64_t *marks_filter(const struct marks *m);

/* The labels of this mark as bits, 0 when it is none; *alone: it needs no second one. */
uint32_t marks_find(const struct marks *m, uint64_t hash, bool *alone);

#endif
