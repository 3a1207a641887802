/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that change an object without opening it: mode, owner, times, length, extended
 * attributes. The object is resolved once and held; what is changed is what is held, through
 * kern's own name for it (PROC/self/fd/N), which no one else can turn.
 */
#include "kern/measure.h"
#include "kern/object.h"
#include "kern/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#define LINK_TEXT 16 /* a descriptor's number */

/* Resolves the object: by path, or the descriptor itself. */
static int find_object(struct request *r, int flags)
{
    struct walker w = request_walker(r);
    int error = 0, dirfd = request_dirfd(r, r->trap->dir);
    bool by_fd = r->trap->path < 0 || request_arg(r, r->trap->path) == 0;

    if (!by_fd)
        r->first_path = request_path(r, r->trap->path, &error);
    if (error != 0)
        return error;
    if (by_fd && r->trap->dir < 0)
        return -EFAULT;
    if (by_fd || (r->first_path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0))
        return resolve_fd(&w, dirfd, &r->at);
    int fd = resolve_object(&w, dirfd, r->first_path,
                            (flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0, 0);
    return fd < 0 ? fd : place_take(&r->kern->view, fd, &r->at);
}

/* Asks for a write of the object. Anything that has no path, or no name any more, is the
 * task's own. */
static int check_object(struct request *r, const char *op, int64_t mode)
{
    if (r->at.path[0] == '\0' || r->at.st.st_nlink == 0)
        return 0;
    if (view_on_proc(r->at.object))
        return -EPERM;
    if (!request_file_check(r, VERB_WRITE, r->at.path, op))
        return -E2BIG;
    if (mode >= 0)
        action_int(&r->checks[r->nchecks - 1], FIELD_MODE, mode);
    return 0;
}

static enum step prepare_change(struct request *r, int flags, const char *op, int64_t mode)
{
    int error = find_object(r, flags);

    if (error == 0)
        error = check_object(r, op, mode);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

static bool moved(const struct request *r)
{
    return r->nchecks > 0 && !place_unmoved(&r->kern->view, &r->at);
}

static enum step changed(struct request *r, int rc)
{
    return answer_result(r, rc < 0 ? -errno : 0);
}

/* The object's name among kern's own descriptors; relative to view.self_fd, the working
 * directory. */
static const char *own_name(const struct request *r, char text[LINK_TEXT])
{
    (void)snprintf(text, LINK_TEXT, "%d", r->at.object);
    return text;
}

/* chmod, fchmod, fchmodat, fchmodat2 */

static int chmod_flags(const struct request *r)
{
    return r->trap->nr == SYS_fchmodat2 ? (int)request_arg(r, r->trap->rest + 1) : 0;
}

static enum step prepare_chmod(struct request *r)
{
    if ((chmod_flags(r) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return answer_error(r, EINVAL);
    return prepare_change(r, chmod_flags(r), "chmod",
                          (int64_t)(request_arg(r, r->trap->rest) & 07777));
}

static enum step act_chmod(struct request *r)
{
    char name[LINK_TEXT];

    if (moved(r))
        return STEP_AGAIN;
    if (S_ISLNK(r->at.st.st_mode))
        return answer_error(r, EOPNOTSUPP);
    return changed(r, fchmodat(r->kern->view.self_fd, own_name(r, name),
                               (mode_t)request_arg(r, r->trap->rest) & 07777, 0));
}

const struct plan plan_chmod = {prepare_chmod, act_chmod};

/* chown, lchown, fchown, fchownat */

static int chown_flags(const struct request *r)
{
#ifdef SYS_lchown
    if (r->trap->nr == SYS_lchown)
        return AT_SYMLINK_NOFOLLOW;
#endif
    return r->trap->nr == SYS_fchownat ? (int)request_arg(r, r->trap->rest + 2) : 0;
}

static enum step prepare_chown(struct request *r)
{
    if ((chown_flags(r) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return answer_error(r, EINVAL);
    return prepare_change(r, chown_flags(r), "chown", -1);
}

static enum step act_chown(struct request *r)
{
    int rest = r->trap->rest;

    if (moved(r))
        return STEP_AGAIN;
    return changed(r, fchownat(r->at.object, "", (uid_t)request_arg(r, rest),
                               (gid_t)request_arg(r, rest + 1), AT_EMPTY_PATH));
}

const struct plan plan_chown = {prepare_chown, act_chown};

/* utimensat, futimesat, utimes, utime */

static int utime_flags(const struct request *r)
{
    return r->trap->nr == SYS_utimensat ? (int)request_arg(r, r->trap->rest + 1) : 0;
}

static int read_timevals(struct request *r, uint64_t at, struct timespec t[2])
{
    struct timeval v[2];
    int error = mem_read(&r->kern->mem, at, v, sizeof(v));

    for (int i = 0; error == 0 && i < 2; i++) {
        if (v[i].tv_usec < 0 || v[i].tv_usec >= 1000000)
            return -EINVAL;
        t[i] = (struct timespec){.tv_sec = v[i].tv_sec, .tv_nsec = v[i].tv_usec * 1000};
    }
    return error;
}

static int read_utimbuf(struct request *r, uint64_t at, struct timespec t[2])
{
    struct utimbuf u = {0};
    int error = mem_read(&r->kern->mem, at, &u, sizeof(u));

    t[0] = (struct timespec){.tv_sec = u.actime};
    t[1] = (struct timespec){.tv_sec = u.modtime};
    return error;
}

/* The times asked for; now, for a NULL pointer. */
static int read_times(struct request *r, struct timespec t[2])
{
    uint64_t at = request_arg(r, r->trap->rest);

    t[0] = (struct timespec){.tv_nsec = UTIME_NOW};
    t[1] = t[0];
    if (at == 0)
        return 0;
    if (r->trap->nr == SYS_utimensat)
        return mem_read(&r->kern->mem, at, t, 2 * sizeof(*t));
#ifdef SYS_utime
    if (r->trap->nr == SYS_utime)
        return read_utimbuf(r, at, t);
#endif
    return read_timevals(r, at, t);
}

static enum step prepare_utime(struct request *r)
{
    struct timespec t[2] = {0};
    int error = read_times(r, t);

    if (error == 0 && (utime_flags(r) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        error = -EINVAL;
    if (error != 0)
        return answer_error(r, -error);
    r->times = arena_alloc(&r->arena, sizeof(t));
    memcpy(r->times, t, sizeof(t));
    return prepare_change(r, utime_flags(r), "utime", -1);
}

static enum step act_utime(struct request *r)
{
    char name[LINK_TEXT];

    if (moved(r))
        return STEP_AGAIN;
    if (S_ISLNK(r->at.st.st_mode))
        return changed(r, (int)syscall(SYS_utimensat, r->at.object, "", r->times, AT_EMPTY_PATH));
    return changed(r, utimensat(r->kern->view.self_fd, own_name(r, name), r->times, 0));
}

const struct plan plan_utime = {prepare_utime, act_utime};

/* truncate */

static enum step prepare_truncate(struct request *r)
{
    int error = find_object(r, 0);

    if (error == 0 && (int64_t)request_arg(r, r->trap->rest) < 0)
        error = -EINVAL;
    if (error == 0 && S_ISDIR(r->at.st.st_mode))
        error = -EISDIR;
    if (error == 0 && !S_ISREG(r->at.st.st_mode))
        error = -EINVAL;
    if (error == 0)
        error = check_object(r, "truncate", -1);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

/* The limit on the size of files is the task's, not kern's. */
static bool too_large(const struct request *r, off_t length)
{
    struct rlimit limit;

    if (prlimit((pid_t)r->call.pid, RLIMIT_FSIZE, NULL, &limit) != 0)
        return true;
    return limit.rlim_cur != RLIM_INFINITY && (rlim_t)length > limit.rlim_cur;
}

static enum step act_truncate(struct request *r)
{
    off_t length = (off_t)request_arg(r, r->trap->rest);

    if (moved(r))
        return STEP_AGAIN;
    if (length > r->at.st.st_size && too_large(r, length))
        return answer_error(r, EFBIG);
    if (measure_holds(r->kern, &r->at.st))
        return answer_error(r, ETXTBSY);
    AUTO_CLOSE int fd = view_reopen(&r->kern->view, r->at.object, O_WRONLY | O_NONBLOCK);
    if (fd < 0)
        return fd == -EAGAIN ? STEP_LATER : answer_error(r, -fd);
    return changed(r, ftruncate(fd, length));
}

const struct plan plan_truncate = {prepare_truncate, act_truncate};

/* setxattr, removexattr and their kin */

struct xattr {
    char name[XATTR_NAME_MAX + 1];
    size_t n;
    int flags;
    unsigned char *value;
};

static bool is_remove(const struct request *r)
{
    return r->trap->nr == SYS_removexattr || r->trap->nr == SYS_lremovexattr ||
           r->trap->nr == SYS_fremovexattr;
}

static int read_xattr(struct request *r)
{
    int rest = r->trap->rest;
    struct xattr *x = arena_alloc(&r->arena, sizeof(*x));
    ssize_t n = mem_string(&r->kern->mem, request_arg(r, rest), x->name, sizeof(x->name));

    r->xattr = x;
    if (n == 0 || n == -ENAMETOOLONG)
        return -ERANGE;
    if (n < 0 || is_remove(r))
        return n < 0 ? (int)n : 0;
    uint64_t size = request_arg(r, rest + 2);
    if (size > XATTR_SIZE_MAX)
        return -E2BIG;
    x->n = (size_t)size;
    x->flags = (int)request_arg(r, rest + 3);
    x->value = arena_alloc(&r->arena, x->n + 1);
    return mem_read(&r->kern->mem, request_arg(r, rest + 1), x->value, x->n);
}

static enum step prepare_xattr(struct request *r)
{
    bool follow = r->trap->nr != SYS_lsetxattr && r->trap->nr != SYS_lremovexattr;
    int error = read_xattr(r);

    if (error != 0)
        return answer_error(r, -error);
    return prepare_change(r, follow ? 0 : AT_SYMLINK_NOFOLLOW,
                          is_remove(r) ? "removexattr" : "setxattr", -1);
}

static enum step act_xattr(struct request *r)
{
    char name[LINK_TEXT];
    const struct xattr *x = r->xattr;

    if (moved(r))
        return STEP_AGAIN;
    if (S_ISLNK(r->at.st.st_mode)) /* none that an agent could set */
        return answer_error(r, EPERM);
    if (is_remove(r))
        return changed(r, removexattr(own_name(r, name), x->name));
    return changed(r, setxattr(own_name(r, name), x->name, x->value, x->n, x->flags));
}

const struct plan plan_xattr = {prepare_xattr, act_xattr};

/* Calls newer than these plans */

static enum step prepare_nosys(struct request *r)
{
    return answer_error(r, ENOSYS);
}

const struct plan plan_nosys = {prepare_nosys, prepare_nosys};
