/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static off_t round_up(off_t n)
{
    return (n + UNDO_BLOCK - 1) / UNDO_BLOCK * UNDO_BLOCK;
}

/* Absolute, and nothing in it that would lead elsewhere than it says. */
static bool is_clean(const char *path, size_t n)
{
    if (n < 2 || path[0] != '/' || memchr(path, '\0', n) != NULL)
        return false;
    for (size_t at = 1; at <= n;) {
        size_t k = 0;
        while (at + k < n && path[at + k] != '/')
            k++;
        if (k == 0 || k > NAME_MAX || (k == 1 && path[at] == '.') ||
            (k == 2 && path[at] == '.' && path[at + 1] == '.'))
            return false;
        at += k + 1;
    }
    return true;
}

static bool is_sound(const struct undo_head *h, off_t at, off_t size)
{
    off_t content = at + round_up((off_t)sizeof(*h) + h->path);

    return h->path < PATH_MAX && h->size >= 0 && h->size <= UNDO_SIZE_MAX &&
           content <= UNDO_TOTAL_MAX && at + (off_t)sizeof(*h) + h->path <= size &&
           h->mtime_ns >= 0 && h->mtime_ns < 1000000000 &&
           (S_ISREG(h->mode) || S_ISLNK(h->mode) ? true : h->size == 0) &&
           (!S_ISLNK(h->mode) || (h->size > 0 && h->size < PATH_MAX));
}

/* The entry at `at`. 1: there is one, 0: it was the last, -1: malformed. */
static int read_entry(int copies, off_t at, off_t size, struct arena *a, struct undo_entry *x)
{
    char path[PATH_MAX];
    struct undo_head *h = &x->head;
    ssize_t n = pread(copies, h, sizeof(*h), at);

    if (n < (ssize_t)sizeof(*h) || h->magic == 0)
        return 0;
    if (h->magic != UNDO_MAGIC || !is_sound(h, at, size) ||
        pread(copies, path, h->path, at + (off_t)sizeof(*h)) != (ssize_t)h->path ||
        !is_clean(path, h->path))
        return -1;
    x->path = arena_strndup(a, path + 1, h->path - 1);
    x->content = at + round_up((off_t)sizeof(*h) + h->path);
    return 1;
}

static int by_path(const void *a, const void *b)
{
    const struct undo_entry *x = a, *y = b;

    return strcmp(x->path, y->path);
}

bool undo_read(int copies, struct undo_list *u, struct err *e)
{
    struct stat st;
    size_t room = 0;
    int got = 1;

    *u = (struct undo_list){.n = 0};
    if (fstat(copies, &st) != 0)
        return err_sys(e, EX_FAIL, "the copies for undo");
    for (off_t at = 0; got == 1 && u->n < CHANGES_MAX;) {
        if (u->n == room) {
            room = room == 0 ? 64 : room * 2;
            u->list = xrealloc(u->list, room, sizeof(*u->list));
        }
        struct undo_entry *x = &u->list[u->n];
        got = read_entry(copies, at, st.st_size, &u->mem, x);
        if (got != 1)
            break;
        at = x->content + round_up(x->head.size);
        u->n++;
    }
    if (u->n > 1)
        qsort(u->list, u->n, sizeof(*u->list), by_path);
    for (size_t i = 1; i < u->n; i++)
        if (strcmp(u->list[i - 1].path, u->list[i].path) == 0)
            got = -1;
    if (got >= 0)
        return true;
    undo_release(u);
    return err_set(e, EX_FAIL, "the file of copies for undo is damaged");
}

void undo_release(struct undo_list *u)
{
    free(u->list);
    arena_release(&u->mem);
    *u = (struct undo_list){.n = 0};
}

const struct undo_entry *undo_find(const struct undo_list *u, const char *path)
{
    const struct undo_entry key = {.path = path};

    return u->n == 0 ? NULL : bsearch(&key, u->list, u->n, sizeof(*u->list), by_path);
}

const char *undo_open_source(const struct transfer *t, const struct change *c, struct source *s)
{
    const struct undo_source *from = t->source_ctx;
    const struct undo_entry *x = undo_find(from->list, c->path);

    s->fd = -1;
    if (x == NULL)
        return "there is no copy of it";
    s->st = c->after;
    s->at = x->content;
    if (S_ISLNK(x->head.mode)) {
        if (pread(from->copies, s->target, (size_t)x->head.size, x->content) != x->head.size)
            return "its copy cannot be read";
        s->target[x->head.size] = '\0';
        return NULL;
    }
    s->fd = fcntl(from->copies, F_DUPFD_CLOEXEC, 0);
    return s->fd >= 0 ? NULL : strerrordesc_np(errno);
}

