/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/marks.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS   (2 * DETECT_MARKS)
#define VARIETY 5 /* different characters: a line of dashes marks nothing */

/* Has the run enough different characters to mean something? */
static bool means_something(const struct mark_roll *r)
{
    uint64_t seen[4] = {0};
    int different = 0;

    for (uint32_t i = r->n - MARK_GRAM; i != r->n; i++) {
        uint8_t c = r->last[i % MARK_RING];

        seen[c / 64] |= UINT64_C(1) << (c % 64);
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        different += __builtin_popcountll(seen[i]);
    return different >= VARIETY;
}

size_t detect_marks_of(const void *bytes, size_t n, uint64_t *out, size_t max)
{
    struct mark_roll roll = {0};
    uint64_t span[MARK_SPAN], hash;
    size_t grams = 0, count = 0, kept = 0; /* kept: the number of the gram of the last mark, + 1 */
    const uint8_t *p = bytes;

    for (size_t i = 0; i < n && count < max; i++) {
        size_t least;

        if (!mark_roll(&roll, p[i], 0, &hash))
            continue;
        span[grams++ % MARK_SPAN] = means_something(&roll) ? hash : UINT64_MAX;
        if (grams < MARK_SPAN)
            continue;
        least = grams - MARK_SPAN;
        for (size_t k = least + 1; k < grams; k++)
            if (span[k % MARK_SPAN] <= span[least % MARK_SPAN])
                least = k;
        if (least + 1 != kept && span[least % MARK_SPAN] != UINT64_MAX)
            out[count++] = span[least % MARK_SPAN];
        kept = least + 1;
    }
    if (count == 0 && grams > 0 && grams < MARK_SPAN && max > 0) {
        uint64_t least = UINT64_MAX;

        for (size_t k = 0; k < grams; k++)
            least = span[k] < least ? span[k] : least;
        if (least != UINT64_MAX)
            out[count++] = least;
    }
    return count;
}

struct marks {
    size_t n;
    uint64_t filter[MARK_FILTER / 64];
    struct {
        uint64_t hash;
        uint32_t labels; /* 0: free */
        bool alone;
    } slot[SLOTS];
};

struct marks *marks_new(void)
{
    return xcalloc(1, sizeof(struct marks));
}

void marks_free(struct marks *m)
{
    free(m);
}

size_t marks_count(const struct marks *m)
{
    return m == NULL ? 0 : m->n;
}

/* The slot that has the hash, or where it would go; there is always a free one. */
static size_t slot_of(const struct marks *m, uint64_t hash)
{
    size_t i = hash % SLOTS;

    while (m->slot[i].labels != 0 && m->slot[i].hash != hash)
        i = (i + 1) % SLOTS;
    return i;
}

bool marks_add(struct marks *m, unsigned label, const uint64_t *hash, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = slot_of(m, hash[k]);

        if (m->slot[i].labels == 0) {
            if (m->n == DETECT_MARKS)
                return false;
            m->n++;
            m->slot[i].hash = hash[k];
            m->filter[hash[k] >> 40 & (MARK_FILTER / 64 - 1)] |= UINT64_C(1) << (hash[k] >> 58);
        }
        m->slot[i].labels |= UINT32_C(1) << label;
        m->slot[i].alone = m->slot[i].alone || n <= 2;
    }
    return true;
}

const uint64_t *marks_filter(const struct marks *m)
{
    return m->filter;
}

uint32_t marks_find(const struct marks *m, uint64_t hash, bool *alone)
{
    size_t i = slot_of(m, hash);

    *alone = m->slot[i].alone;
    return m->slot[i].labels;
}
