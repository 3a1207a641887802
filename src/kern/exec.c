/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/exec.h"

#include "kern/argv.h"
#include "kern/env.h"
#include "kern/measure.h"
#include "kern/plan.h"
#include "kern/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void exec_release(struct request *r)
{
    struct exec *x = r->exec;

    for (size_t i = 0; x != NULL && i < x->n; i++)
        mem_auto_close(&x->file[i].fd);
    if (x != NULL)
        mem_auto_close(&x->given.fd);
    r->exec = NULL;
}

/* Takes an O_PATH descriptor into the chain. 0 or -errno. */
static int add_file(struct request *r, int fd, const char *named)
{
    struct exec *x = r->exec;
    char path[PATH_MAX];

    if (x->n == CHAIN_MAX) {
        (void)close(fd);
        return -ELOOP;
    }
    struct exec_file *f = &x->file[x->n++];
    *f = (struct exec_file){.fd = fd, .named = request_strdup(r, named)};
    if (fstat(fd, &f->st) != 0)
        return -errno;
    if (S_ISLNK(f->st.st_mode))
        return -ELOOP;
    if (!S_ISREG(f->st.st_mode))
        return -EACCES;
    ssize_t n = view_path(&r->kern->view, fd, path);
    if (n < 0)
        return (int)n;
    f->path = request_strdup(r, path);
    return 0;
}

/* The first bytes of the last file of the chain; 0 when it may not be read, as programs that
 * can only be executed may not. */
static ssize_t read_head(const struct request *r, char head[SCRIPT_HEAD])
{
    const struct exec *x = r->exec;
    int fd = view_reopen(&r->kern->view, x->file[x->n - 1].fd, O_RDONLY | O_NONBLOCK);

    if (fd < 0) /* such a program could not be recognised once it is loaded */
        return fd == -EACCES && !r->kern->config.verify_exec ? 0 : fd;
    ssize_t n = pread(fd, head, SCRIPT_HEAD, 0);
    int error = errno;
    (void)close(fd);
    return n < 0 ? -error : n;
}

/* A dynamic loader as the program: what it is told to load is executed as well. */
static int check_loader(struct request *r, const struct exec_file *f)
{
    struct exec *x = r->exec;
    struct walker w = request_walker(r);
    char path[PATH_MAX];

    if (!parse_is_loader(str_of(f->path)))
        return 0;
    int at = parse_loader_program(x->argv, x->argc);
    if (at < 0)
        return 0;
    struct str name = x->argv[at];
    if (memchr(name.p, '/', name.n) == NULL || name.n >= PATH_MAX)
        return -EACCES;           /* it would be searched for, nobody here knows where */
    mem_auto_close(&x->given.fd); /* of a loader that was the interpreter of this one */
    x->given.fd = resolve_object(&w, AT_FDCWD, name.p, 0, 0);
    x->given.named = arena_strndup(&r->arena, name.p, name.n);
    if (x->given.fd < 0)
        return x->given.fd;
    if (fstat(x->given.fd, &x->given.st) != 0)
        return -errno;
    ssize_t n = view_path(&r->kern->view, x->given.fd, path);
    if (n < 0)
        return (int)n;
    struct argv_exec e = {.path = path,
                          .op = "loader",
                          .name = parse_last(name),
                          .argv = x->argv + at,
                          .argc = x->argc - (size_t)at};
    return argv_check(r, &e);
}

/* Judges the last file of the chain with the arguments that it would get. */
static int check_file(struct request *r, const char *interpreter)
{
    struct exec *x = r->exec;
    struct exec_file *f = &x->file[x->n - 1];
    struct argv_exec e = {.path = f->path,
                          .op = x->n == 1 ? "execve" : "interpreter",
                          .name = parse_last(str_of(f->named)),
                          .interpreter = interpreter,
                          .argv = x->argv,
                          .argc = x->argc};
    int error = argv_check(r, &e);

    return error != 0 ? error : check_loader(r, f);
}

/* The interpreter's canonical path, and itself as the next file of the chain. */
static int add_interpreter(struct request *r, const struct script *s)
{
    struct walker w = request_walker(r);
    char *name = arena_strndup(&r->arena, s->interpreter.p, s->interpreter.n);
    int fd = resolve_object(&w, AT_FDCWD, name, 0, 0);

    return fd < 0 ? fd : add_file(r, fd, name);
}

/* Follows the `#!` lines, judging each file on the way. */
static int follow_chain(struct request *r)
{
    struct exec *x = r->exec;

    for (;;) {
        char head[SCRIPT_HEAD];
        struct script s;
        ssize_t n = read_head(r, head);

        if (n < 0)
            return (int)n;
        enum script_kind kind = parse_script(head, (size_t)n, &s);
        if (kind == SCRIPT_BAD)
            return -ENOEXEC;
        if (kind == SCRIPT_NONE)
            return check_file(r, NULL);
        int error = add_interpreter(r, &s);
        if (error != 0)
            return error;
        x->n--; /* the script itself is judged first, with the arguments as they are */
        error = check_file(r, x->file[x->n].path);
        x->n++;
        if (error != 0)
            return error;
        argv_shift(r, &s);
    }
}

/* The name under which an interpreter will be told to open the script: fs/exec.c,
 * alloc_bprm(). */
static char *kernel_name(struct request *r, int dirfd, const char *path)
{
    if (dirfd == AT_FDCWD || path[0] == '/')
        return request_strdup(r, path);
    if (path[0] == '\0')
        return arena_printf(&r->arena, "/dev/fd/%d", dirfd);
    return arena_printf(&r->arena, "/dev/fd/%d/%s", dirfd, path);
}

static int find_program(struct request *r)
{
    struct walker w = request_walker(r);
    int error, fd;
    int dirfd = request_dirfd(r, r->trap->dir);
    unsigned flags = r->trap->dir >= 0 ? (unsigned)request_arg(r, r->trap->rest + 2) : 0;
    char *path = request_path(r, r->trap->path, &error);

    if (path == NULL)
        return error;
    if ((flags & ~(unsigned)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return -EINVAL;
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0)
        fd = dirfd == AT_FDCWD ? -EACCES : tracee_fd(r->kern->view.proc, w.tid, dirfd);
    else
        fd = resolve_object(&w, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) ? O_NOFOLLOW : 0, 0);
    return fd < 0 ? fd : add_file(r, fd, kernel_name(r, dirfd, path));
}

static int read_cwd(struct request *r)
{
    char path[PATH_MAX];
    int fd = tracee_open(r->kern->view.proc, (pid_t)r->call.pid, "cwd", O_PATH);

    if (fd < 0)
        return fd;
    ssize_t n = view_path(&r->kern->view, fd, path);
    (void)close(fd);
    r->exec->cwd = n < 0 ? request_strdup(r, "/") : request_strdup(r, path);
    return 0;
}

static enum step prepare(struct request *r)
{
    r->exec = arena_alloc(&r->arena, sizeof(*r->exec));
    r->exec->given.fd = -1;
    int error = find_program(r);
    if (error == 0)
        error = read_cwd(r);
    if (error == 0)
        error = argv_read(r, request_arg(r, r->trap->rest));
    if (error == 0 && r->kern->config.read_env)
        error = env_read(r, request_arg(r, r->trap->rest + 1));
    if (error == 0)
        error = follow_chain(r);
    if (error == 0 && r->kern->config.measure)
        measure_checks(r, r->checks, r->nchecks);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

static enum step act(struct request *r)
{
    return r->kern->config.verify_exec || r->exec->measured ? verify_start(r) : answer_continue(r);
}

const struct plan plan_exec = {prepare, act};
