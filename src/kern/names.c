/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that make or remove an entry of a folder. The folder is resolved and held; the entry is
 * made or removed in that very folder, under the name that was judged. What stands under the
 * name may change until then: it is the name that the policy spoke about.
 */
#include "kern/measure.h"
#include "kern/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Resolves the call's first path into r->at, without following its last part. */
static int find_entry(struct request *r)
{
    struct walker w = request_walker(r);
    int error;

    r->first_path = request_path(r, r->trap->path, &error);
    if (r->first_path == NULL)
        return error;
    return resolve_entry(&w, request_dirfd(r, r->trap->dir), r->first_path, 0, &r->at);
}

/* May an entry be changed there at all? On a procfs nothing can be made; a magic link has no
 * folder. */
static int need_folder(const struct place *p)
{
    return p->parent < 0 ? -EACCES : 0;
}

static bool moved(const struct request *r)
{
    return !r->at.dots && !place_unmoved(&r->kern->view, &r->at);
}

static int result_of(int rc)
{
    return rc < 0 ? -errno : 0;
}

/* unlink, unlinkat, rmdir */

static int unlink_flags(const struct request *r)
{
#ifdef SYS_rmdir
    if (r->trap->nr == SYS_rmdir)
        return AT_REMOVEDIR;
#endif
    return r->trap->nr == SYS_unlinkat ? (int)request_arg(r, r->trap->rest) : 0;
}

static enum step prepare_unlink(struct request *r)
{
    int error = find_entry(r);

    if (error == 0 && (unlink_flags(r) & ~AT_REMOVEDIR) != 0)
        error = -EINVAL;
    if (error == 0)
        error = need_folder(&r->at);
    if (error == 0 && r->at.object < 0)
        error = -ENOENT;
    if (error != 0)
        return answer_error(r, -error);
    const char *op = unlink_flags(r) != 0 ? "rmdir" : "unlink";
    if (!r->at.dots && !request_file_check(r, VERB_DELETE, r->at.path, op))
        return answer_error(r, E2BIG);
    return STEP_JUDGE;
}

static enum step act_unlink(struct request *r)
{
    if (moved(r))
        return STEP_AGAIN;
    if (r->at.object >= 0 && measure_holds(r->kern, &r->at.st))
        return answer_error(r, ETXTBSY);
    return answer_result(r, result_of(unlinkat(r->at.parent, r->at.name, unlink_flags(r))));
}

const struct plan plan_unlink = {prepare_unlink, act_unlink};

/* mkdir, mknod, symlink: a new entry. The kernel's own answer for one that exists comes first,
 * as nobody needs to be asked for it. */
static enum step prepare_new(struct request *r, const char *op, int64_t mode, const char *target)
{
    int error = find_entry(r);

    if (error == 0)
        error = need_folder(&r->at);
    if (error == 0 && (r->at.object >= 0 || r->at.dots))
        error = -EEXIST;
    if (error == 0 && !request_file_check(r, VERB_CREATE, r->at.path, op))
        error = -E2BIG;
    if (error != 0)
        return answer_error(r, -error);
    struct action *a = &r->checks[r->nchecks - 1];
    if (mode >= 0)
        action_int(a, FIELD_MODE, mode & 07777);
    if (target != NULL)
        action_str(a, FIELD_TARGET, str_of(target));
    return STEP_JUDGE;
}

static enum step made(struct request *r, int rc)
{
    if (rc == 0)
        r->kern->generation++;
    return answer_result(r, result_of(rc));
}

static mode_t mode_arg(const struct request *r)
{
    return (mode_t)request_arg(r, r->trap->rest);
}

static enum step prepare_mkdir(struct request *r)
{
    return prepare_new(r, "mkdir", mode_arg(r), NULL);
}

static enum step act_mkdir(struct request *r)
{
    if (moved(r))
        return STEP_AGAIN;
    (void)umask((mode_t)request_who(r)->umask);
    return made(r, mkdirat(r->at.parent, r->at.name, mode_arg(r)));
}

const struct plan plan_mkdir = {prepare_mkdir, act_mkdir};

/* Devices are refused without asking: the agent's own kernel view would refuse them too. */
static enum step prepare_mknod(struct request *r)
{
    mode_t type = mode_arg(r) & S_IFMT;

    if (type == S_IFCHR || type == S_IFBLK)
        return answer_error(r, EPERM);
    if (type != 0 && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK)
        return answer_error(r, type == S_IFDIR ? EPERM : EINVAL);
    return prepare_new(r, "mknod", mode_arg(r), NULL);
}

