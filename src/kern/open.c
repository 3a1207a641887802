/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens. prepare() finds the object, or the folder and the name where it is to be made; act()
 * opens that object through its descriptor (a magic link of kern's own, so no name is looked
 * up again), or makes that entry with O_EXCL, and gives the descriptor to the task.
 *
 * kern never blocks in an open: it adds O_NONBLOCK and clears it afterwards. A FIFO whose other
 * end is not open yet is tried again in a moment, as is a file with a lease.
 */
#include "kern/canary.h"
#include "kern/marks.h"
#include "kern/measure.h"
#include "kern/object.h"
#include "kern/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TMPFILE_BIT    (O_TMPFILE & ~O_DIRECTORY)
#define OPEN_HOW_FIRST 24u /* size of the first struct open_how */
#define OPEN_HOW_MAX   4096u
#define LARGEFILE      0100000u /* what O_LARGEFILE is to the kernel on x86-64 and its like */
#define FLAGS_KNOWN                                                                              \
    ((uint64_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |      \
                O_SYNC | O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | \
                O_PATH | O_TMPFILE) |                                                            \
     LARGEFILE)
#define RESOLVE_KNOWN                                                                  \
    (RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | \
     RESOLVE_IN_ROOT | RESOLVE_CACHED)

static bool has(const struct request *r, int flag)
{
    return (r->how.flags & (uint64_t)(unsigned)flag) != 0;
}

static bool wants_read(const struct request *r)
{
    return (r->how.flags & O_ACCMODE) != O_WRONLY;
}

static bool wants_write(const struct request *r)
{
    return (r->how.flags & O_ACCMODE) != O_RDONLY || has(r, O_TRUNC);
}

/* openat2's argument: longer ones are fine as long as what is not known here is zero. */
static int read_how(struct request *r, uint64_t at, uint64_t size)
{
    unsigned char more[64];

    if (size < OPEN_HOW_FIRST)
        return -EINVAL;
    if (size > OPEN_HOW_MAX)
        return -E2BIG;
    int error = mem_read(&r->kern->mem, at, &r->how, OPEN_HOW_FIRST);
    for (uint64_t i = OPEN_HOW_FIRST; error == 0 && i < size; i += sizeof(more)) {
        size_t n = size - i < sizeof(more) ? (size_t)(size - i) : sizeof(more);

        error = mem_read(&r->kern->mem, at + i, more, n);
        for (size_t j = 0; error == 0 && j < n; j++)
            if (more[j] != 0)
                return -E2BIG;
    }
    if (error != 0)
        return error;
    if ((r->how.flags & ~FLAGS_KNOWN) != 0 || (r->how.resolve & ~(uint64_t)RESOLVE_KNOWN) != 0 ||
        (r->how.mode & ~07777ull) != 0 ||
        (r->how.mode != 0 && (r->how.flags & (O_CREAT | TMPFILE_BIT)) == 0))
        return -EINVAL;
    return (r->how.resolve & RESOLVE_CACHED) != 0 ? -EAGAIN : 0;
}

static int read_flags(struct request *r)
{
    int rest = r->trap->rest;

    memset(&r->how, 0, sizeof(r->how));
    if (r->trap->nr == SYS_openat2)
        return read_how(r, request_arg(r, rest), request_arg(r, rest + 1));
#ifdef SYS_creat
    if (r->trap->nr == SYS_creat) {
        r->how.flags = O_CREAT | O_WRONLY | O_TRUNC;
        r->how.mode = request_arg(r, rest) & 07777;
        return 0;
    }
#endif
    r->how.flags = (uint32_t)request_arg(r, rest) & FLAGS_KNOWN;
    if ((r->how.flags & (O_CREAT | TMPFILE_BIT)) != 0)
        r->how.mode = request_arg(r, rest + 1) & 07777;
    return 0;
}

/* Where O_CREAT may make something: the entry, with or without an object. */
static int find_to_make(struct request *r, const struct walker *w, int dirfd)
{
    bool follow = !has(r, O_NOFOLLOW) && !has(r, O_EXCL) && r->how.resolve == 0;
    const char *path = r->first_path;
    size_t n = strlen(path);

    if (n > 0 && path[n - 1] == '/')
        return -EISDIR;
    int error = resolve_entry(w, dirfd, path, r->how.resolve, &r->at);
    if (error != 0 || !follow || r->at.object < 0 || !S_ISLNK(r->at.st.st_mode))
        return error;
    place_clear(&r->at);
    return resolve_target(w, dirfd, path, &r->at);
}

