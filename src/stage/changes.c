/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folder by folder, from a queue of paths: an agent makes trees as deep and as wide as it likes,
 * so nothing here goes down into itself, and no folder stays open.
 */
#include "stage/changes.h"

#include "stage/journal.h"
#include "stage/origin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A folder that is still to be looked at. */
struct task {
    const char *path;
    bool deleted;         /* all that it holds in the workspace is gone */
    bool strict;          /* compare with the session's start, not with birth times */
    bool conflict;        /* the folder is not the one that the agent saw */
    struct timespec when; /* deleted: when */
};

struct scan {
    const struct stage *s;
    struct changes *c;
    struct journal journal;
    struct task *queue;
    size_t done, n, room;
    bool full;
};

/* One folder while it is looked at. */
struct here {
    const struct task *t;
    int upper, lower; /* -1 where there is none */
    bool opaque;
};

static const char *join(struct scan *x, const char *folder, const char *name)
{
    return folder[0] == '\0' ? arena_printf(&x->c->mem, "%s", name)
                             : arena_printf(&x->c->mem, "%s/%s", folder, name);
}

static void unseen(struct scan *x, const char *path, int error)
{
    struct changes *c = x->c;

    if (c->nunseen == c->unseen_room) {
        c->unseen_room = c->unseen_room == 0 ? 16 : c->unseen_room * 2;
        c->unseen = xrealloc(c->unseen, c->unseen_room, sizeof(*c->unseen));
    }
    c->unseen[c->nunseen++] = (struct unseen){path, error};
}

static void enqueue(struct scan *x, struct task t)
{
    if (strlen(t.path) >= PATH_MAX - NAME_MAX - 1) {
        unseen(x, t.path, ENAMETOOLONG);
        return;
    }
    if (x->n == x->room) {
        x->room = x->room == 0 ? 64 : x->room * 2;
        x->queue = xrealloc(x->queue, x->room, sizeof(*x->queue));
    }
    x->queue[x->n++] = t;
}

static void emit(struct scan *x, const char *path, enum change_kind kind, const struct stat *before,
                 const struct stat *after, bool conflict)
{
    struct changes *c = x->c;

    if (c->n >= CHANGES_MAX) {
        x->full = true;
        return;
    }
    if (journal_last(&x->journal, path, NOTE_DROPPED) != NULL)
        return;
    if (c->n == c->room) {
        c->room = c->room == 0 ? 64 : c->room * 2;
        c->list = xrealloc(c->list, c->room, sizeof(*c->list));
    }
    c->list[c->n] =
        (struct change){.path = path, .kind = kind, .conflict = conflict, .twin = NO_TWIN};
    if (before != NULL)
        c->list[c->n].before = *before;
    if (after != NULL)
        c->list[c->n].after = *after;
    c->n++;
}

/* Did the original change at or after `when`, by somebody else than belay? */
static bool changed_since(struct scan *x, const char *path, const struct stat *lower,
                          struct timespec when)
{
    struct sig now = sig_of(lower);
    const struct note *settled = journal_last(&x->journal, path, NOTE_SETTLED);
    struct timespec ctime = lower->st_ctim;

    if (settled != NULL)
        return !sig_same(&settled->b, &now);
    if (S_ISDIR(lower->st_mode))
        ctime = journal_folder_time(&x->journal, path, &now);
    return !time_before(ctime, when);
}

/*
 * Was another folder put in this one's place? A rename moves its ctime but not its mtime; what
 * happens in a folder moves both. (Something in it that changes later hides that.)
 */
static bool was_moved_here(struct scan *x, const char *path, const struct stat *lower,
                           struct timespec when)
{
    struct sig now = sig_of(lower);

    return changed_since(x, path, lower, when) && time_before(now.mtime, now.ctime);
}

/* From when on a change of the original is one too many. */
static struct timespec reference(struct scan *x, const struct here *h, const char *name)
{
    struct timespec t;

    if (h->t->strict || h->opaque || h->upper < 0 || !birth_time(h->upper, name, &t))
        return x->s->started;
    return t;
}

/* A thing of the workspace that is gone in the agent's view, with all that it holds. */
static void deleted(struct scan *x, const struct here *h, const char *path,
                    const struct stat *lower, struct timespec when)
{
    bool conflict = changed_since(x, path, lower, when);

    if (journal_last(&x->journal, path, NOTE_SETTLED) == NULL)
        conflict = conflict || h->t->conflict;
    emit(x, path, CHANGE_DELETED, lower, NULL, conflict);
    if (S_ISDIR(lower->st_mode))
        enqueue(x,
                (struct task){.path = path, .deleted = true, .conflict = conflict, .when = when});
}

static bool open_both(const struct here *h, const char *name, int flags, int fd[2])
{
    fd[0] = openat(h->upper, name, flags | O_NOFOLLOW | O_CLOEXEC);
    fd[1] = openat(h->lower, name, flags | O_NOFOLLOW | O_CLOEXEC);
    return fd[0] >= 0 && fd[1] >= 0;
}

static void close_both(const int fd[2])
{
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0)
            (void)close(fd[i]);
}

