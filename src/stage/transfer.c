/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletions come first, from the leaves up; then what is new or changed, from the top down; then
 * the modes of new folders, which may forbid to write in them. Files go in batches, so that the
 * journal is put on the disk once for many.
 */
#include "stage/transfer.h"

#include "stage/copy.h"
#include "stage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH      64
#define TEMP_SIZE  32
#define MODE_BITS  01777
#define PRIVILEGED (S_ISUID | S_ISGID)

void (*transfer_step)(const char *what);

/* A file or link on its way. */
struct job {
    const struct change *c;
    enum note_kind how; /* NOTE_ADD, NOTE_EXCHANGE, NOTE_MOVE */
    int parent;         /* in `to` */
    const char *name;
    char temp[TEMP_SIZE];
    uint64_t ino; /* of the temporary file */
    struct sig source, target;
    struct sig folder; /* the parent, before anything */
    bool made, moved;
};

struct batch {
    struct transfer *t;
    struct job jobs[BATCH];
    size_t n;
};

static void step(const char *what)
{
    if (transfer_step != NULL)
        transfer_step(what);
}

static void refuse(struct transfer *t, const struct change *c, const char *why)
{
    t->refused++;
    t->tell(t->ctx, c, why);
}

static bool note(const struct transfer *t, const struct note *n, struct err *e)
{
    return t->journal == NULL || journal_add(t->journal, n, e);
}

static char *parent_path(const char *path)
{
    const char *slash = strrchr(path, '/');

    return xasprintf("%.*s", slash != NULL ? (int)(slash - path) : 0, path);
}

/* That a folder changes by what belay does to it is no change of the original. */
static bool note_folder_begin(const struct transfer *t, const char *path, const struct sig *before,
                              struct err *e)
{
    AUTO_FREE char *folder = parent_path(path);
    const struct note n = {.kind = NOTE_FOLDER_BEGIN, .path = folder, .a = *before};

    return path[0] == '\0' || note(t, &n, e);
}

static bool sync_notes(const struct transfer *t, struct err *e)
{
    return t->journal == NULL || journal_sync(t->journal, e);
}

static bool note_job(const struct transfer *t, const struct job *j, enum note_kind kind,
                     struct err *e)
{
    const struct note n = {.kind = kind,
                           .path = j->c->path,
                           .temp = j->temp,
                           .ino = j->ino,
                           .a = sig_of(&j->c->before)};

    return note(t, &n, e);
}

static bool new_temp(struct job *j)
{
    uint64_t r;

    if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
        return false;
    (void)snprintf(j->temp, sizeof(j->temp), ".belay-%016" PRIx64, r);
    return true;
}

/* Is what stands there what was found when the trees were compared? */
static bool as_compared(int parent, const char *name, const struct change *c)
{
    struct stat st;
    struct sig now, then = sig_of(&c->before);

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT && c->before.st_mode == 0;
    now = sig_of(&st);
    if (c->before.st_mode == 0)
        return false;
    /* The removal of another name of it moves its ctime. */
    return c->before.st_nlink > 1 ? sig_same_moved(&now, &then) : sig_same(&now, &then);
}

static int open_to_parent(const struct transfer *t, const char *path, const char **name)
{
    return t->cross ? stage_open_parent_crossing(t->to, path, name)
                    : stage_open_parent(t->to, path, name);
}

/* Opens the parent and checks the entry. False: refused, and told. */
static bool begin(struct transfer *t, const struct change *c, struct job *j)
{
    struct stat st;

    *j = (struct job){.c = c, .parent = -1};
    if (c->conflict && !t->force) {
        refuse(t, c, t->changed);
        return false;
    }
    j->parent = open_to_parent(t, c->path, &j->name);
    if (j->parent < 0 || fstat(j->parent, &st) != 0) {
        refuse(t, c,
               errno == ELOOP   ? "a folder above it is a link"
               : errno == EXDEV ? "it lies on another file system"
                                : strerrordesc_np(errno));
        return false;
    }
    j->folder = sig_of(&st);
    if (as_compared(j->parent, j->name, c))
        return true;
    refuse(t, c, "the original is changing just now");
    (void)close(j->parent);
    return false;
}

static int open_to(const struct transfer *t, const char *path, int flags)
{
    return t->cross ? stage_open_crossing(t->to, path, flags)
                    : stage_open_below(t->to, path, flags);
}

