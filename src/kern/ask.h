/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask.h - kern's talk with the judge: the checks of requests go out as ACTION, come back as
 * VERDICT. Sending never blocks; what does not fit waits for room.
 */
#ifndef BELAY_KERN_ASK_H
#define BELAY_KERN_ASK_H

#include "kern/request.h"

/* Sends the request's checks, or queues them. */
void ask_start(struct request *r);
/* Sends an action that is no call of anybody's: the answer finds nobody. False: no room now. */
bool ask_tell(struct kern *k, const struct action *a);
/* Sends what is queued; called when the judge's socket has room. */
void ask_go_on(struct kern *k);
/* Withdraws questions that are open. */
void ask_cancel(struct request *r);
/* Tells the judge marks of what the request's verdict labelled. False: there is no room now. */
bool ask_marks(struct request *r, const uint64_t *marks, size_t n);
/* Reads one frame of the judge. False: the judge is gone or broke the rules (k->err). */
bool ask_read(struct kern *k);

#endif
