/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undo.h - copies of what the agent is about to change, where a rule has @undo.
 *
 * Taken between the verdict and the call, from the very object that the call will change, once for
 * each path of the session. They go into one file that the keeper opened for writing: kern gets no
 * folder outside of the jail, from which it could walk. An open for writing counts as the change.
 *
 * When no copy can be taken (undo.bytes or undo.files is used up, the file cannot be read) the
 * call is refused: what the policy wants to be able to undo is not changed for good.
 */
#ifndef BELAY_KERN_UNDO_H
#define BELAY_KERN_UNDO_H

#include "kern/request.h"

struct undo {
    int64_t next;  /* where the next entry goes */
    uint64_t left; /* bytes of content */
    uint64_t files;
    uint64_t *seen; /* hashes of the paths that have an entry: open addressing, 0 is free */
    uint64_t seed[2];
    size_t slots, used;
};

bool undo_open(struct undo *u, const struct kern_config *c);
void undo_close(struct undo *u);

/* The verdict on check `i` of the request asks for a copy. */
void undo_wanted(struct request *r, size_t i, uint64_t event);
/* Takes what is wanted. 0, or the negative errno that the call gets. */
int undo_take(struct request *r);

#endif
