/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes.h - what differs between the workspace and what the agent made of it.
 *
 * A file that overlayfs copied up only because its mode or times were touched, and is as it was,
 * is no change. A folder in the place of something else, or the other way round, is a deletion and
 * an addition. What a removed folder held is listed one by one, so that each can be kept, dropped,
 * or found changed.
 *
 * Has the original changed since the agent first touched it? Overlayfs copies a file up when it
 * is first touched, and the copy's time of birth is then; so the original must not have changed
 * (ctime) since. Where the birth time says less (what stands in a folder that was removed and
 * made again; file systems without birth times) the session's start takes its place, which is
 * stricter. All marks of deletions share one inode, so a deletion counts from the session's
 * first on. What belay itself did to the original is known from the journal. Not seen: changes
 * while the clock of the machine was set back; a folder that was put in another's place, holds
 * older files of the same names, and in which something was changed thereafter.
 */
#ifndef BELAY_STAGE_CHANGES_H
#define BELAY_STAGE_CHANGES_H

#include "stage/sig.h"
#include "stage/stage.h"

#define CHANGES_MAX 1000000

enum change_kind { CHANGE_DELETED, CHANGE_ADDED, CHANGE_CONTENT, CHANGE_MODE };

#define NO_TWIN SIZE_MAX

struct change {
    const char *path; /* below the workspace; "" is the workspace itself */
    enum change_kind kind;
    bool conflict;             /* the original changed since the agent first touched it */
    struct stat before, after; /* st_mode is 0 for what is not there */
    size_t twin;               /* the other half of a rename: a deletion and an addition */
};

/* What could not be looked at. */
struct unseen {
    const char *path;
    int error; /* errno */
};

struct changes {
    struct arena mem;
    struct change *list; /* by path; a deletion before an addition of the same path */
    size_t n, room;
    struct unseen *unseen;
    size_t nunseen, unseen_room;
};

/* Finds all changes. False: nothing can be compared. */
bool changes_find(const struct stage *s, struct changes *c, struct err *e);
void changes_release(struct changes *c);
/* Into the order of struct changes. */
void changes_sort(struct changes *c);
/* Pairs deletions and additions of files with the same content. Reads them. */
void changes_find_renames(const struct stage *s, struct changes *c);

/* Is `path` one of these, or below one? None means all. Paths as in struct change. */
bool change_selected(const char *path, char *const *selected, size_t n);

/* Same bytes? Holes are not read. -1: cannot be read. */
int content_same(int a, int b);
/* The same for `size` bytes of a, from `start` on, and the first of b. */
int content_same_part(int a, off_t start, int b, off_t size);

#endif
