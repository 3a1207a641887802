/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename: the old name goes, the new one comes, and what stood there goes.
 *
 * A folder takes everything in it to new paths, so each thing in it is judged as well, with
 * its old path and its new one (op "move"; the named thing itself has "rename"): otherwise `mv .git
 * g`, some writing, and `mv g .git` would be a way around any rule on a path. While the judge
 * thinks, other calls may put more into the folder; but every new name in the agent's world is made
 * by kern, which counts them. When the count has moved, the folder is compared with what was
 * judged, and the request starts afresh on a difference. Folders too large to be judged get EXDEV,
 * which tells every caller that must be ready for two file systems to copy instead, and copies are
 * judged one by one.
 */
#include "kern/measure.h"
#include "kern/plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 64

static unsigned flags_of(const struct request *r)
{
    return r->trap->nr == SYS_renameat2 ? (unsigned)request_arg(r, r->trap->rest) : 0;
}

/* A walk over all that is below a folder. Adds checks, or compares with those that are there. */
struct tour {
    struct request *r;
    const char *from, *to; /* paths of the folder: as it is, and as it will be */
    size_t next;           /* compare: the check to come; SIZE_MAX: add */
    char rel[PATH_MAX];    /* path below the folder, with a slash before each part */
    size_t n;
    unsigned depth;
    DIR *open[DEPTH_MAX];
    size_t length[DEPTH_MAX]; /* of rel, when that folder was entered */
};

static struct action *add_check(struct request *r, enum verb verb, const char *path,
                                const char *target, const char *op)
{
    struct action *a = request_check(r, verb, RESOURCE_FILE, path);

    if (a != NULL) {
        action_str(a, FIELD_OP, str_of(op));
        action_str(a, FIELD_TARGET, str_of(request_strdup(r, target)));
    }
    return a;
}

static int add_pair(struct request *r, const char *from, const char *to, const char *op)
{
    if (add_check(r, VERB_DELETE, from, to, op) == NULL ||
        add_check(r, VERB_CREATE, to, from, op) == NULL)
        return -EXDEV;
    return 0;
}

/* One thing below the folder. 0, -EXDEV when there are too many, -EBUSY when it is not what
 * was judged. */
static int tour_visit(struct tour *t)
{
    char from[PATH_MAX], to[PATH_MAX];
    int a = snprintf(from, sizeof(from), "%s%.*s", t->from, (int)t->n, t->rel);
    int b = snprintf(to, sizeof(to), "%s%.*s", t->to, (int)t->n, t->rel);

    if (a >= ACTION_RESOURCE_MAX || b >= ACTION_RESOURCE_MAX || a >= PATH_MAX || b >= PATH_MAX)
        return -EXDEV;
    if (t->next == SIZE_MAX)
        return add_pair(t->r, from, to, "move");
    if (t->next >= t->r->nchecks || !str_is(t->r->checks[t->next].resource, from))
        return -EBUSY;
    t->next += 2;
    return 0;
}

static int tour_enter(struct tour *t, int folder, const char *name)
{
    if (t->depth == DEPTH_MAX)
        return -EXDEV;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    t->open[t->depth] = d;
    t->length[t->depth++] = t->n;
    return 0;
}

