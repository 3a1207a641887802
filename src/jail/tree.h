/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - from the plan's list of paths to the mounts that are really needed.
 *
 * Paths are resolved on the host without trusting links (see jail.h), sorted so that parents
 * come first, and those that change nothing against their parent are left out. Looks at the
 * host's file system, changes nothing.
 */
#ifndef BELAY_JAIL_TREE_H
#define BELAY_JAIL_TREE_H

#include "base/err.h"
#include "base/mem.h"
#include "jail/jail.h"

#include <sys/types.h>

enum node_kind {
    NODE_BIND,    /* the host's file or folder, by .access */
    NODE_STAGE,   /* an overlay over the host's folder: staged work */
    NODE_EMPTY,   /* HIDE: an empty folder, or an empty file */
    NODE_FOLDER,  /* a folder of our own that only holds mount points */
    NODE_SCRATCH, /* a writable folder of our own: /tmp */
    NODE_PROC,
    NODE_DEV,
    NODE_RESOLVER, /* resolv.conf that names the gate */
    NODE_FILE      /* a file of the plan's own content */
};

struct node {
    const char *path; /* canonical */
    enum node_kind kind;
    enum jail_access access;
    bool ours;   /* built in, not from the plan */
    bool folder; /* what stands there on the host */
    bool device;
    bool kept;                    /* plan.kept */
    bool staged;                  /* below the NODE_STAGE: part of the overlay */
    const struct jail_file *file; /* NODE_FILE */
    int source;                   /* O_PATH on the host; -1 when there is none */
    int mount;                    /* the mount's root, once made; -1 before */
    struct node *parent;
};

struct link {
    const char *path, *target;
};

struct tree {
    struct arena mem;
    struct node *nodes; /* parents before children; [0] is "/" */
    size_t n;
    int kept;           /* to the file of the plan that is kept, once made; -1 */
    struct link *links; /* to be made again inside, where their folder is ours */
    size_t nlinks;
};

bool tree_make(struct tree *t, const struct jail_plan *plan, struct err *e);
void tree_release(struct tree *t); /* closes descriptors, frees */

/* `path` relative to its ancestor, "" for itself. */
const char *tree_below(const struct node *ancestor, const char *path);
/* Nearest node at or above `path`. */
struct node *tree_nearest(const struct tree *t, const char *path);
/* Whether mount points can be made in this node. */
bool node_is_ours(const struct node *n);

#endif
