/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.h - an action in one line for a person who must decide, or who is told of it.
 *
 * Arguments are written as a shell would take them, so that it can be seen where each begins
 * and ends: plain when nothing in them is special, in '...' when something is, in $'...' with
 * \n, \xNN and \\ when they hold what a terminal would not show as it is. Nothing is left out
 * without a note that says how much.
 */
#ifndef BELAY_JUDGE_SUMMARY_H
#define BELAY_JUDGE_SUMMARY_H

#include "policy/action.h"

#define SUMMARY_MAX 3500u /* bytes of a question; the keeper shows 4096 */

/* Appends the line, of about `max` bytes at most. */
void summary_add(struct buf *b, const struct action *a, size_t max);

#endif
