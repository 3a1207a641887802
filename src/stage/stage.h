/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.h - staged work: what an agent changed in an overlay over its workspace.
 *
 * `belay run --stage` shows the agent an overlay (src/jail/overlay.h): what it writes lands in
 * `upper`, the workspace itself (`lower`) stays as it is. This library compares the two, takes
 * changes over into the workspace (keep.h) or undoes them (discard.h), and knows whether the
 * original changed meanwhile.
 *
 * It runs as the user, outside of the jail. Everything in `upper` was made by the agent and is
 * hostile: names, links, sizes, depth. The workspace may hold links that the agent had kept
 * before. So every path is opened from the folder's own descriptor with openat2(2), never
 * through a link, never out of it, never onto another file system.
 *
 * The folder of a session's staged work:
 *   workspace   path of the workspace; its time is the time of the session's start
 *   upper       what the agent made, as overlayfs keeps it (a user.overlay. name space)
 *   work        overlayfs's own
 *   journal     what was kept and dropped, see journal.h; it is locked by who changes something
 */
#ifndef BELAY_STAGE_STAGE_H
#define BELAY_STAGE_STAGE_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <time.h>

#define STAGE_FOLDER "stage" /* in the session's folder */

struct stage {
    int folder;  /* of the staged work */
    int upper;   /* what the agent made */
    int lower;   /* the workspace */
    bool cross;  /* lower has other file systems mounted in it, which belong to it */
    int journal; /* open for appending, locked; -1: read only */
    char *workspace;
    struct timespec started;
};

/* Makes SESSION/stage for a session that is about to start; `path` gets its name. */
bool stage_create(const char *session, const char *workspace, char **path, struct err *e);

/* Is there staged work in this session's folder? */
bool stage_exists(const char *session);

/*
 * Opens what stage_create() made. `change`: to keep or discard; waits for no other that does so
 * (an error), and repairs what one that was interrupted left in the workspace.
 */
bool stage_open(const char *session, bool change, struct stage *s, struct err *e);
void stage_close(struct stage *s);
/* Takes the journal of s->folder for changing s->lower, and repairs. */
bool stage_lock(struct stage *s, struct err *e);

/* Removes the folder and all that is in it. Of a session that has ended. */
bool stage_remove(const char *session, struct err *e);

/* Opens `path` below `root`: "" is root itself. Flags as open(2)'s. -1 with errno. */
int stage_open_below(int root, const char *path, int flags);
/* The folder that `path` lies in, O_PATH, and its last name. -1 with errno. */
int stage_open_parent(int root, const char *path, const char **name);
/* The same, also onto other file systems. */
int stage_open_crossing(int root, const char *path, int flags);
int stage_open_parent_crossing(int root, const char *path, const char **name);

#endif
