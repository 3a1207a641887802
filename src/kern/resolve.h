/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.h - from a path in a task's words to the thing itself, held by a descriptor.
 *
 * The agent's tasks and kern share a mount namespace and a root; what differs is where a
 * relative path starts, and what /proc/self means. A path is resolved once; what is judged,
 * opened or changed afterwards is what the descriptors hold, so that nothing the agent does to
 * the path, to a symbolic link or to a directory's entries can make it another thing.
 *
 * The kernel resolves (openat2(2), without magic links). Only where that fails does a walk of
 * our own run, part by part over held directories: it knows what /proc/self means to the task,
 * and follows magic links (/proc/self/fd/N, cwd, exe) of the task itself and of nobody else.
 */
#ifndef BELAY_KERN_RESOLVE_H
#define BELAY_KERN_RESOLVE_H

#include "base/mem.h"
#include "kern/parse.h"

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

/* What kern holds all the time to look at the world. */
struct view {
    int proc;    /* the procfs in which tasks have the pids that kern knows */
    int self_fd; /* PROC/self/fd: names of kern's own descriptors; also its working directory */
    int root;    /* the agent's root, O_PATH */
    dev_t root_dev;
    ino_t root_ino;
};

/* 0 or -errno. Changes the working directory to self_fd. */
int view_open(struct view *v, int proc);
void view_close(struct view *v);
/* Has this task kern's root? A task elsewhere is refused: its paths would mean other things. */
bool view_same_root(const struct view *v, pid_t tid);
/* The canonical path of what a descriptor holds, zero-terminated. Length or -errno; a thing
 * without a path (a pipe, a socket, a file outside the root) has -EXDEV. */
ssize_t view_path(const struct view *v, int fd, char path[PATH_MAX]);
/* Opens the very thing that `fd` (O_PATH) holds. Descriptor or -errno. */
int view_reopen(const struct view *v, int fd, int flags);
/* Is it on a procfs? */
bool view_on_proc(int fd);

/* A task as the resolver needs it. */
struct walker {
    const struct view *view;
    pid_t tid;
    struct status *ids; /* read when first needed: tgid 0 until then */
};

/* Its pids; NULL when the task is gone. */
const struct status *walker_ids(const struct walker *w);

/* An entry of a directory, and the thing in it, if there is one. */
struct place {
    int parent;              /* O_PATH; -1 when the thing was reached by a magic link */
    int object;              /* O_PATH, the thing, not followed; -1: there is none */
    struct stat st;          /* of object */
    char name[NAME_MAX + 2]; /* the entry, with the slash that stood behind it, if any */
    bool dots;               /* the name is "", "." or ".."; no entry can be made or removed */
    char path[PATH_MAX];     /* canonical, of the object or of what would be made */
};

void place_init(struct place *p);
void place_clear(struct place *p); /* closes; also a cleanup function */
/* Is `path` still what the descriptors mean? False after a rename of something above. */
bool place_unmoved(const struct view *v, const struct place *p);
/* Does the entry still hold the very object, or nothing, that was found there? */
bool place_same_entry(const struct place *p);

/*
 * The object that `path` names, as O_PATH. `flags`: O_NOFOLLOW, O_DIRECTORY. `resolve`: as
 * openat2's, 0 for other calls. Descriptor or -errno. An empty path is -ENOENT.
 */
int resolve_object(const struct walker *w, int dirfd, const char *path, int flags,
                   uint64_t resolve);

/* The entry that `path` names; a symbolic link in last place is not followed. 0 or -errno;
 * a missing entry is no error, a missing parent is. */
int resolve_entry(const struct walker *w, int dirfd, const char *path, uint64_t resolve,
                  struct place *p);

/* As resolve_entry, but a symbolic link in last place is followed, also to where nothing is
 * yet: what open(2) with O_CREAT means. */
int resolve_target(const struct walker *w, int dirfd, const char *path, struct place *p);

/* Fills p from a descriptor that the task gave (AT_EMPTY_PATH): dirfd or AT_FDCWD. */
int resolve_fd(const struct walker *w, int dirfd, struct place *p);

/* Takes the object into p and finds its path. 0 or -errno; the descriptor is taken always. */
int place_take(const struct view *v, int object, struct place *p);

#endif
