/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/discard.h"

#include "stage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

bool discard_ended(struct transfer *t, const struct changes *c, struct err *e)
{
    t->done = t->refused = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct note n = {.kind = NOTE_DROPPED, .path = c->list[i].path};

        if (!change_selected(c->list[i].path, t->paths, t->npaths))
            continue;
        if (!journal_add(t->journal, &n, e))
            return false;
        t->done++;
    }
    return journal_sync(t->journal, e);
}

/* What the process in the jail tells the one outside; shared memory. */
struct outcome {
    bool ok;
    size_t done, refused;
    struct err e;
};

static bool enter(const int ns[2], const char *workspace, int *root, struct err *e)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct statfs fs;

    if (setns(ns[0], CLONE_NEWUSER) != 0 || setns(ns[1], CLONE_NEWNS) != 0)
        return err_sys(e, EX_FAIL, "joining the session's mounts");
    *root = (int)syscall(SYS_openat2, AT_FDCWD, workspace, &how, sizeof(how));
    if (*root < 0 || fstatfs(*root, &fs) != 0)
        return err_sys(e, EX_FAIL, "the workspace as the agent sees it");
    if (fs.f_type != OVERLAYFS_SUPER_MAGIC)
        return err_set(e, EX_FAIL, "the workspace as the agent sees it is no overlay");
    return true;
}

/* The change that undoes `c`, as it stands in the agent's view. */
static struct change inverse(int root, const struct change *c)
{
    static const enum change_kind kinds[] = {[CHANGE_DELETED] = CHANGE_ADDED,
                                             [CHANGE_ADDED] = CHANGE_DELETED,
                                             [CHANGE_CONTENT] = CHANGE_CONTENT,
                                             [CHANGE_MODE] = CHANGE_MODE};
    struct change x = {
        .path = c->path, .kind = kinds[c->kind], .after = c->before, .twin = NO_TWIN};
    const char *name;
    AUTO_CLOSE int parent = stage_open_parent(root, c->path, &name);

    if (c->after.st_mode != 0 && (parent < 0 || fstatat(parent, name[0] != '\0' ? name : ".",
                                                        &x.before, AT_SYMLINK_NOFOLLOW) != 0))
        x.before = c->after;
    return x;
}

static bool put_back(struct transfer *t, const struct changes *c, struct err *e)
{
    struct changes back = {.list = xcalloc(c->n + 1, sizeof(*back.list)), .n = c->n};

    for (size_t i = 0; i < c->n; i++)
        back.list[i] = inverse(t->to, &c->list[i]);
    changes_sort(&back);
    bool ok = transfer_changes(t, &back, e);
    free(back.list);
    return ok;
}

static void child(struct transfer *t, const struct changes *c, const int ns[2],
                  const char *workspace, struct outcome *o) __attribute__((noreturn));
static void child(struct transfer *t, const struct changes *c, const int ns[2],
                  const char *workspace, struct outcome *o)
{
    int root = -1;

    t->self = transfer_self();
    o->ok = enter(ns, workspace, &root, &o->e);
    if (o->ok) {
        t->to = root;
        o->ok = put_back(t, c, &o->e);
        o->done = t->done;
        o->refused = t->refused;
    }
    (void)fflush(NULL);
    _exit(0);
}

static bool open_namespace(pid_t pid, const char *name, int *fd, struct err *e)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 || err_sys(e, EX_FAIL, "the session's mounts");
}

/* That the two are the same now is the agent's doing no more. */
static bool settle(const struct stage *s, const struct change *c, struct err *e)
{
    AUTO_CLOSE int upper = stage_open_below(s->upper, c->path, O_RDONLY | O_NONBLOCK);
    AUTO_CLOSE int lower = stage_open_below(s->lower, c->path, O_RDONLY | O_NONBLOCK);
    struct note n = {.kind = NOTE_SETTLED, .path = c->path};
    struct stat u, l;

    if (upper < 0 || lower < 0 || fstat(upper, &u) != 0 || fstat(lower, &l) != 0 ||
        !S_ISREG(u.st_mode) || u.st_mode != l.st_mode || content_same(upper, lower) != 1)
        return true;
    n.a = sig_of(&u);
    n.b = sig_of(&l);
    return journal_add(s, &n, e);
}

static bool settle_all(const struct transfer *t, const struct stage *s, const struct changes *c,
                       struct err *e)
{
    for (size_t i = 0; i < c->n; i++)
        if (change_selected(c->list[i].path, t->paths, t->npaths) &&
            S_ISREG(c->list[i].before.st_mode) && !settle(s, &c->list[i], e))
            return false;
    return journal_sync(s, e);
}

bool discard_running(struct transfer *t, const struct changes *c, pid_t agent, struct err *e)
{
    const struct stage *s = t->journal;
    AUTO_CLOSE int user = -1;
    AUTO_CLOSE int mounts = -1;
    struct outcome *o;

    if (!open_namespace(agent, "user", &user, e) || !open_namespace(agent, "mnt", &mounts, e))
        return false;
    o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (o == MAP_FAILED)
        return err_sys(e, EX_FAIL, "memory");
    t->from = s->lower;
    t->journal = NULL;
    t->force = true;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(t, c, (const int[]){user, mounts}, s->workspace, o);
    t->journal = s;
    if (pid < 0) {
        (void)munmap(o, sizeof(*o));
        return err_sys(e, EX_FAIL, "the process that joins the session's mounts");
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    t->done = o->done;
    t->refused = o->refused;
    bool ok = o->ok;
    if (!ok && o->e.code != 0)
        *e = o->e;
    else if (!ok)
        err_set(e, EX_FAIL, "the process that joined the session's mounts was ended");
    (void)munmap(o, sizeof(*o));
    return ok && settle_all(t, s, c, e);
}