static bool is_folder(int fd, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* The next entry of the innermost folder; leaves it at its end. */
static int tour_step(struct tour *t)
{
    DIR *d = t->open[t->depth - 1];
    size_t at = t->length[t->depth - 1];

    errno = 0;
    const struct dirent *e = readdir(d);
    if (e == NULL) {
        int error = errno;
        (void)closedir(d);
        t->depth--;
        return -error;
    }
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return 0;
    int n = snprintf(t->rel + at, sizeof(t->rel) - at, "/%s", e->d_name);
    if (n < 0 || (size_t)n >= sizeof(t->rel) - at)
        return -EXDEV;
    t->n = at + (size_t)n;
    int error = tour_visit(t);
    return error != 0 || !is_folder(dirfd(d), e) ? error : tour_enter(t, dirfd(d), e->d_name);
}

static int tour_run(struct tour *t, const struct place *p)
{
    int error = tour_enter(t, p->object, ".");

    while (error == 0 && t->depth > 0)
        error = tour_step(t);
    while (t->depth > 0)
        (void)closedir(t->open[--t->depth]);
    return error;
}

/* Walks what moves: the old folder, and in an exchange the new one too. `next` as in tour. */
static int tour_all(struct request *r, size_t next)
{
    struct tour t = {.r = r, .from = r->at.path, .to = r->to.path, .next = next};
    int error = S_ISDIR(r->at.st.st_mode) ? tour_run(&t, &r->at) : 0;

    if (error != 0 || (flags_of(r) & RENAME_EXCHANGE) == 0 || !S_ISDIR(r->to.st.st_mode))
        return error != 0 || next == SIZE_MAX || t.next == r->nchecks ? error : -EBUSY;
    struct tour back = {.r = r, .from = r->to.path, .to = r->at.path, .next = t.next};
    error = tour_run(&back, &r->to);
    return error != 0 || next == SIZE_MAX || back.next == r->nchecks ? error : -EBUSY;
}

static int find_one(struct request *r, int dir_arg, int path_arg, char **path, struct place *p)
{
    struct walker w = request_walker(r);
    int error;

    *path = request_path(r, path_arg, &error);
    if (*path == NULL)
        return error;
    error = resolve_entry(&w, request_dirfd(r, dir_arg), *path, 0, p);
    return error == 0 && p->parent < 0 ? -EACCES : error;
}

static int find_both(struct request *r)
{
    bool at = r->trap->dir >= 0;
    int path = r->trap->path;
    int error = find_one(r, r->trap->dir, path, &r->first_path, &r->at);

    if (error == 0)
        error = find_one(r, at ? path + 1 : -1, at ? path + 2 : path + 1, &r->second_path, &r->to);
    if (error == 0 && r->at.object < 0)
        error = -ENOENT;
    return error;
}

static int refuse_flags(unsigned flags)
{
    if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
        (flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL; /* a whiteout is a device: not for an agent */
    return 0;
}

static int refuse(const struct request *r)
{
    unsigned flags = flags_of(r);

    if (r->at.dots || r->to.dots)
        return -EBUSY;
    if ((flags & RENAME_EXCHANGE) != 0 && r->to.object < 0)
        return -ENOENT;
    if (!scope_joins(&r->kern->scope, r->at.path, r->to.path))
        return -EXDEV;
    return (flags & RENAME_NOREPLACE) != 0 && r->to.object >= 0 ? -EEXIST : 0;
}

static int add_checks(struct request *r)
{
    int error = add_pair(r, r->at.path, r->to.path, "rename");

    if (error == 0 && (flags_of(r) & RENAME_EXCHANGE) != 0)
        error = add_pair(r, r->to.path, r->at.path, "rename");
    else if (error == 0 && r->to.object >= 0)
        error = add_check(r, VERB_DELETE, r->to.path, r->at.path, "rename") != NULL ? 0 : -EXDEV;
    r->tour_first = r->nchecks;
    return error != 0 ? error : tour_all(r, SIZE_MAX);
}

static enum step prepare(struct request *r)
{
    int error = refuse_flags(flags_of(r));

    if (error == 0)
        error = find_both(r);
    if (error == 0)
        error = refuse(r);
    r->generation = r->kern->generation;
    if (error == 0)
        error = add_checks(r);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

static bool as_judged(struct request *r)
{
    const struct view *v = &r->kern->view;

    if (!place_same_entry(&r->at) || !place_same_entry(&r->to) || !place_unmoved(v, &r->at) ||
        !place_unmoved(v, &r->to))
        return false;
    return r->generation == r->kern->generation || tour_all(r, r->tour_first) == 0;
}

static enum step act(struct request *r)
{
    unsigned flags = flags_of(r);

    if (!as_judged(r))
        return STEP_AGAIN;
    if (measure_holds(r->kern, &r->at.st) ||
        (r->to.object >= 0 && measure_holds(r->kern, &r->to.st)))
        return answer_error(r, ETXTBSY);
    /* not the C library's, which makes other calls of it */
    if (syscall(SYS_renameat2, r->at.parent, r->at.name, r->to.parent, r->to.name, flags) != 0)
        return answer_error(r, errno);
    r->kern->generation++;
    return answer_value(r, 0);
}

const struct plan plan_rename = {prepare, act};
