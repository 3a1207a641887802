/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without recursion and without paths, which an agent can make as deep as it likes: a folder
 * that is found in another one moves up to the top and waits there for its turn.
 */
#include "stage/remove.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct removal {
    int top;           /* what is removed; everything in it is removed in turn */
    uint64_t lifted;   /* folders that moved up so far: makes their names */
    bool found_folder; /* in this round */
};

static int open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 || errno != EACCES)
        return fd;
    /* It is the user's own; chmod follows links, so first make sure that it is none. */
    AUTO_CLOSE int held = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char self[32];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", held);
    if (held < 0 || chmod(self, 0700) != 0)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A folder in a folder of the top: up with it, unless it goes at once. */
static bool lift(struct removal *r, int from, const char *name)
{
    char to[32];

    r->found_folder = true;
    if (unlinkat(from, name, AT_REMOVEDIR) == 0)
        return true;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return false;
    AUTO_CLOSE int mine = open_folder(from, name); /* a move changes its "..": needs its rights */
    do {
        (void)snprintf(to, sizeof(to), "belay-%" PRIu64, r->lifted++);
    } while (faccessat(r->top, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    return mine >= 0 && renameat(from, name, r->top, to) == 0;
}

/* Everything in one folder of the top; `self`: the top itself. */
static bool empty_folder(struct removal *r, int fd, bool self)
{
    DIR *d = fdopendir(fd);
    bool ok = d != NULL;

    if (d == NULL) {
        (void)close(fd);
        return false;
    }
    for (struct dirent *e; ok && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0)
            continue;
        if (errno != EISDIR && errno != EPERM) {
            ok = false;
        } else if (!self) {
            ok = lift(r, dirfd(d), e->d_name);
        } else {
            r->found_folder = true;
            int below = open_folder(r->top, e->d_name);
            ok = below >= 0 && empty_folder(r, below, false) &&
                 (unlinkat(r->top, e->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT);
        }
    }
    int error = errno;
    (void)closedir(d);
    errno = error;
    return ok;
}

bool remove_tree(int parent, const char *name, struct err *e)
{
    AUTO_CLOSE int top = open_folder(parent, name);
    struct removal r = {.top = top};

    if (top < 0)
        return err_sys(e, EX_FAIL, "%s: cannot be removed", name);
    do {
        int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r.found_folder = false;
        if (again < 0 || !empty_folder(&r, again, true))
            return err_sys(e, EX_FAIL, "%s: something in it cannot be removed", name);
    } while (r.found_folder);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0)
        return err_sys(e, EX_FAIL, "%s: cannot be removed", name);
    return true;
}