/* Finds what the path means now: r->at, with or without an object. */
static int find(struct request *r)
{
    struct walker w = request_walker(r);
    int dirfd = request_dirfd(r, r->trap->dir);
    int flags = (has(r, O_NOFOLLOW) ? O_NOFOLLOW : 0) | (has(r, O_DIRECTORY) ? O_DIRECTORY : 0);

    if (has(r, O_CREAT))
        return find_to_make(r, &w, dirfd);
    int fd = resolve_object(&w, dirfd, r->first_path, flags, r->how.resolve);
    return fd < 0 ? fd : place_take(&r->kern->view, fd, &r->at);
}

static int check_new(struct request *r)
{
    if (!has(r, O_CREAT))
        return -ENOENT;
    if (r->at.parent < 0)
        return -EACCES;
    if (!request_file_check(r, VERB_CREATE, r->at.path, "open"))
        return -E2BIG;
    action_int(&r->checks[r->nchecks - 1], FIELD_MODE, (int64_t)r->how.mode);
    return 0;
}

/* The kernel's own answers, for which nobody needs to be asked. */
static int refuse_kind(const struct request *r)
{
    mode_t mode = r->at.st.st_mode;

    if (has(r, O_CREAT) && has(r, O_EXCL))
        return -EEXIST;
    if (S_ISLNK(mode))
        return -ELOOP;
    if (S_ISDIR(mode) && (wants_write(r) || has(r, O_CREAT)))
        return -EISDIR;
    if (!S_ISDIR(mode) && has(r, O_DIRECTORY))
        return -ENOTDIR;
    return S_ISSOCK(mode) ? -ENXIO : 0;
}

static int check_existing(struct request *r)
{
    bool ok = true;
    int error = refuse_kind(r);

    if (error != 0)
        return error;
    switch (object_class(r, &r->at, wants_write(r))) {
    case OBJECT_REFUSED:
        return -EACCES;
    case OBJECT_FREE:
        return 0;
    case OBJECT_TTY: {
        int tty = object_tty(r);

        if (tty < 0)
            return tty;
        place_clear(&r->at);
        return place_take(&r->kern->view, tty, &r->at);
    }
    case OBJECT_JUDGED:
        request_within(r, r->at.path, wants_write(r) ? SCOPE_CHANGE : SCOPE_READ);
        break;
    }
    if (wants_write(r))
        ok = request_file_check(r, VERB_WRITE, r->at.path, "open");
    /* Without this trap the mounts hold what may be read, and kern sees no more than they show. */
    if (ok && wants_read(r) && (r->kern->config.traps & TRAP_READ) != 0 &&
        !r->kern->config.mute_reads && (wants_write(r) || !canary_is(r->kern, &r->at.st)))
        ok = request_file_check(r, VERB_READ, r->at.path, "open");
    return ok ? 0 : -E2BIG;
}

static int check_tmpfile(struct request *r)
{
    char path[PATH_MAX + 16];

    if (!wants_write(r))
        return -EINVAL;
    if (!S_ISDIR(r->at.st.st_mode))
        return -ENOTDIR;
    /* It has no name yet; a rule on the folder holds for it. Its first name is a link. */
    int n = snprintf(path, sizeof(path), "%s/#tmpfile", r->at.path);
    if (n >= ACTION_RESOURCE_MAX)
        return -ENAMETOOLONG;
    return request_file_check(r, VERB_CREATE, path, "tmpfile") ? 0 : -E2BIG;
}

/*
 * O_PATH opens nothing: what is done with such a descriptor comes here again. kern could not
 * give it away (ADDFD refuses them). With the flags in a register the call may go on, as
 * nothing but O_PATH can come of it; openat2's could become others, so its callers are sent to
 * the older call.
 */
static enum step open_path(struct request *r)
{
    return r->trap->nr == SYS_openat2 ? answer_error(r, ENOSYS) : answer_continue(r);
}

static enum step prepare(struct request *r)
{
    int error = read_flags(r);

