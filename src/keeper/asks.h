/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asks.h - the held actions that wait for a person, as the keeper shows them.
 *
 * The judge owns the question, its deadline and its end; this is the list that `belay pending`
 * and the prompt read. Texts are copied and made safe for a terminal when they are added.
 */
#ifndef BELAY_KEEPER_ASKS_H
#define BELAY_KEEPER_ASKS_H

#include "base/frame.h"

#include <stdint.h>
#include <stdio.h>

#define ASKS_MAX 64 /* the judge holds no more */

struct ask {
    uint32_t id;      /* 0: free */
    int64_t deadline; /* monotonic ms */
    char *summary, *reason, *rules;
};

struct asks {
    struct ask item[ASKS_MAX];
    size_t n; /* in order of arrival */
};

int64_t asks_now(void); /* monotonic ms */

/* Reads an ASK frame. False: malformed, a number twice, or too many. */
bool asks_add(struct asks *a, struct frame_in *f);
const struct ask *asks_find(const struct asks *a, uint32_t id);
bool asks_remove(struct asks *a, uint32_t id);
void asks_clear(struct asks *a);

/* The text of the prompt for one question. */
void asks_prompt_text(const struct ask *q, const char *session, struct buf *out);

#endif