static enum step act_mknod(struct request *r)
{
    if (moved(r))
        return STEP_AGAIN;
    (void)umask((mode_t)request_who(r)->umask);
    return made(r, mknodat(r->at.parent, r->at.name, mode_arg(r), 0));
}

const struct plan plan_mknod = {prepare_mknod, act_mknod};

static enum step prepare_symlink(struct request *r)
{
    int error;

    r->second_path = request_path(r, 0, &error); /* the text; no path that is resolved */
    if (r->second_path == NULL)
        return answer_error(r, -error);
    return prepare_new(r, "symlink", -1, r->second_path);
}

static enum step act_symlink(struct request *r)
{
    if (moved(r))
        return STEP_AGAIN;
    return made(r, symlinkat(r->second_path, r->at.parent, r->at.name));
}

const struct plan plan_symlink = {prepare_symlink, act_symlink};

/* link: r->at is the new entry, r->to the thing that gets it */

static int link_flags(const struct request *r)
{
    return r->trap->nr == SYS_linkat ? (int)request_arg(r, r->trap->rest) : 0;
}

static int find_old(struct request *r, int dir_arg)
{
    struct walker w = request_walker(r);
    int error, dirfd = request_dirfd(r, dir_arg);
    int flags = link_flags(r);
    char *path = request_path(r, dir_arg + 1, &error);

    if (path == NULL)
        return error;
    place_init(&r->to);
    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_FOLLOW)) != 0)
        return -EINVAL;
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0)
        return resolve_fd(&w, dirfd, &r->to);
    if ((flags & AT_SYMLINK_FOLLOW) == 0) {
        error = resolve_entry(&w, dirfd, path, 0, &r->to);
        return error == 0 && r->to.object < 0 ? -ENOENT : error;
    }
    int fd = resolve_object(&w, dirfd, path, 0, 0);
    return fd < 0 ? fd : place_take(&r->kern->view, fd, &r->to);
}

static int find_new(struct request *r, int dir_arg)
{
    struct walker w = request_walker(r);
    int error, arg = dir_arg < 0 ? 1 : dir_arg + 3;

    r->first_path = request_path(r, arg, &error);
    if (r->first_path == NULL)
        return error;
    error = resolve_entry(&w, request_dirfd(r, dir_arg < 0 ? -1 : dir_arg + 2), r->first_path, 0,
                          &r->at);
    if (error == 0)
        error = need_folder(&r->at);
    if (error == 0 && (r->at.object >= 0 || r->at.dots))
        error = -EEXIST;
    return error;
}

/* A second name gives every right that its folder gives: so it takes the right to write. A
 * file that never had a name (O_TMPFILE) was made by the task and is only judged by its name. */
static int check_link(struct request *r)
{
    bool named = r->to.path[0] != '\0' && r->to.st.st_nlink > 0;

    if (S_ISDIR(r->to.st.st_mode) || view_on_proc(r->to.object))
        return -EPERM;
    if (r->to.path[0] == '\0' || (named && !scope_joins(&r->kern->scope, r->to.path, r->at.path)))
        return -EXDEV;
    if (named && (!request_file_check(r, VERB_READ, r->to.path, "link") ||
                  !request_file_check(r, VERB_WRITE, r->to.path, "link")))
        return -E2BIG;
    if (!request_file_check(r, VERB_CREATE, r->at.path, "link"))
        return -E2BIG;
    action_str(&r->checks[r->nchecks - 1], FIELD_TARGET, str_of(r->to.path));
    return 0;
}

static enum step prepare_link(struct request *r)
{
    int error = find_old(r, r->trap->dir);

    if (error == 0)
        error = find_new(r, r->trap->dir);
    if (error == 0)
        error = check_link(r);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

static enum step act_link(struct request *r)
{
    char name[16];

    if (moved(r) || (r->to.st.st_nlink > 0 && !place_unmoved(&r->kern->view, &r->to)))
        return STEP_AGAIN;
    if (S_ISLNK(r->to.st.st_mode)) { /* a magic link cannot name a symbolic link itself */
        if (r->to.parent < 0 || !place_same_entry(&r->to))
            return STEP_AGAIN;
        return made(r, linkat(r->to.parent, r->to.name, r->at.parent, r->at.name, 0));
    }
    (void)snprintf(name, sizeof(name), "%d", r->to.object);
    return made(r,
                linkat(r->kern->view.self_fd, name, r->at.parent, r->at.name, AT_SYMLINK_FOLLOW));
}

const struct plan plan_link = {prepare_link, act_link};