static int same_link(const struct here *h, const char *name)
{
    char a[PATH_MAX], b[PATH_MAX];
    ssize_t n = readlinkat(h->upper, name, a, sizeof(a)),
            m = readlinkat(h->lower, name, b, sizeof(b));

    return n < 0 || m < 0 ? -1 : n == m && memcmp(a, b, (size_t)n) == 0;
}

/* No folder on either side. 1: as it was, 0: other content, -1: cannot be read. */
static int same_content(const struct here *h, const char *name, const struct stat *u,
                        const struct stat *l)
{
    int fd[2];

    if ((u->st_mode & S_IFMT) != (l->st_mode & S_IFMT))
        return 0;
    if (S_ISLNK(u->st_mode))
        return same_link(h, name);
    if (!S_ISREG(u->st_mode))
        return u->st_rdev == l->st_rdev;
    if (u->st_size != l->st_size)
        return 0;
    int same = open_both(h, name, O_RDONLY | O_NONBLOCK, fd) ? content_same(fd[0], fd[1]) : -1;
    close_both(fd);
    return same;
}

static bool same_mode(const struct stat *u, const struct stat *l)
{
    return S_ISLNK(u->st_mode) || u->st_mode == l->st_mode;
}

/* Kept, and not touched by the agent since? */
static bool is_settled(struct scan *x, const char *path, const struct stat *upper)
{
    const struct note *settled = journal_last(&x->journal, path, NOTE_SETTLED);
    struct sig now = sig_of(upper);

    return settled != NULL && sig_same(&settled->a, &now);
}

static void compare_file(struct scan *x, const struct here *h, const char *name, const char *path,
                         const struct stat *u, const struct stat *l)
{
    int same;

    if (is_settled(x, path, u))
        return;
    same = same_content(h, name, u, l);
    if (same < 0)
        unseen(x, path, errno);
    if (same != 0 && same_mode(u, l))
        return;
    bool conflict = changed_since(x, path, l, reference(x, h, name));
    if (journal_last(&x->journal, path, NOTE_SETTLED) == NULL)
        conflict = conflict || h->t->conflict;
    emit(x, path, same != 0 ? CHANGE_MODE : CHANGE_CONTENT, l, u, conflict);
}