    if (error != 0)
        return answer_error(r, -error);
    if (has(r, O_PATH))
        return open_path(r);
    r->first_path = request_path(r, r->trap->path, &error);
    if (r->first_path != NULL)
        error = find(r);
    if (error == 0 && has(r, TMPFILE_BIT))
        error = check_tmpfile(r);
    else if (error == 0)
        error = r->at.object >= 0 ? check_existing(r) : check_new(r);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

/* The flags that stay with an open file. */
static int status_flags(const struct request *r)
{
    return (int)(r->how.flags & (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME));
}

static enum step give(struct request *r, int fd)
{
    if (!has(r, O_NONBLOCK) && fcntl(fd, F_SETFL, status_flags(r)) != 0) {
        int error = errno;
        (void)close(fd);
        return answer_error(r, error);
    }
    if (!marks_tell(r, fd)) {
        (void)close(fd);
        return STEP_LATER;
    }
    return answer_fd(r, fd, has(r, O_CLOEXEC));
}

static enum step make(struct request *r)
{
    int flags = (int)(r->how.flags & ~(uint64_t)O_CLOEXEC);

    (void)umask((mode_t)request_who(r)->umask);
    int fd = openat(r->at.parent, r->at.name, flags | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC,
                    (mode_t)r->how.mode);
    if (fd >= 0) {
        r->kern->generation++;
        return answer_fd(r, fd, has(r, O_CLOEXEC));
    }
    /* Somebody was faster: the entry is now what it is, and is judged as that. */
    return errno == EEXIST && !has(r, O_EXCL) ? STEP_AGAIN : answer_error(r, errno);
}

static enum step make_tmpfile(struct request *r)
{
    (void)umask((mode_t)request_who(r)->umask);
    char name[16];
    (void)snprintf(name, sizeof(name), "%d", r->at.object);
    int fd =
        openat(r->kern->view.self_fd, name, (int)r->how.flags | O_CLOEXEC, (mode_t)r->how.mode);
    return fd < 0 ? answer_error(r, errno) : answer_fd(r, fd, has(r, O_CLOEXEC));
}

/* A writer has come: those who wait to read this FIFO may go on. */
static void wake_readers(struct kern *k, const struct stat *fifo)
{
    for (size_t i = 0; i < k->top; i++) {
        struct request *r = &k->requests[i];

        if (r->state == REQUEST_LATER && r->held >= 0 && r->at.st.st_ino == fifo->st_ino &&
            r->at.st.st_dev == fifo->st_dev)
            r->met = true;
    }
}

/* A FIFO opened for reading waits for a writer. Its end stays open meanwhile, so that writers
 * do not wait for it in turn. */
static enum step await_writer(struct request *r)
{
    struct pollfd p = {.fd = r->held, .events = POLLIN};

    if (!r->met && poll(&p, 1, 0) == 0)
        return STEP_LATER;
    return give(r, fd_take(&r->held));
}

static bool would_block(const struct request *r, int error)
{
    if (has(r, O_NONBLOCK))
        return false;
    return error == EAGAIN || (error == ENXIO && S_ISFIFO(r->at.st.st_mode));
}

static enum step open_existing(struct request *r)
{
    if (wants_write(r) && measure_holds(r->kern, &r->at.st))
        return answer_error(r, ETXTBSY);
    uint64_t not_now = O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = view_reopen(&r->kern->view, r->at.object, (int)(r->how.flags & ~not_now) | O_NONBLOCK);

    if (fd < 0)
        return would_block(r, -fd) ? STEP_LATER : answer_error(r, -fd);
    if (S_ISFIFO(r->at.st.st_mode) && wants_write(r))
        wake_readers(r->kern, &r->at.st);
    if (S_ISFIFO(r->at.st.st_mode) && !wants_write(r) && !has(r, O_NONBLOCK)) {
        r->held = fd;
        return await_writer(r);
    }
    return give(r, fd);
}

static enum step act(struct request *r)
{
    if (r->held >= 0)
        return await_writer(r);
    if (r->at.path[0] != '\0' && r->nchecks > 0 && !place_unmoved(&r->kern->view, &r->at))
        return STEP_AGAIN;
    if (has(r, TMPFILE_BIT))
        return make_tmpfile(r);
    return r->at.object >= 0 ? open_existing(r) : make(r);
}

const struct plan plan_open = {prepare, act};