static const char *open_file(const struct transfer *t, const struct change *c, struct source *s)
{
    s->fd = stage_open_below(t->from, c->path, O_RDONLY | O_NONBLOCK);
    if (s->fd < 0 || fstat(s->fd, &s->st) != 0)
        return strerrordesc_np(errno);
    return S_ISREG(s->st.st_mode) ? NULL : "it is changing just now";
}

static const char *open_link(const struct transfer *t, const struct change *c, struct source *s)
{
    const char *name;
    AUTO_CLOSE int parent = stage_open_parent(t->from, c->path, &name);
    ssize_t n = parent >= 0 ? readlinkat(parent, name, s->target, sizeof(s->target) - 1) : -1;

    if (n < 0 || fstatat(parent, name, &s->st, AT_SYMLINK_NOFOLLOW) != 0)
        return strerrordesc_np(errno);
    s->target[n] = '\0';
    return NULL;
}

static const char *open_source(const struct transfer *t, const struct change *c, struct source *s)
{
    s->fd = -1;
    s->at = 0;
    if (t->open_source != NULL)
        return t->open_source(t, c, s);
    return S_ISLNK(c->after.st_mode) ? open_link(t, c, s) : open_file(t, c, s);
}

/* Did the agent write to it while it was copied? */
static bool is_moving(const struct transfer *t, const struct source *s)
{
    struct sig a = sig_of(&s->st), b;
    struct stat after;

    if (t->open_source != NULL)
        return false;
    if (fstat(s->fd, &after) != 0)
        return true;
    b = sig_of(&after);
    return !sig_same(&a, &b);
}

