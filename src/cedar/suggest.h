/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.h - "did you mean": the nearest of the names that exist.
 *
 * Nearness is the edit distance (insert, delete, replace, swap of neighbours); a name counts as
 * near within a quarter of its length. A name that differs in its namespace only is nearest.
 */
#ifndef CEDAR_SUGGEST_H
#define CEDAR_SUGGEST_H

#include "diag.h"

struct cedar_suggestion {
    const struct cedar_names *names;
    struct cedar_str wanted;
    struct cedar_str best; /* a view of a candidate; .ptr is NULL if none is near */
    uint32_t distance;
    char text[104];
};

void cedar_suggest_begin(struct cedar_suggestion *s, const struct cedar_names *names,
                         struct cedar_str wanted);
/* Offers a candidate; its text must live until the end. */
void cedar_suggest_str(struct cedar_suggestion *s, struct cedar_str candidate);
void cedar_suggest_name(struct cedar_suggestion *s, cedar_name candidate);
/* "; did you mean `X`?" or "". Lives as long as s. */
const char *cedar_suggest_end(struct cedar_suggestion *s);

#endif
