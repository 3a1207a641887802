/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/resolve.h"

#include "kern/tracee.h"
#include "kern/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int view_open(struct view *v, int proc)
{
    struct stat st;

    *v = (struct view){.proc = proc, .self_fd = -1, .root = -1};
    v->self_fd = openat(proc, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    v->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (v->self_fd < 0 || v->root < 0 || fstat(v->root, &st) != 0 || fchdir(v->self_fd) != 0) {
        int error = errno;
        view_close(v);
        return -error;
    }
    v->root_dev = st.st_dev;
    v->root_ino = st.st_ino;
    return 0;
}

void view_close(struct view *v)
{
    mem_auto_close(&v->self_fd);
    mem_auto_close(&v->root);
}

bool view_same_root(const struct view *v, pid_t tid)
{
    char path[32];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%d/root", (int)tid);
    return fstatat(v->proc, path, &st, 0) == 0 && st.st_dev == v->root_dev &&
           st.st_ino == v->root_ino;
}

ssize_t view_path(const struct view *v, int fd, char path[PATH_MAX])
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", fd);
    ssize_t n = readlinkat(v->self_fd, name, path, PATH_MAX);
    if (n < 0)
        return -errno;
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    path[n] = '\0';
    return path[0] == '/' ? n : -EXDEV;
}

int view_reopen(const struct view *v, int fd, int flags)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", fd);
    int got = openat(v->self_fd, name, flags | O_CLOEXEC | O_NOCTTY);
    return got >= 0 ? got : -errno;
}

bool view_on_proc(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

const struct status *walker_ids(const struct walker *w)
{
    if (w->ids->tgid == 0 && tracee_status(w->view->proc, w->tid, w->ids) != 0)
        return NULL;
    return w->ids;
}

void place_init(struct place *p)
{
    p->parent = p->object = -1;
    p->name[0] = p->path[0] = '\0';
    p->dots = false;
    memset(&p->st, 0, sizeof(p->st));
}

void place_clear(struct place *p)
{
    mem_auto_close(&p->parent);
    mem_auto_close(&p->object);
    p->parent = p->object = -1;
}

/* The path of an entry that may not exist: its folder's and its name. */
static int entry_path(const struct view *v, const struct place *p, char path[PATH_MAX])
{
    ssize_t n = view_path(v, p->parent, path);
    size_t k = strcspn(p->name, "/");

    if (n < 0)
        return (int)n;
    if (n == 1)
        n = 0; /* the root: its path ends in the slash that is added here */
    if ((size_t)n + 1 + k >= PATH_MAX)
        return -ENAMETOOLONG;
    path[n] = '/';
    memcpy(path + n + 1, p->name, k);
    path[(size_t)n + 1 + k] = '\0';
    return 0;
}

static int find_path(const struct view *v, const struct place *p, char path[PATH_MAX])
{
    if (p->object < 0)
        return entry_path(v, p, path);
    ssize_t n = view_path(v, p->object, path);
    return n < 0 ? (int)n : 0;
}

bool place_unmoved(const struct view *v, const struct place *p)
{
    char now[PATH_MAX];

    return find_path(v, p, now) == 0 && strcmp(now, p->path) == 0;
}

bool place_same_entry(const struct place *p)
{
    struct stat st;
    int rc = fstatat(p->parent, p->name, &st, AT_SYMLINK_NOFOLLOW);

    if (p->object < 0)
        return rc != 0 && errno == ENOENT;
    return rc == 0 && st.st_ino == p->st.st_ino && st.st_dev == p->st.st_dev;
}

int place_take(const struct view *v, int object, struct place *p)
{
    p->object = object;
    if (fstat(object, &p->st) != 0)
        return -errno;
    int error = find_path(v, p, p->path);
    if (error == -EXDEV) { /* a pipe, a socket: no path, and no need of one */
        p->path[0] = '\0';
        return 0;
    }
    return error;
}

/* Where a relative path starts; the caller closes it when *own. */
static int base_of(const struct walker *w, int dirfd, const char *path, uint64_t resolve, bool *own)
{
    *own = false;
    if (path[0] == '/' && (resolve & RESOLVE_IN_ROOT) == 0)
        return w->view->root;
    *own = true;
    if (dirfd == AT_FDCWD)
        return tracee_open(w->view->proc, w->tid, "cwd", O_PATH);
    return tracee_fd(w->view->proc, w->tid, dirfd);
}

static int kernel_open(int base, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
                           .resolve = resolve | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, base, path, &how, sizeof(how));

    return fd >= 0 ? fd : -errno;
}

/*
 * Must our own walk have the last word? The kernel, as kern, stumbles over /proc/self (ENOENT)
 * and magic links (ELOOP), or finds kern's own self where they share a procfs. A caller's own
 * limits on resolving leave no second try.
 */
