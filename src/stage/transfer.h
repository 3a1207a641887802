/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.h - changes carried from one tree into another, each of them whole or not at all.
 *
 * keep carries them from the staged work into the workspace; discard, while the session runs, back
 * from the workspace into what the agent sees. A file is written under a temporary name beside
 * its place and changes places with what is there (RENAME_EXCHANGE); only when what was there
 * is what was expected it goes, else the two change back. So nobody's newer work is ever lost,
 * also when it comes between the look and the change. What is removed is first moved to a
 * temporary name and looked at in the same way. Before each step the journal says what is about
 * to be done, so that an interrupted one can be put right (journal_repair).
 *
 * Never carried: device nodes, FIFOs, sockets, and files that would run with another's rights
 * (set-user-ID, set-group-ID).
 */
#ifndef BELAY_STAGE_TRANSFER_H
#define BELAY_STAGE_TRANSFER_H

#include "stage/changes.h"
#include "stage/stage.h"

#include <limits.h>

struct transfer;

/* Where a file or link comes from. */
struct source {
    int fd;                /* of a file; owned */
    off_t at;              /* where its content begins */
    struct stat st;        /* mode, size, times, owner */
    char target[PATH_MAX]; /* of a link */
};

struct transfer {
    int from, to; /* roots of the trees */
    bool cross;   /* `to` has other file systems in it, which belong to it */
    int self;     /* /proc/self/fd, from before the mounts were joined; -1: open it */
    /* Opens what a change's `after` is; NULL: it lies below `from`. NULL, or why it cannot be. */
    const char *(*open_source)(const struct transfer *t, const struct change *c, struct source *s);
    const void *source_ctx;
    const struct stage *journal; /* where steps are noted; NULL: nowhere */
    const char *changed;         /* what is said of a conflict */
    bool force;                  /* also over originals that changed */
    char *const *paths;          /* only these, and the folders that they need; 0: all */
    size_t npaths;
    /* What was not carried, and why: not an error of the whole. */
    void (*tell)(void *ctx, const struct change *c, const char *why);
    void *ctx;
    size_t done, refused; /* results */
};

/*
 * `c` says what differs: `before` is what `to` has, `after` what `from` has. False with *e when
 * it cannot go on; what is done stays done.
 */
bool transfer_changes(struct transfer *t, const struct changes *c, struct err *e);

/* For transfer.self. -1 with errno. */
int transfer_self(void);

/* For tests: called before each step that changes something; it may end the process. */
extern void (*transfer_step)(const char *what);

#endif
