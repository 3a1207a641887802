/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused.h - what a person has just refused, so that a second attempt is not a second question.
 *
 * A shell that may not execute a program tries the next folder of its PATH; a client that may not
 * connect tries the next address. The no counts for the same process and the same thing, with the
 * same arguments, for a few seconds. Only a no is remembered: a yes is for once.
 */
#ifndef BELAY_JUDGE_REFUSED_H
#define BELAY_JUDGE_REFUSED_H

#include "policy/action.h"

#include <stdbool.h>
#include <stdint.h>

#define REFUSED_MAX 32
#define REFUSED_MS  5000

struct refused {
    struct {
        uint64_t key; /* 0: free */
        pid_t pid;
        int64_t until; /* monotonic ms */
    } slot[REFUSED_MAX];
    unsigned next;
};

void refused_add(struct refused *r, const struct action *a, int64_t now_ms);
bool refused_lately(const struct refused *r, const struct action *a, int64_t now_ms);

#endif