static bool worth_walking(int fd, uint64_t resolve)
{
    return resolve == 0 && (fd == -ENOENT || fd == -ELOOP || (fd >= 0 && view_on_proc(fd)));
}

static int refuse_limited_proc(int fd, uint64_t resolve)
{
    if (fd < 0 || resolve == 0 || !view_on_proc(fd))
        return fd;
    (void)close(fd);
    return -EACCES;
}

int resolve_object(const struct walker *w, int dirfd, const char *path, int flags, uint64_t resolve)
{
    bool own;

    if (path[0] == '\0')
        return -ENOENT;
    int base = base_of(w, dirfd, path, resolve, &own);
    if (base < 0)
        return base;
    int fd = kernel_open(base, path, flags & (O_NOFOLLOW | O_DIRECTORY), resolve);
    fd = refuse_limited_proc(fd, resolve);
    if (worth_walking(fd, resolve)) {
        struct walked found;
        if (fd >= 0)
            (void)close(fd);
        int error = walk(w, base, path, (flags & O_NOFOLLOW) == 0, &found);

        fd = error != 0 ? error : found.object >= 0 ? found.object : -ENOENT;
        mem_auto_close(&found.parent);
    }
    if (own)
        (void)close(base);
    return fd;
}

/* Splits off the last part: *name points to it, *folder gets what is before it (or "." or "/").
 * False: too long. */
static bool split(const char *path, char folder[PATH_MAX], const char **name, size_t *n)
{
    size_t end = strlen(path), start;

    if (end >= PATH_MAX)
        return false;
    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    *name = path + start;
    *n = end - start;
    if (start == 0) {
        (void)snprintf(folder, PATH_MAX, "%s", end == 0 && path[0] == '/' ? "/" : ".");
    } else {
        memcpy(folder, path, start);
        folder[start] = '\0';
    }
    return *n <= NAME_MAX;
}

static bool is_dots(const char *name, size_t n)
{
    return n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.');
}

static void set_name(struct place *p, const char *name, size_t n, bool slash)
{
    memcpy(p->name, name, n);
    if (n == 0) /* only slashes: the root itself */
        p->name[n++] = '/';
    else if (slash)
        p->name[n++] = '/';
    p->name[n] = '\0';
}

/* Looks at the entry in the folder that p->parent holds. */
static int look(const struct view *v, struct place *p, const char *name, size_t n, bool slash)
{
    p->dots = is_dots(name, n);
    set_name(p, name, n, false);
    int fd = openat(p->parent, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    set_name(p, name, n, slash);
    if (fd >= 0)
        return place_take(v, fd, p);
    return error == ENOENT ? entry_path(v, p, p->path) : -error;
}

static int from_walk(const struct walker *w, int base, const char *path, bool follow,
                     struct place *p)
{
    struct walked found;
    int error = walk(w, base, path, follow, &found);

    if (error != 0)
        return error;
    p->parent = found.parent;
    p->dots = is_dots(found.name, strlen(found.name));
    set_name(p, found.name, strlen(found.name), found.slash);
    return found.object >= 0 ? place_take(w->view, found.object, p)
                             : entry_path(w->view, p, p->path);
}

int resolve_entry(const struct walker *w, int dirfd, const char *path, uint64_t resolve,
                  struct place *p)
{
    char folder[PATH_MAX];
    const char *name;
    size_t n;
    bool own;
    int error;

    place_init(p);
    if (path[0] == '\0')
        return -ENOENT;
    if (!split(path, folder, &name, &n))
        return -ENAMETOOLONG;
    int base = base_of(w, dirfd, path, resolve, &own);
    if (base < 0)
        return base;
    int parent = refuse_limited_proc(kernel_open(base, folder, O_DIRECTORY, resolve), resolve);
    if (worth_walking(parent, resolve)) {
        if (parent >= 0)
            (void)close(parent);
        error = from_walk(w, base, path, false, p);
    } else if (parent < 0) {
        error = parent;
    } else {
        p->parent = parent;
        error = look(w->view, p, name, n, name[n] == '/');
    }
    if (own)
        (void)close(base);
    return error;
}

int resolve_target(const struct walker *w, int dirfd, const char *path, struct place *p)
{
    bool own;

    place_init(p);
    int base = base_of(w, dirfd, path, 0, &own);
    if (base < 0)
        return base;
    int error = from_walk(w, base, path, true, p);
    if (own)
        (void)close(base);
    return error;
}

int resolve_fd(const struct walker *w, int dirfd, struct place *p)
{
    place_init(p);
    int fd = dirfd == AT_FDCWD ? tracee_open(w->view->proc, w->tid, "cwd", O_PATH)
                               : tracee_fd(w->view->proc, w->tid, dirfd);
    return fd < 0 ? fd : place_take(w->view, fd, p);
}
