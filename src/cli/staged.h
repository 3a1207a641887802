/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staged.h - what `belay diff`, `keep`, `discard` and `undo` share: which session is meant, which
 * of its paths, and how a hostile name is shown.
 */
#ifndef BELAY_CLI_STAGED_H
#define BELAY_CLI_STAGED_H

#include "base/text.h"
#include "cli/client.h"
#include "stage/changes.h"
#include "stage/stage.h"

struct staged {
    char id[SESSION_ID_MAX + 1];
    struct buf folder; /* of the session */
    struct stage stage;
    char **paths; /* below the workspace, as in struct change */
    size_t npaths;
    struct arena mem;
};

/*
 * Arguments [SESSION] [PATH...]: the first is a session when one of that name has a folder `kind`
 * (staged work, copies for undo) and no "--" stands before it; it is taken off. Without one: the
 * newest of the workspace that the current folder lies in. `folder` gets the session's.
 */
bool session_find(const char *kind, int *argc, char ***argv, char id[SESSION_ID_MAX + 1],
                  struct buf *folder, struct err *e);

/* All sessions with staged work, running or not. */
struct staged_list {
    struct arena mem;
    struct {
        const char *id, *workspace;
    } *list;
    size_t n;
};
bool staged_each(struct staged_list *l, struct err *e);
void staged_list_release(struct staged_list *l);

/* Session and paths for staged work. `change` as in stage_open(). */
bool staged_open(struct staged *x, int argc, char **argv, bool change, struct err *e);
void staged_close(struct staged *x);

/* `path` as a path below the folder `top`, without "." and ".."; NULL: it lies elsewhere. A
 * relative path starts at the current folder. */
char *staged_below(struct arena *a, const char *top, const char *path);

/* "/" and the path, safe for a terminal; "." for the workspace itself. */
void staged_put(struct buf *out, const char *path);

/*
 * At the end of a session somebody must look at what it staged, and the keeper, which ran it, may
 * open nothing by then. So a process waits for the end from before the start on: it says what to do
 * with the staged work, or removes it when there is none.
 */
struct farewell {
    pid_t pid;
    int fd; /* its end is the end of the session */
};
bool farewell_start(struct farewell *f, const char *id, const char *session, struct err *e);
/* `quiet`: the session did not run, there is nothing to say. Returns when it has been said. */
void farewell_end(struct farewell *f, bool quiet);

#endif
