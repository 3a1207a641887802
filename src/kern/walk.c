/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX     40 /* as the kernel's MAXSYMLINKS */
#define PROC_ROOT_INO 1  /* inode of a procfs's root (include/linux/proc_ns.h) */

struct path_walk {
    const struct walker *w;
    int at;         /* O_PATH, where the walk stands; owned */
    unsigned links; /* followed so far */
    char *rest;     /* what is still to walk: the end of text */
    char text[2 * PATH_MAX];
};

/* Puts more path before the rest. */
static int prepend(struct path_walk *p, const char *s, size_t n, bool slash)
{
    if ((size_t)(p->rest - p->text) < n + 1)
        return -ENAMETOOLONG;
    if (slash)
        *--p->rest = '/';
    p->rest -= n;
    memcpy(p->rest, s, n);
    return 0;
}

static void move_to(struct path_walk *p, int fd)
{
    (void)close(p->at);
    p->at = fd;
}

static int follow_text(struct path_walk *p, const char *text, size_t n, bool slash)
{
    if (n == 0)
        return -ENOENT;
    int error = prepend(p, text, n, slash);
    if (error != 0 || text[0] != '/')
        return error;
    int root = fcntl(p->w->view->root, F_DUPFD_CLOEXEC, 0);
    if (root < 0)
        return -errno;
    move_to(p, root);
    return 0;
}

static bool is_proc_root(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INO;
}

/* Does the procfs folder that the walk stands in belong to the task's own process? */
static bool is_own_proc(const struct path_walk *p)
{
    char path[PATH_MAX], own[32];
    const struct status *ids = walker_ids(p->w);

    if (ids == NULL)
        return false;
    int n = snprintf(own, sizeof(own), "/proc/%d", (int)ids->inner_tgid);
    return view_path(p->w->view, p->at, path) >= 0 && strncmp(path, own, (size_t)n) == 0 &&
           (path[n] == '/' || path[n] == '\0');
}

static bool is_magic(int folder, const char *name)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));

    if (fd >= 0)
        (void)close(fd);
    return fd < 0 && errno == ELOOP;
}

/*
 * A link on a procfs. 0: followed as text; 1: *object is what a magic link led to; or -errno.
 * `self` is answered from the task's pids, since kern is not in its pid namespace.
 */
static int follow_proc(struct path_walk *p, const char *name, int link, bool slash, int *object)
{
    char text[PATH_MAX];
    const struct status *ids = walker_ids(p->w);
    int n = -1;

    if (ids == NULL)
        return -ESRCH;
    if (is_proc_root(p->at) && strcmp(name, "self") == 0)
        n = snprintf(text, sizeof(text), "%d", (int)ids->inner_tgid);
    else if (is_proc_root(p->at) && strcmp(name, "thread-self") == 0)
        n = snprintf(text, sizeof(text), "%d/task/%d", (int)ids->inner_tgid, (int)ids->inner_tid);
    if (n >= 0)
        return follow_text(p, text, (size_t)n, slash);
    if (is_magic(p->at, name)) {
        if (!is_own_proc(p))
            return -EACCES;
        *object = openat(p->at, name, O_PATH | O_CLOEXEC);
        return *object >= 0 ? 1 : -errno;
    }
    ssize_t k = readlinkat(link, "", text, sizeof(text));
    return k < 0 ? -errno : follow_text(p, text, (size_t)k, slash);
}

static int follow_link(struct path_walk *p, const char *name, int link, bool slash, int *object)
{
    char text[PATH_MAX];

    if (++p->links > LINKS_MAX)
        return -ELOOP;
    if (view_on_proc(link))
        return follow_proc(p, name, link, slash, object);
    ssize_t n = readlinkat(link, "", text, sizeof(text));
    return n < 0 ? -errno : follow_text(p, text, (size_t)n, slash);
}

/* Takes the next part off the rest. 1: taken, 0: nothing is left, or -errno. */
static int next_part(struct path_walk *p, char name[NAME_MAX + 1], bool *last, bool *slash)
{
    while (*p->rest == '/')
        p->rest++;
    size_t n = strcspn(p->rest, "/");
    if (n == 0)
        return 0;
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, p->rest, n);
    name[n] = '\0';
    p->rest += n;
    *slash = *p->rest == '/';
    while (*p->rest == '/')
        p->rest++;
    *last = *p->rest == '\0';
    return 1;
}

/* What one step led to. */
enum arrived { GO_ON, ARRIVED };

static int arrive(struct path_walk *p, int parent, int object, const char *name, bool slash,
                  struct walked *out)
{
    (void)p;
    out->parent = parent;
    out->object = object;
    out->slash = slash;
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    return ARRIVED;
}

/* One part. GO_ON, ARRIVED, or -errno. */
static int step(struct path_walk *p, bool follow, struct walked *out)
{
    char name[NAME_MAX + 1];
    bool last = true, slash = false;
    struct stat st;

    int got = next_part(p, name, &last, &slash);
    if (got < 0)
        return got;
    if (got == 0)
        return arrive(p, -1, fcntl(p->at, F_DUPFD_CLOEXEC, 0), ".", false, out);
    AUTO_CLOSE int fd = openat(p->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno != ENOENT || !last))
        return -errno;
    if (fd < 0)
        return arrive(p, fcntl(p->at, F_DUPFD_CLOEXEC, 0), -1, name, slash, out);
    if (fstat(fd, &st) != 0)
        return -errno;
    if (S_ISLNK(st.st_mode) && (!last || follow || slash)) {
        int object = -1;
        int how = follow_link(p, name, fd, slash, &object);

        if (how <= 0)
            return how;
        if (last)
            return arrive(p, -1, object, name, slash, out);
        move_to(p, object);
        return GO_ON;
    }
    if (last)
        return arrive(p, fcntl(p->at, F_DUPFD_CLOEXEC, 0), fd_take(&fd), name, slash, out);
    move_to(p, fd_take(&fd));
    return GO_ON;
}

int walk(const struct walker *w, int base, const char *path, bool follow, struct walked *out)
{
    struct path_walk p = {.w = w, .links = 0};
    size_t n = strlen(path);
    int how = GO_ON;

    *out = (struct walked){.parent = -1, .object = -1};
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    p.rest = p.text + sizeof(p.text) - 1;
    *p.rest = '\0';
    if (prepend(&p, path, n, false) != 0)
        return -ENAMETOOLONG;
    p.at = fcntl(base, F_DUPFD_CLOEXEC, 0);
    if (p.at < 0)
        return -errno;
    while (how == GO_ON)
        how = step(&p, follow, out);
    (void)close(p.at);
    return how == ARRIVED ? 0 : how;
}
