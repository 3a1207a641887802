/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - the loop of kern: which request goes where when something happens.
 */
#ifndef BELAY_KERN_SERVE_H
#define BELAY_KERN_SERVE_H

#include "kern/request.h"

/* Every check of the request was allowed. */
void serve_allowed(struct request *r);
/* One was not; r->worst says how. */
void serve_denied(struct request *r);
/* Ends kern: the first reason stands. Always returns false. */
bool serve_fail(struct kern *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
