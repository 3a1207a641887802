/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as in the kernel's own walk */
#define DEPTH_MAX 128

/* A path while it is resolved: where it leads, and the links on its way. */
struct walk {
    struct tree *t;
    char path[PATH_MAX]; /* canonical so far; "" is the root */
    size_t n;
    char rest[PATH_MAX]; /* not yet walked */
    struct link links[LINKS_MAX];
    size_t nlinks;
};

static int open_nolinks(const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static bool append(struct walk *w, const char *name, size_t n)
{
    if (n + 2 > sizeof(w->path) - w->n) {
        errno = ENAMETOOLONG;
        return false;
    }
    w->path[w->n] = '/';
    memcpy(w->path + w->n + 1, name, n);
    w->n += n + 1;
    w->path[w->n] = '\0';
    return true;
}

static void up(struct walk *w)
{
    while (w->n > 0 && w->path[--w->n] != '/')
        ;
    w->path[w->n] = '\0';
}

/* w->path is a link: forgets its last name and puts its target before what is left. */
static bool follow(struct walk *w)
{
    char target[PATH_MAX], joined[PATH_MAX];
    ssize_t n = readlink(w->path, target, sizeof(target) - 1);
    int len;

    if (n < 0)
        return false;
    target[n] = '\0';
    if (w->nlinks == LINKS_MAX) {
        errno = ELOOP;
        return false;
    }
    w->links[w->nlinks].path = arena_strndup(&w->t->mem, w->path, w->n);
    w->links[w->nlinks++].target = arena_strndup(&w->t->mem, target, (size_t)n);
    len = snprintf(joined, sizeof(joined), "%s/%s", target, w->rest);
    if (len < 0 || (size_t)len >= sizeof(w->rest)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(w->rest, joined, (size_t)len + 1);
    if (target[0] == '/')
        w->n = 0;
    else
        up(w);
    w->path[w->n] = '\0';
    return true;
}

/* Name by name, as the kernel walks. False with errno. */
static bool resolve(struct walk *w, const char *path)
{
    char *rest = w->rest;
    size_t length = strlen(path);

    if (length >= sizeof(w->rest)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(rest, path, length + 1);
    while (rest[0] != '\0') {
        size_t skip = strspn(rest, "/"), n = strcspn(rest + skip, "/");
        char name[NAME_MAX + 1];
        struct stat st;
        if (n > NAME_MAX) {
            errno = ENAMETOOLONG;
            return false;
        }
        memcpy(name, rest + skip, n);
        name[n] = '\0';
        memmove(rest, rest + skip + n, strlen(rest + skip + n) + 1);
        if (n == 0 || strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            up(w);
            continue;
        }
        if (!append(w, name, n) || lstat(w->path, &st) != 0)
            return false;
        if (S_ISLNK(st.st_mode) && !follow(w))
            return false;
    }
    if (w->n == 0)
        strcpy(w->path, "/");
    return true;
}

/* What is not there, or cannot be reached by this user, cannot be reached by the agent. */
static bool absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

/* Parents before children: '/' sorts before every other byte. */
static int compare_paths(const char *a, const char *b)
{
    for (; *a != '\0' && *a == *b; a++)
        b++;
    if (*a == '\0' || *b == '\0')
        return *a == *b ? 0 : *a == '\0' ? -1 : 1;
    if (*a == '/' || *b == '/')
        return *a == '/' ? -1 : 1;
    return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    int order = compare_paths(x->path, y->path);

    if (order != 0)
        return order;
    if (x->ours != y->ours)
        return x->ours ? 1 : -1;            /* the plan's word on /tmp and /run comes first */
    return (int)x->access - (int)y->access; /* the strictest of the same path */
}

const char *tree_below(const struct node *ancestor, const char *path)
{
    size_t n = strlen(ancestor->path);

    assert(path != NULL);
    if (n == 1) /* "/" */
        return path + 1;
    if (strncmp(path, ancestor->path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return path[n] == '/' ? path + n + 1 : path + n;
}

bool node_is_ours(const struct node *n)
{
    return n->kind == NODE_FOLDER || n->kind == NODE_SCRATCH || n->kind == NODE_DEV;
}

struct node *tree_nearest(const struct tree *t, const char *path)
{
    struct node *best = &t->nodes[0];

    for (size_t i = 1; i < t->n; i++)
        if (tree_below(&t->nodes[i], path) != NULL)
            best = &t->nodes[i]; /* sorted: the later one is the deeper one */
    return best;
}

static struct node *add(struct tree *t, const char *path, enum node_kind kind, bool ours)
{
    struct node *n = &t->nodes[t->n++];

    *n = (struct node){.path = path, .kind = kind, .ours = ours, .source = -1, .mount = -1};
    return n;
}

/* The links on the way of one node; it is dropped if the agent could have placed one. */
struct detour {
    size_t first, count; /* in tree.links */
    const char *to;
};

struct maker {
    struct tree *t;
    struct detour *detours;
    size_t ndetours;
};

static bool take_links(struct maker *m, const struct walk *w, const char *to)
{
    struct tree *t = m->t;

    if (w->nlinks == 0)
        return true;
    m->detours[m->ndetours++] = (struct detour){t->nlinks, w->nlinks, to};
    t->links = xrealloc(t->links, t->nlinks + w->nlinks, sizeof(*t->links));
    memcpy(t->links + t->nlinks, w->links, w->nlinks * sizeof(*w->links));
    t->nlinks += w->nlinks;
    return true;
}

/* Fills the node from what stands at its path. False with errno. */
static bool look(struct node *n, int fd)
{
    struct stat st;

    n->source = fd;
    if (fstat(fd, &st) != 0)
        return false;
    n->folder = S_ISDIR(st.st_mode);
    n->device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
    return true;
}

static bool clean(const char *path)
{
    size_t n = strlen(path);

    return path[0] == '/' && (n == 1 || path[n - 1] != '/') && strstr(path, "//") == NULL &&
           strstr(path, "/./") == NULL && strstr(path, "/../") == NULL;
}

/* One path of the plan, or none when there is nothing. False: *e. */
static bool add_path(struct maker *m, const char *path, enum node_kind kind,
                     enum jail_access access, struct err *e)
{
    struct walk w = {.t = m->t};
    struct node *n;
    int fd;

    if (path == NULL || !clean(path))
        return err_set(e, EX_FAIL, "jail: \"%s\" is not a clean absolute path",
                       path == NULL ? "" : path);
    fd = open_nolinks(path);
    if (fd >= 0) {
        path = arena_strndup(&m->t->mem, path, strlen(path));
    } else if (errno == ELOOP && resolve(&w, path)) {
        path = arena_strndup(&m->t->mem, w.path, strlen(w.path));
        fd = open_nolinks(path);
    }
    if (fd < 0)
        return absent(errno) ? true : err_sys(e, EX_FAIL, "jail: %s", path);
    n = add(m->t, path, kind, kind != NODE_BIND);
    n->access = access;
    if (!look(n, fd))
        return err_sys(e, EX_FAIL, "jail: %s", path);
    return take_links(m, &w, path);
}

/* What is missing of a path that resolve() could not walk to its end. False with errno. */
static bool append_rest(struct walk *w)
{
    const char *at = w->rest;

    for (;;) {
        at += strspn(at, "/");
        size_t n = strcspn(at, "/");

        if (n == 0)
            return true;
        if (at[0] == '.' && (n == 1 || (n == 2 && at[1] == '.'))) {
            errno = ENOENT;
            return false;
        }
        if (!append(w, at, n))
            return false;
        at += n;
    }
}

static bool file_place_is_bad(const char *path)
{
    return path == NULL || !clean(path) || strcmp(path, "/") == 0 ||
           strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/", 5) == 0;
}

/* A file of the plan: where it is shown, whether or not something stands there. False: *e. */
static bool add_file(struct maker *m, const struct jail_file *file, bool kept, struct err *e)
{
    struct walk w = {.t = m->t};
    struct node *n;
    int fd;

    if (file_place_is_bad(file->path))
        return err_set(e, EX_FAIL, "jail: \"%s\" is no place for a file",
                       file->path == NULL ? "" : file->path);
    if (!resolve(&w, file->path) && (errno != ENOENT || !append_rest(&w)))
        return absent(errno) ? true : err_sys(e, EX_FAIL, "jail: %s", file->path);
    if (file_place_is_bad(w.path))
        return true;
    n = add(m->t, arena_strndup(&m->t->mem, w.path, w.n), NODE_FILE, true);
    n->access = JAIL_READ;
    n->file = file;
    n->kept = kept;
    fd = open_nolinks(n->path);
    if (fd >= 0 && (!look(n, fd) || n->folder))
        return err_set(e, EX_FAIL, "jail: %s is no file", n->path);
    return take_links(m, &w, n->path);
}

/* The file of the host gives way to ours. */
static bool replaces(const struct node *n)
{
    return n->kind == NODE_RESOLVER || n->kind == NODE_FILE;
}

static bool collect(struct maker *m, const struct jail_plan *plan, struct err *e)
{
    struct tree *t = m->t;

    add(t, "/", NODE_FOLDER, true)->folder = true;
    add(t, "/proc", NODE_PROC, true)->folder = true;
    add(t, "/dev", NODE_DEV, true)->folder = true;
    add(t, "/tmp", NODE_SCRATCH, true)->folder = true;
    add(t, "/run", NODE_FOLDER, true)->folder = true;
    for (size_t i = 0; i < plan->nmounts; i++)
        if (!add_path(m, plan->mounts[i].path, NODE_BIND, plan->mounts[i].access, e))
            return false;
    for (size_t i = 0; i < plan->nfiles; i++)
        if (!add_file(m, &plan->files[i], false, e))
            return false;
    if (plan->kept != NULL && !add_file(m, plan->kept, true, e))
        return false;
    return !plan->net || add_path(m, "/etc/resolv.conf", NODE_RESOLVER, JAIL_READ, e);
}

static void forget(struct node *n)
{
    mem_auto_close(&n->source);
    n->source = -1;
}

/* Whether node n, below p, would change anything. */
static bool matters(const struct node *n, const struct node *p)
{
    if (n->ours || n->kind == NODE_STAGE)
        return true;
    if (p->kind == NODE_PROC)
        return n->access == JAIL_HIDE;
    if (node_is_ours(p))
        return n->access != JAIL_HIDE;
    return n->access != p->access || (p->kind != NODE_BIND && p->kind != NODE_STAGE);
}

/* The same path twice: the plan's strictest word, but /proc and /dev are always ours. */
static bool repeats(const struct node *n, const struct node *prev)
{
    return prev != NULL && strcmp(n->path, prev->path) == 0;
}

static struct node *ancestor_of(const struct tree *t, const char *path, size_t upto)
{
    for (size_t i = upto; i-- > 0;)
        if (tree_below(&t->nodes[i], path) != NULL)
            return &t->nodes[i];
    return NULL;
}

/* Keeps what matters, in place; links nodes to their parents. */
static void prune(struct tree *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->n; i++) {
        struct node n = t->nodes[i];
        struct node *prev = kept > 0 ? &t->nodes[kept - 1] : NULL;
        bool fixed = strcmp(n.path, "/proc") == 0 || strcmp(n.path, "/dev") == 0;

        if (kept > 0)
            n.parent = ancestor_of(t, n.path, kept);
        if ((fixed && !n.ours) || (repeats(&n, prev) && !replaces(&n)) ||
            (n.parent != NULL && !matters(&n, n.parent))) {
            forget(&n);
            continue;
        }
        if (replaces(&n) && repeats(&n, prev)) {
            forget(prev);
            n.parent = prev->parent;
            kept--;
        }
        n.staged = n.parent != NULL && (n.parent->kind == NODE_STAGE || n.parent->staged);
        if (n.kind == NODE_BIND && n.access == JAIL_HIDE)
            n.kind = n.path[1] == '\0' ? NODE_FOLDER : NODE_EMPTY;
        if (n.parent != NULL && n.parent->kind == NODE_EMPTY)
            n.parent->kind = NODE_FOLDER; /* something below it is shown after all */
        t->nodes[kept++] = n;
    }
    t->n = kept;
}

/* JAIL_READ and JAIL_WRITE may not pass through a link that the agent could have placed. */
static void drop_detours(struct maker *m)
{
    struct tree *t = m->t;

    for (size_t d = 0; d < m->ndetours; d++) {
        bool writable = false;
        for (size_t i = 0; i < m->detours[d].count; i++) {
            const char *at = t->links[m->detours[d].first + i].path;
            const struct node *near = ancestor_of(t, at, t->n);
            writable |= near != NULL && !near->ours && near->access == JAIL_WRITE;
        }
        for (size_t i = 0; writable && i < t->n; i++)
            if (t->nodes[i].path == m->detours[d].to && t->nodes[i].access != JAIL_HIDE) {
                forget(&t->nodes[i]);
                memmove(&t->nodes[i], &t->nodes[i + 1], (t->n - i - 1) * sizeof(t->nodes[0]));
                t->n--;
                break;
            }
    }
}

/* The staged folder is what the plan shows there, as an overlay. */
static bool mark_stage(struct maker *m, const char *path, struct err *e)
{
    struct tree *t = m->t;
    struct node *around = path != NULL ? ancestor_of(t, path, t->n) : NULL;
    enum jail_access access;

    if (path == NULL)
        return true;
    while (around != NULL && around > t->nodes && strcmp(around[-1].path, around->path) == 0)
        around--; /* of several words on one path the strictest comes first, and holds */
    access = around != NULL ? around->access : JAIL_HIDE;
    if (access == JAIL_HIDE || around->ours)
        return err_set(e, EX_POLICY,
                       "--stage: the policy does not show %s to the agent, so there is nothing to "
                       "stage",
                       path);
    if (strcmp(around->path, path) != 0) {
        size_t at = (size_t)(around - t->nodes) + 1, before = t->n;
        if (!add_path(m, path, NODE_BIND, access, e))
            return false;
        if (t->n == before)
            return err_set(e, EX_FAIL, "--stage: %s is not there", path);
        struct node made = t->nodes[before];
        memmove(&t->nodes[at + 1], &t->nodes[at], (before - at) * sizeof(*t->nodes));
        t->nodes[at] = made;
        around = &t->nodes[at];
    }
    around->kind = NODE_STAGE;
    return true;
}

bool tree_make(struct tree *t, const struct jail_plan *plan, struct err *e)
{
    struct maker m = {.t = t};

    *t = (struct tree){.kept = -1};
    if (plan->nmounts > JAIL_MOUNTS_MAX)
        return err_set(e, EX_POLICY, "the policy needs %zu mounts, more than %d", plan->nmounts,
                       JAIL_MOUNTS_MAX);
    t->nodes = arena_alloc(&t->mem, (plan->nmounts + plan->nfiles + 8) * sizeof(*t->nodes));
    m.detours = arena_alloc(&t->mem, (plan->nmounts + plan->nfiles + 3) * sizeof(*m.detours));
    if (!collect(&m, plan, e)) {
        tree_release(t);
        return false;
    }
    qsort(t->nodes, t->n, sizeof(*t->nodes), compare_nodes);
    drop_detours(&m);
    if (!mark_stage(&m, plan->stage.path, e)) {
        tree_release(t);
        return false;
    }
    prune(t);
    assert(t->n > 0 && strcmp(t->nodes[0].path, "/") == 0);
    return true;
}

void tree_release(struct tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        mem_auto_close(&t->nodes[i].source);
        mem_auto_close(&t->nodes[i].mount);
    }
    mem_auto_close(&t->kept);
    free(t->links);
    arena_release(&t->mem);
    *t = (struct tree){.kept = -1};
}