/* The temporary file's content. NULL, or why not. */
static const char *fill(const struct transfer *t, const struct job *j, const struct source *s,
                        int temp)
{
    const struct timespec times[2] = {s->st.st_atim, s->st.st_mtim};

    if (!copy_content(s->fd, s->at, temp, s->st.st_size))
        return strerrordesc_np(errno);
    if (is_moving(t, s))
        return "it is being written just now";
    if (j->c->before.st_mode != 0) {
        AUTO_CLOSE int old =
            openat(j->parent, j->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (old >= 0)
            copy_attributes(old, temp);
    }
    /* Root's agent works with the identities of the host. */
    if (geteuid() == 0 && fchown(temp, s->st.st_uid, s->st.st_gid) != 0)
        return strerrordesc_np(errno);
    if (fchmod(temp, s->st.st_mode & MODE_BITS) != 0 || futimens(temp, times) != 0 ||
        fsync(temp) != 0)
        return strerrordesc_np(errno);
    return NULL;
}

static const char *make_file(const struct transfer *t, struct job *j, const struct source *s)
{
    if ((s->st.st_mode & PRIVILEGED) != 0)
        return "it is set-user-ID or set-group-ID; such a file is not taken over";
    AUTO_CLOSE int temp =
        openat(j->parent, j->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (temp < 0)
        return strerrordesc_np(errno);
    j->made = true;
    return fill(t, j, s, temp);
}

static const char *make_link(struct job *j, const struct source *s)
{
    if (symlinkat(s->target, j->parent, j->temp) != 0)
        return strerrordesc_np(errno);
    j->made = true;
    return NULL;
}

static const char *make_temp(const struct transfer *t, struct job *j)
{
    struct source s = {.fd = -1};
    struct stat made;
    const char *why = open_source(t, j->c, &s);

    j->source = sig_of(&s.st);
    if (why == NULL)
        why = S_ISLNK(j->c->after.st_mode) ? make_link(j, &s) : make_file(t, j, &s);
    mem_auto_close(&s.fd);
    if (why == NULL && fstatat(j->parent, j->temp, &made, AT_SYMLINK_NOFOLLOW) != 0)
        why = strerrordesc_np(errno);
    if (why == NULL)
        j->ino = made.st_ino;
    return why;
}

static bool end_job(const struct transfer *t, struct job *j, struct err *e)
{
    (void)close(j->parent);
    return note_job(t, j, NOTE_END, e);
}

static bool drop_job(struct transfer *t, struct job *j, const char *why, struct err *e)
{
    if (j->made && unlinkat(j->parent, j->temp, 0) != 0)
        why = "a temporary file cannot be removed";
    refuse(t, j->c, why);
    return end_job(t, j, e);
}

static bool same_folder(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* Takes the job into the batch, its temporary file made and noted. False: *e. */
static bool prepare(struct batch *b, struct job *j, struct err *e)
{
    struct transfer *t = b->t;
    const char *why = NULL;

    if (!new_temp(j))
        return err_sys(e, EX_FAIL, "random numbers");
    if ((b->n == 0 || !same_folder(b->jobs[b->n - 1].parent, j->parent)) &&
        !note_folder_begin(t, j->c->path, &j->folder, e))
        return false;
    if (j->how != NOTE_MOVE) {
        step("note temp");
        if (!note_job(t, j, NOTE_TEMP, e))
            return false;
        step("make temp");
        why = make_temp(t, j);
    }
    if (why != NULL)
        return drop_job(t, j, why, e);
    if (!note_job(t, j, j->how, e))
        return false;
    b->jobs[b->n++] = *j;
    return true;
}

/* Is the thing under the temporary name what was to be replaced or removed? */
static bool displaced_expected(const struct job *j)
{
    struct stat st;
    struct sig now, then = sig_of(&j->c->before);

    if (fstatat(j->parent, j->temp, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    now = sig_of(&st);
    return sig_same_moved(&now, &then);
}

static const char raced[] = "the original was changed just now";

static const char *exchange(struct job *j)
{
    if (renameat2(j->parent, j->temp, j->parent, j->name, RENAME_EXCHANGE) != 0)
        return errno == ENOENT ? raced : strerrordesc_np(errno);
    step("exchanged");
    if (displaced_expected(j))
        return NULL;
    (void)renameat2(j->parent, j->temp, j->parent, j->name, RENAME_EXCHANGE);
    return raced;
}

static const char *move_away(struct job *j)
{
    if (renameat2(j->parent, j->name, j->parent, j->temp, RENAME_NOREPLACE) != 0)
        return errno == ENOENT ? raced : strerrordesc_np(errno);
    step("moved away");
    j->made = true;
    if (displaced_expected(j))
        return NULL;
    if (renameat2(j->parent, j->temp, j->parent, j->name, RENAME_NOREPLACE) == 0)
        j->made = false;
    return raced;
}

static const char *commit(struct job *j)
{
    step("commit");
    if (j->how == NOTE_EXCHANGE)
        return exchange(j);
    if (j->how == NOTE_MOVE)
        return move_away(j);
    if (renameat2(j->parent, j->temp, j->parent, j->name, RENAME_NOREPLACE) == 0)
        return NULL;
    return errno == EEXIST ? raced : strerrordesc_np(errno);
}

/* The agent's state of this path is in the workspace now. */
static bool settle(struct transfer *t, struct job *j, struct err *e)
{
    struct stat st;
    struct note n = {.kind = NOTE_SETTLED, .path = j->c->path, .a = j->source};

    t->done++;
    if (j->how == NOTE_MOVE || fstatat(j->parent, j->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return true;
    n.b = sig_of(&st);
    return n.b.ino != j->ino || note(t, &n, e);
}

static bool finish(struct transfer *t, struct job *j, const char *why, struct err *e)
{
    if (why != NULL && j->how == NOTE_MOVE && j->made) {
        /* Without an end in the journal: the next keep or discard looks at it again. */
        refuse(t, j->c,
               "it was changed and replaced just now; the older one is beside it (.belay-)");
        (void)close(j->parent);
        return true;
    }
    if (why != NULL)
        return drop_job(t, j, why, e);
    step("remove old");
    if (j->how != NOTE_ADD && unlinkat(j->parent, j->temp, 0) != 0)
        return err_sys(e, EX_FAIL, "%s", j->temp);
    step("settle");
    return settle(t, j, e) && end_job(t, j, e);
}

static void sync_folder(int parent)
{
    AUTO_CLOSE int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd);
}

static bool note_folder(const struct transfer *t, const char *path, int parent,
                        const struct sig *before, struct err *e)
{
    AUTO_FREE char *folder = parent_path(path);
    struct note n = {.kind = NOTE_FOLDER, .path = folder, .a = *before};
    struct stat st;

    if (path[0] == '\0' || fstat(parent, &st) != 0)
        return true;
    n.b = sig_of(&st);
    return note(t, &n, e);
}

/* Everything that waits in the batch: one sync of the journal for all. */
static bool run_batch(struct batch *b, struct err *e)
{
    const char *why[BATCH] = {NULL};
    int parents[BATCH];
    size_t n = b->n;
    bool ok = b->n == 0 || (step("sync notes"), sync_notes(b->t, e));

    for (size_t i = 0; ok && i < n; i++)
        why[i] = commit(&b->jobs[i]);
    for (size_t i = 0; ok && i < n; i++)
        if (i == 0 || !same_folder(b->jobs[i].parent, b->jobs[i - 1].parent))
            sync_folder(b->jobs[i].parent);
    for (size_t i = 0; i < n; i++)
        parents[i] = fcntl(b->jobs[i].parent, F_DUPFD_CLOEXEC, 0);
    for (size_t i = 0; ok && i < n; i++)
        ok = finish(b->t, &b->jobs[i], why[i], e);
    for (size_t i = 0, first = 0; ok && i < n; i++) {
        if (!same_folder(parents[first], parents[i]))
            first = i;
        if (i + 1 == n || !same_folder(parents[i], parents[i + 1]))
            ok = note_folder(b->t, b->jobs[i].c->path, parents[i], &b->jobs[first].folder, e);
    }
    for (size_t i = 0; i < n; i++)
        if (parents[i] >= 0)
            (void)close(parents[i]);
    b->n = 0;
    return ok;
}

static bool add_job(struct batch *b, struct job *j, struct err *e)
{
    return prepare(b, j, e) && (b->n < BATCH || run_batch(b, e));
}

int transfer_self(void)
{
    return open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Through the kernel's own name for an object that is held: no path is walked again. */
static bool set_mode(const struct transfer *t, int fd, mode_t mode)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", fd);
    return fchmodat(t->self, name, mode, 0) == 0;
}

static bool carry_mode(struct transfer *t, const struct change *c, struct err *e)
{
    AUTO_CLOSE int fd = open_to(t, c->path, O_PATH);
    AUTO_CLOSE int from = t->open_source == NULL ? stage_open_below(t->from, c->path, O_PATH) : -1;
    struct stat st;
    struct sig now, then = sig_of(&c->before);
    struct note n = {.kind = NOTE_SETTLED, .path = c->path};

    if (c->conflict && !t->force) {
        refuse(t, c, t->changed);
        return true;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        refuse(t, c, strerrordesc_np(errno));
        return true;
    }
    now = sig_of(&st);
    if (st.st_ino != then.ino || (!S_ISDIR(st.st_mode) && !sig_same(&now, &then))) {
        refuse(t, c, raced);
        return true;
    }
    if (!S_ISDIR(c->after.st_mode) && (c->after.st_mode & PRIVILEGED) != 0) {
        refuse(t, c, "it is set-user-ID or set-group-ID; such a mode is not taken over");
        return true;
    }
    mode_t keep = S_ISDIR(st.st_mode) ? st.st_mode & S_ISGID : 0;
    step("mode");
    if (!set_mode(t, fd, (c->after.st_mode & MODE_BITS) | keep) || fstat(fd, &st) != 0) {
        refuse(t, c, strerrordesc_np(errno));
        return true;
    }
    t->done++;
    n.kind = S_ISDIR(st.st_mode) ? NOTE_FOLDER : NOTE_SETTLED;
    n.b = sig_of(&st);
    n.a = now;
    if (!S_ISDIR(st.st_mode)) {
        if (from < 0 || fstat(from, &st) != 0)
            return true;
        n.a = sig_of(&st);
    }
    return note(t, &n, e);
}

static bool carry_folder(struct transfer *t, const struct change *c, struct err *e)
{
    struct job j;

    if (!begin(t, c, &j))
        return true;
    AUTO_CLOSE int parent = j.parent;
    struct note made = {.kind = NOTE_FOLDER_BEGIN, .path = c->path};
    struct stat st;
    if (!note_folder_begin(t, c->path, &j.folder, e) || !note(t, &made, e))
        return false;
    step("mkdir");
    if (mkdirat(parent, j.name, 0700) != 0) {
        refuse(t, c, errno == EEXIST ? raced : strerrordesc_np(errno));
        if (fstatat(parent, j.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            made.a = made.b = sig_of(&st);
        made.kind = NOTE_FOLDER;
        return note(t, &made, e) && note_folder(t, c->path, parent, &j.folder, e);
    }
    step("made folder");
    if (geteuid() == 0 &&
        fchownat(parent, j.name, c->after.st_uid, c->after.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        refuse(t, c, strerrordesc_np(errno));
    else
        t->done++;
    if (fstatat(parent, j.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        made.b = sig_of(&st);
    made.kind = NOTE_FOLDER;
    if (!note(t, &made, e))
        return false;
    return note_folder(t, c->path, parent, &j.folder, e);
}

static bool remove_folder(struct batch *b, const struct change *c, struct err *e)
{
    struct transfer *t = b->t;
    const char *name;
    struct stat st;

    if (c->conflict && !t->force) {
        refuse(t, c, t->changed);
        return true;
    }
    if (!run_batch(b, e)) /* what it held goes first */
        return false;
    AUTO_CLOSE int parent = open_to_parent(t, c->path, &name);
    if (parent < 0 || fstat(parent, &st) != 0) {
        refuse(t, c, strerrordesc_np(errno));
        return true;
    }
    struct sig before = sig_of(&st);
    if (!note_folder_begin(t, c->path, &before, e))
        return false;
    step("rmdir");
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        refuse(t, c, errno == ENOTEMPTY ? "something in it stays" : strerrordesc_np(errno));
        return true;
    }
    t->done++;
    return note_folder(t, c->path, parent, &before, e);
}

static bool carry_removal(struct batch *b, const struct change *c, struct err *e)
{
    struct job j;

    if (S_ISDIR(c->before.st_mode))
        return remove_folder(b, c, e);
    if (!begin(b->t, c, &j))
        return true;
    j.how = NOTE_MOVE;
    return add_job(b, &j, e);
}

static bool carry(struct batch *b, const struct change *c, struct err *e)
{
    mode_t type = c->after.st_mode & S_IFMT;
    struct job j;

    if (c->kind == CHANGE_MODE)
        return carry_mode(b->t, c, e);
    if (type == S_IFDIR)
        return carry_folder(b->t, c, e);
    if (type != S_IFREG && type != S_IFLNK) {
        refuse(b->t, c, "only files, links and folders are taken over");
        return true;
    }
    if (!begin(b->t, c, &j))
        return true;
    j.how = c->kind == CHANGE_ADDED ? NOTE_ADD : NOTE_EXCHANGE;
    return add_job(b, &j, e);
}

static bool is_above(const char *folder, const char *path)
{
    size_t n = strlen(folder);

    return strncmp(folder, path, n) == 0 && path[n] == '/';
}

/* Selected, or a new folder that something selected lies in; then also what it takes the place
 * of, which stands before it. */
static bool wanted(const struct transfer *t, const struct changes *c, size_t i)
{
    const struct change *x = &c->list[i];
    const struct change *folder = x;

    if (change_selected(x->path, t->paths, t->npaths))
        return true;
    if (x->kind == CHANGE_DELETED && i + 1 < c->n && strcmp(c->list[i + 1].path, x->path) == 0)
        folder = x + 1;
    if (folder->kind != CHANGE_ADDED || !S_ISDIR(folder->after.st_mode))
        return false;
    for (size_t k = 0; k < t->npaths; k++)
        if (is_above(x->path, t->paths[k]))
            return true;
    return false;
}

/* The folders that were made here: their modes, and that they are belay's work. */
static bool set_folder_modes(struct transfer *t, const struct changes *c, struct err *e)
{
    for (size_t i = c->n; i-- > 0;) {
        const struct change *x = &c->list[i];
        struct stat st;

        if (x->kind != CHANGE_ADDED || !S_ISDIR(x->after.st_mode) || !wanted(t, c, i))
            continue;
        AUTO_CLOSE int fd = open_to(t, x->path, O_PATH | O_DIRECTORY);
        if (fd < 0 || fstat(fd, &st) != 0 || (st.st_mode & 0777) != 0700)
            continue; /* refused before, or no longer the one that was made */
        step("folder mode");
        if (!set_mode(t, fd, (x->after.st_mode & MODE_BITS) | (st.st_mode & S_ISGID)) ||
            fstat(fd, &st) != 0) {
            refuse(t, x, strerrordesc_np(errno));
            continue;
        }
        const struct note n = {.kind = NOTE_FOLDER, .path = x->path, .b = sig_of(&st)};
        if (!note(t, &n, e))
            return false;
    }
    return true;
}

bool transfer_changes(struct transfer *t, const struct changes *c, struct err *e)
{
    struct batch b = {.t = t};
    bool ok = true;
    AUTO_CLOSE int opened = t->self < 0 ? transfer_self() : -1;

    if (t->self < 0)
        t->self = opened;
    if (t->self < 0)
        return err_sys(e, EX_FAIL, "/proc/self/fd");

    t->done = t->refused = 0;
    for (size_t i = c->n; ok && i-- > 0;)
        if (c->list[i].kind == CHANGE_DELETED && wanted(t, c, i))
            ok = carry_removal(&b, &c->list[i], e);
    ok = ok && run_batch(&b, e);
    for (size_t i = 0; ok && i < c->n; i++)
        if (c->list[i].kind != CHANGE_DELETED && wanted(t, c, i))
            ok = carry(&b, &c->list[i], e);
    return ok && run_batch(&b, e) && set_folder_modes(t, c, e) && sync_notes(t, e);
}
