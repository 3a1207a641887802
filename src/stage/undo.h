/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undo.h - what a session changed, restored from the copies that kern took (src/policy/undo.h).
 *
 * kern reads hostile bytes and may have been taken over, so nothing in its file is trusted: paths
 * are clean or refused, lengths lie in the file, and restoring is a transfer like any other:
 * atomic, through no link, never over what changed since unasked. What the session had for
 * itself (its /tmp) is left out by the device that it lies on.
 */
#ifndef BELAY_STAGE_UNDO_H
#define BELAY_STAGE_UNDO_H

#include "policy/undo.h"
#include "stage/transfer.h"

struct undo_entry {
    const char *path; /* below "/" */
    struct undo_head head;
    off_t content;
};

struct undo_list {
    struct arena mem;
    struct undo_entry *list; /* by path */
    size_t n;
};

/* Reads the file of copies. False: *e says what is wrong with it. */
bool undo_read(int copies, struct undo_list *u, struct err *e);
void undo_release(struct undo_list *u);
const struct undo_entry *undo_find(const struct undo_list *u, const char *path);

/*
 * What differs now from what the copies say, as changes of the tree below `root` ("/"). `ended`:
 * when the session ended, NULL while it runs; what changed later, and everything while it runs,
 * is a conflict. `elsewhere` counts entries of places that are the jail's own.
 */
bool undo_changes(const struct undo_list *u, int root, int copies, const struct timespec *ended,
                  struct changes *c, size_t *elsewhere);

/* For transfer.open_source; transfer.source_ctx is a struct undo_source. */
struct undo_source {
    const struct undo_list *list;
    int copies;
};
const char *undo_open_source(const struct transfer *t, const struct change *c, struct source *s);

#endif
