/* SPDX-License-Identifier: Apache-2.0 */
#include "suggest.h"

#include <stdio.h>

enum { MAX_LEN = 48 };

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance by dynamic programming; both at most MAX_LEN long. */
static uint32_t distance(struct cedar_str a, struct cedar_str b)
{
    uint32_t rows[3][MAX_LEN + 1];
    uint32_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (uint32_t j = 0; j <= b.len; j++)
        before[j] = above[j] = j;
    for (uint32_t i = 1; i <= a.len; i++) {
        uint32_t *spare = before;

        row[0] = i;
        for (uint32_t j = 1; j <= b.len; j++) {
            bool equal = a.ptr[i - 1] == b.ptr[j - 1];

            row[j] = least(above[j] + 1, least(row[j - 1] + 1, above[j - 1] + !equal));
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = spare;
    }
    return above[b.len];
}

void cedar_suggest_begin(struct cedar_suggestion *s, const struct cedar_names *names,
                         struct cedar_str wanted)
{
    s->names = names;
    s->wanted = wanted;
    s->best = (struct cedar_str){NULL, 0};
    s->distance = UINT32_MAX;
    s->text[0] = '\0';
}

/* What stands after the last colon. */
static struct cedar_str last_part(struct cedar_str name)
{
    size_t start = name.len;

    while (start > 0 && name.ptr[start - 1] != ':')
        start--;
    return (struct cedar_str){name.ptr + start, name.len - start};
}

void cedar_suggest_str(struct cedar_suggestion *s, struct cedar_str candidate)
{
    uint32_t d;

    if (candidate.len == 0 || cedar_str_eq(candidate, s->wanted))
        return;
    if (cedar_str_eq(last_part(candidate), last_part(s->wanted))) {
        d = 0;
    } else {
        if (candidate.len > MAX_LEN || s->wanted.len > MAX_LEN)
            return;
        d = distance(candidate, s->wanted);
        if (d > (candidate.len + 3) / 4)
            return;
    }
    if (d < s->distance) {
        s->distance = d;
        s->best = candidate;
    }
}

void cedar_suggest_name(struct cedar_suggestion *s, cedar_name candidate)
{
    cedar_suggest_str(s, cedar_name_str(s->names, candidate));
}

const char *cedar_suggest_end(struct cedar_suggestion *s)
{
    if (s->best.ptr != NULL)
        snprintf(s->text, sizeof(s->text), "; did you mean `%s`?", cedar_show(s->best).text);
    return s->text;
}