/* What was there, as stat(2) would say it. */
static struct stat was(const struct undo_entry *x)
{
    struct stat st = {.st_mode = x->head.mode,
                      .st_size = x->head.size,
                      .st_uid = x->head.uid,
                      .st_gid = x->head.gid};

    st.st_mtim = (struct timespec){.tv_sec = x->head.mtime, .tv_nsec = x->head.mtime_ns};
    st.st_atim = st.st_mtim;
    return st;
}

struct comparing {
    const struct undo_list *u;
    int root, copies;
    const struct timespec *ended;
    struct changes *c;
    size_t *elsewhere;
};

static void emit(struct comparing *x, const struct undo_entry *e, enum change_kind kind,
                 const struct stat *now)
{
    struct changes *c = x->c;
    struct change *y;

    if (c->n == c->room) {
        c->room = c->room == 0 ? 64 : c->room * 2;
        c->list = xrealloc(c->list, c->room, sizeof(*c->list));
    }
    y = &c->list[c->n++];
    *y = (struct change){.path = e->path, .kind = kind, .twin = NO_TWIN};
    if (kind != CHANGE_DELETED)
        y->after = was(e);
    if (kind != CHANGE_ADDED) {
        y->before = *now;
        y->conflict = x->ended == NULL || !time_before(now->st_ctim, *x->ended);
    }
    /* A folder goes only when nothing is in it. */
    if (kind == CHANGE_DELETED && S_ISDIR(now->st_mode))
        y->conflict = false;
}

/* The file system of the nearest folder above that is still there. */
static dev_t device_above(int root, const char *path)
{
    AUTO_FREE char *folder = xstrdup(path);
    struct stat st;

    for (char *slash; (slash = strrchr(folder, '/')) != NULL;) {
        *slash = '\0';
        AUTO_CLOSE int fd = stage_open_crossing(root, folder, O_PATH | O_DIRECTORY);
        if (fd >= 0)
            return fstat(fd, &st) == 0 ? st.st_dev : 0;
    }
    return fstat(root, &st) == 0 ? st.st_dev : 0;
}

static bool same_link(const struct comparing *x, const struct undo_entry *e, int parent,
                      const char *name)
{
    char now[PATH_MAX], then[PATH_MAX];
    ssize_t n = readlinkat(parent, name, now, sizeof(now));

    return n == e->head.size &&
           pread(x->copies, then, (size_t)e->head.size, e->content) == e->head.size &&
           memcmp(now, then, (size_t)n) == 0;
}

static bool same_content(const struct comparing *x, const struct undo_entry *e, int parent,
                         const char *name, const struct stat *now)
{
    if ((now->st_mode & S_IFMT) != (e->head.mode & S_IFMT))
        return false;
    if (S_ISLNK(e->head.mode))
        return same_link(x, e, parent, name);
    if (!S_ISREG(e->head.mode))
        return true;
    if (now->st_size != e->head.size)
        return false;
    AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && content_same_part(x->copies, e->content, fd, e->head.size) == 1;
}

static bool restorable(mode_t mode)
{
    return S_ISREG(mode) || S_ISLNK(mode) || S_ISDIR(mode);
}

static void compare(struct comparing *x, const struct undo_entry *e)
{
    const char *name;
    AUTO_CLOSE int parent = stage_open_parent_crossing(x->root, e->path, &name);
    struct stat now;
    bool there = parent >= 0 && fstatat(parent, name, &now, AT_SYMLINK_NOFOLLOW) == 0;

    if (e->head.dev != device_above(x->root, e->path)) {
        ++*x->elsewhere;
        return;
    }
    if (e->head.mode != 0 && !restorable(e->head.mode))
        return;
    if (!there || e->head.mode == 0 || S_ISDIR(now.st_mode) != S_ISDIR(e->head.mode)) {
        if (there)
            emit(x, e, CHANGE_DELETED, &now);
        if (e->head.mode != 0)
            emit(x, e, CHANGE_ADDED, NULL);
    } else if (!same_content(x, e, parent, name, &now)) {
        emit(x, e, CHANGE_CONTENT, &now);
    } else if (!S_ISLNK(now.st_mode) && now.st_mode != e->head.mode) {
        emit(x, e, CHANGE_MODE, &now);
    }
}

bool undo_changes(const struct undo_list *u, int root, int copies, const struct timespec *ended,
                  struct changes *c, size_t *elsewhere)
{
    struct comparing x = {u, root, copies, ended, c, elsewhere};

    *c = (struct changes){.n = 0};
    *elsewhere = 0;
    for (size_t i = 0; i < u->n; i++)
        compare(&x, &u->list[i]);
    changes_sort(c);
    return true;
}