/* A folder on both sides. */
static void compare_folder(struct scan *x, const struct here *h, const char *name, const char *path,
                           const struct stat *u, const struct stat *l)
{
    AUTO_CLOSE int upper = openat(h->upper, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* The agent made it; what is below was hidden by it, or came later. */
    bool own = upper < 0 || is_opaque(upper) || !is_copied(upper);
    struct timespec when = reference(x, h, name);
    struct task t = {.path = path, .strict = h->t->strict || own, .conflict = h->t->conflict};

    t.conflict = t.conflict || (own ? changed_since(x, path, l, x->s->started)
                                    : was_moved_here(x, path, l, when));
    if (!same_mode(u, l))
        emit(x, path, CHANGE_MODE, l, u, t.conflict || changed_since(x, path, l, when));
    enqueue(x, t);
}

static void entry(struct scan *x, const struct here *h, const char *name)
{
    const char *path = join(x, h->t->path, name);
    struct stat u, l = {0};
    bool below = h->lower >= 0 && fstatat(h->lower, name, &l, AT_SYMLINK_NOFOLLOW) == 0;

    if (fstatat(h->upper, name, &u, AT_SYMLINK_NOFOLLOW) != 0) {
        unseen(x, path, errno);
        return;
    }
    bool gone = is_whiteout(h->upper, name, &u);
    bool same_kind = below && S_ISDIR(u.st_mode) == S_ISDIR(l.st_mode);
    if (below && (gone || !same_kind))
        deleted(x, h, path, &l, reference(x, h, name));
    if (gone)
        return;
    if (same_kind && S_ISDIR(u.st_mode)) {
        compare_folder(x, h, name, path, &u, &l);
    } else if (same_kind) {
        compare_file(x, h, name, path, &u, &l);
    } else if (!is_settled(x, path, &u)) {
        emit(x, path, CHANGE_ADDED, NULL, &u, h->t->conflict);
        if (S_ISDIR(u.st_mode))
            enqueue(x, (struct task){.path = path, .strict = true, .conflict = h->t->conflict});
    }
}

static void each_entry(struct scan *x, const struct here *h, int folder,
                       void (*f)(struct scan *, const struct here *, const char *))
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again >= 0 ? fdopendir(again) : NULL;

    if (d == NULL) {
        unseen(x, h->t->path, errno);
        if (again >= 0)
            (void)close(again);
        return;
    }
    for (struct dirent *e; !x->full && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            f(x, h, e->d_name);
    (void)closedir(d);
}

/* An entry of the workspace that an opaque folder hides. */
static void hidden_entry(struct scan *x, const struct here *h, const char *name)
{
    struct stat u, l;

    if (fstatat(h->upper, name, &u, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
        fstatat(h->lower, name, &l, AT_SYMLINK_NOFOLLOW) == 0)
        deleted(x, h, join(x, h->t->path, name), &l, x->s->started);
}

static void deleted_entry(struct scan *x, const struct here *h, const char *name)
{
    const char *path = join(x, h->t->path, name);
    struct stat l;

    if (fstatat(h->lower, name, &l, AT_SYMLINK_NOFOLLOW) == 0)
        deleted(x, h, path, &l, h->t->when);
    else
        unseen(x, path, errno);
}

static void look_into(struct scan *x, const struct task *t)
{
    AUTO_CLOSE int lower = stage_open_below(x->s->lower, t->path, O_RDONLY | O_DIRECTORY);
    AUTO_CLOSE int upper =
        t->deleted ? -1 : stage_open_below(x->s->upper, t->path, O_RDONLY | O_DIRECTORY);
    struct here h = {.t = t, .upper = upper, .lower = lower};

    if (t->deleted) {
        if (lower < 0)
            unseen(x, t->path, errno);
        else
            each_entry(x, &h, lower, deleted_entry);
        return;
    }
    if (upper < 0) {
        unseen(x, t->path, errno);
        return;
    }
    h.opaque = is_opaque(upper);
    each_entry(x, &h, upper, entry);
    if (h.opaque && lower >= 0)
        each_entry(x, &h, lower, hidden_entry);
}

static int by_path(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int order = strcmp(x->path, y->path);

    return order != 0 ? order : (int)x->kind - (int)y->kind;
}

/* The workspace itself: only its mode can differ. */
static void top(struct scan *x)
{
    struct stat u, l;
    struct timespec born;

    if (fstat(x->s->upper, &u) != 0 || fstat(x->s->lower, &l) != 0) {
        unseen(x, "", errno);
        return;
    }
    if (!birth_time(x->s->upper, "", &born))
        born = x->s->started;
    if (!same_mode(&u, &l))
        emit(x, "", CHANGE_MODE, &l, &u, changed_since(x, "", &l, born));
    enqueue(x, (struct task){.path = ""});
}

void changes_sort(struct changes *c)
{
    if (c->n > 1)
        qsort(c->list, c->n, sizeof(*c->list), by_path);
}

bool changes_find(const struct stage *s, struct changes *c, struct err *e)
{
    struct scan x = {.s = s, .c = c};

    *c = (struct changes){.n = 0};
    if (!journal_read(s, &x.journal, e))
        return false;
    top(&x);
    while (x.done < x.n && !x.full) {
        struct task t = x.queue[x.done++]; /* the queue may move */
        look_into(&x, &t);
    }
    free(x.queue);
    journal_release(&x.journal);
    changes_sort(c);
    if (x.full) {
        changes_release(c);
        return err_set(e, EX_FAIL, "more than %d changes: 'belay discard' drops them all",
                       CHANGES_MAX);
    }
    return true;
}

void changes_release(struct changes *c)
{
    free(c->list);
    free(c->unseen);
    arena_release(&c->mem);
    *c = (struct changes){.n = 0};
}

bool change_selected(const char *path, char *const *selected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(selected[i]);
        if (strncmp(path, selected[i], k) == 0 && (k == 0 || path[k] == '/' || path[k] == '\0'))
            return true;
    }
    return n == 0;
}

/* Renames. Deletions by size, so that each addition finds those of its own. */

static int by_size(const void *a, const void *b)
{
    const struct change *const *x = a, *const *y = b;
    off_t p = (*x)->before.st_size, q = (*y)->before.st_size;

    return p != q ? (p > q) - (p < q) : strcmp((*x)->path, (*y)->path);
}

static bool same_file(const struct stage *s, const struct change *old, const struct change *new)
{
    AUTO_CLOSE int a = stage_open_below(s->lower, old->path, O_RDONLY | O_NONBLOCK);
    AUTO_CLOSE int b = stage_open_below(s->upper, new->path, O_RDONLY | O_NONBLOCK);

    return a >= 0 && b >= 0 && content_same(a, b) == 1;
}

static size_t first_of_size(struct change *const *list, size_t n, off_t size)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (list[mid]->before.st_size < size)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void changes_find_renames(const struct stage *s, struct changes *c)
{
    struct change **old = xcalloc(c->n + 1, sizeof(struct change *));
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (c->list[i].kind == CHANGE_DELETED && S_ISREG(c->list[i].before.st_mode) &&
            c->list[i].before.st_size > 0)
            old[n++] = &c->list[i];
    if (n > 1)
        qsort(old, n, sizeof(struct change *), by_size);
    for (size_t i = 0; n > 0 && i < c->n; i++) {
        struct change *new = &c->list[i];
        if (new->kind != CHANGE_ADDED || !S_ISREG(new->after.st_mode))
            continue;
        size_t tries = 0;
        for (size_t k = first_of_size(old, n, new->after.st_size);
             k < n && old[k]->before.st_size == new->after.st_size &&tries < 64; k++) {
            if (old[k]->twin != NO_TWIN)
                continue;
            tries++;
            if (!same_file(s, old[k], new))
                continue;
            old[k]->twin = i;
            new->twin = (size_t)(old[k] - c->list);
            break;
        }
    }
    free(old);
}
