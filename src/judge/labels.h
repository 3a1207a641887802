/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels.h - what the session has picked up, by name: a policy that is loaded later may speak of
 * labels that the one before did not mention. Only ever added to; what does not fit is not
 * kept for later policies, but holds under the one of the moment.
 */
#ifndef BELAY_JUDGE_LABELS_H
#define BELAY_JUDGE_LABELS_H

#include "policy/policy.h"

#define LABELS_MAX      256
#define LABELS_NAME_MAX 64

struct labels {
    char name[LABELS_MAX][LABELS_NAME_MAX + 1];
    size_t n;
};

/* Remembers a name; false: it is known, empty, too long, or there is no room. */
bool labels_add(struct labels *l, struct str name);
/* Remembers those of a policy's bits. */
void labels_take(struct labels *l, const struct policy *p, uint64_t bits);
/* What is remembered, in the bits of this policy. */
uint64_t labels_bits(const struct labels *l, const struct policy *p);

#endif
