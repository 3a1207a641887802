/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/agent.h"
#include "base/fd.h"
#include "jail/bpf.h"
#include "jail/filter.h"
#include "jail/landlock.h"
#include "jail/rules.h"
#include "jail/uapi.h"
#include "jail/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define FIRST_FREE   10 /* descriptors are moved out of the way of 0, 1, 2 first */

/* Descriptors of A besides 0, 1, 2; all close when it executes. */
struct agent {
    const struct start *s;
    int control, released, terminal;
};

static void give_up(const struct agent *a, const struct err *e) __attribute__((noreturn));
static void give_up(const struct agent *a, const struct err *e)
{
    (void)wire_send(a->control, WIRE_ERROR, e->code, e->text, NULL, 0);
    _exit(EX_FAIL);
}

/* A caller that was started without 0, 1 or 2 may have got these numbers for its sockets. */
static bool move_ways(struct agent *a, struct err *e)
{
    a->control = fcntl(a->control, F_DUPFD_CLOEXEC, FIRST_FREE);
    a->released = fcntl(a->released, F_DUPFD_CLOEXEC, FIRST_FREE);
    return (a->control >= 0 && a->released >= 0) || err_sys(e, EX_FAIL, "the agent's descriptors");
}

static bool take_terminal(struct agent *a, const struct jail_plan *plan, struct err *e)
{
    int slave;

    if (setsid() < 0)
        return err_sys(e, EX_FAIL, "a session for the agent");
    if (a->terminal < 0)
        return true;
    slave = ioctl(a->terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return err_sys(e, EX_HOST, "opening the agent's terminal");
    (void)close(a->terminal);
    a->terminal = slave;
    if (plan->termios != NULL && tcsetattr(slave, TCSANOW, plan->termios) != 0)
        return err_sys(e, EX_FAIL, "setting the agent's terminal");
    if (ioctl(slave, TIOCSWINSZ, &plan->winsize) != 0 || ioctl(slave, TIOCSCTTY, 0) != 0)
        return err_sys(e, EX_FAIL, "taking the agent's terminal");
    return true;
}

static bool set_stdio(struct agent *a, const struct jail_plan *plan, struct err *e)
{
    int from[3];

    for (int i = 0; i < 3; i++) {
        bool pty = (plan->pty_mask >> i & 1) != 0;
        int fd = pty ? a->terminal : plan->stdio[i];
        if (fd < 0)
            fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        from[i] = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
        if (from[i] < 0)
            return err_sys(e, EX_FAIL, "the agent's descriptor %d", i);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(from[i], i) < 0)
            return err_sys(e, EX_FAIL, "the agent's descriptor %d", i);
    return true;
}

static bool limit(int resource, uint64_t most, struct err *e)
{
    struct rlimit old, new;

    if (getrlimit((__rlimit_resource_t)resource, &old) != 0)
        return err_sys(e, EX_FAIL, "reading limit %d", resource);
    new.rlim_max = most < old.rlim_max ? most : old.rlim_max;
    new.rlim_cur = new.rlim_max;
    if (setrlimit((__rlimit_resource_t)resource, &new) != 0)
        return err_sys(e, EX_FAIL, "setting limit %d", resource);
    return true;
}

static bool set_limits(const struct jail_limits *l, struct err *e)
{
    return (l->processes == 0 || limit(RLIMIT_NPROC, l->processes, e)) &&
           (l->file_size == 0 || limit(RLIMIT_FSIZE, l->file_size, e)) &&
           (l->open_files == 0 || limit(RLIMIT_NOFILE, l->open_files, e)) &&
           /* No dump is written past the rules. 1 keeps it from a helper of the host as well,
            * which 0 does not (kernel fs/coredump.c). */
           limit(RLIMIT_CORE, 1, e);
}

static bool enter_domain(const struct start *s, const struct tree *t, int abi, struct err *e)
{
    if (s->host != NULL)
        return rules_enter_host(s->host, s->plan, RULES_AGENT, e);
    return abi == 0 || rules_enter(t, abi, e);
}

/* Landlock, then seccomp; the listener, or -1. `how`: value of WIRE_ARMED. */
static bool confine(const struct start *s, const struct tree *t, int *listener, int *how,
                    struct err *e)
{
    unsigned flags = s->plan->traps == 0 ? 0
                                         : SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                               SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    struct bpf_program prog;
    int abi = ll_abi();

    if (abi < s->plan->min_landlock)
        return err_set(e, EX_HOST,
                       "this kernel has Landlock ABI %d, the policy asks for %d; boot with "
                       "\"lsm=landlock,...\" or use a newer kernel",
                       abi, s->plan->min_landlock);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, EX_HOST, "no_new_privs");
    /* The domain is made of open files, so the limit on them comes after it. */
    if (!filter_make(s->plan->traps, &prog, e) || !enter_domain(s, t, abi, e) ||
        !set_limits(&s->plan->limits, e))
        return false;
    *listener = bpf_install(&prog, flags);
    if (*listener < 0 && errno == EINVAL && flags != 0) {
        flags = SECCOMP_FILTER_FLAG_NEW_LISTENER; /* before Linux 5.19 */
        *listener = bpf_install(&prog, flags);
    }
    if (*listener < 0)
        return err_sys(e, EX_HOST, "installing the agent's system call filter (seccomp%s)",
                       flags != 0 ? " with a listener; is a filter with one installed already?"
                                  : "");
    *how = abi | ((flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0 ? 256 : 0);
    if (flags == 0)
        *listener = -1;
    return true;
}

static const char *variable(char *const *envp, const char *name)
{
    size_t n = strlen(name);

    for (; *envp != NULL; envp++)
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
            return *envp + n + 1;
    return NULL;
}

/* Where execvp() would find it, without trying to execute; *dirs is what of PATH is left. False
 * with errno. */
static bool find_program(const char *name, const char **dirs, char found[PATH_MAX])
{
    int error = ENOENT;

    while (**dirs != '\0') {
        size_t n = strcspn(*dirs, ":");
        struct stat st;
        int len = snprintf(found, PATH_MAX, "%.*s/%s", (int)n, *dirs, name);
        *dirs += n + ((*dirs)[n] == ':');
        if (n > 0 && len > 0 && len < PATH_MAX && stat(found, &st) == 0) {
            if (S_ISREG(st.st_mode) && access(found, X_OK) == 0)
                return true;
            error = EACCES;
        }
    }
    errno = error;
    return false;
}

/* Returns with errno. In tier B a program that is hidden looks as if it were there: then, as
 * execvp() would, it goes on to the next folder. */
static void execute_in_path(const struct agent *a, const struct jail_plan *plan)
{
    const char *dirs = variable(plan->envp, "PATH");
    char program[PATH_MAX];

    if (dirs == NULL)
        dirs = DEFAULT_PATH;
    while (find_program(plan->argv[0], &dirs, program)) {
        (void)execve(program, plan->argv, plan->envp);
        if (a->s->host == NULL || errno != EACCES || *dirs == '\0')
            return;
    }
}

static void execute(const struct agent *a, const struct jail_plan *plan) __attribute__((noreturn));
static void execute(const struct agent *a, const struct jail_plan *plan)
{
    const char *name = plan->argv[0];
    bool absent;

    if (name[0] == '\0')
        errno = ENOENT;
    else if (strchr(name, '/') != NULL)
        (void)execve(name, plan->argv, plan->envp);
    else
        execute_in_path(a, plan);
    absent = errno == ENOENT || errno == ENOTDIR;
    (void)wire_send(a->control, WIRE_EXEC_FAILED, errno, NULL, NULL, 0);
    _exit(absent ? EX_NOTFOUND : EX_CANTRUN);
}

void agent_main(const struct start *s, const struct tree *t, int terminal)
{
    const struct jail_plan *plan = s->plan;
    struct agent a = {s, s->control, s->released, terminal};
    struct err e = {0};
    int listener = -1, how = 0;
    char go;

    if (!move_ways(&a, &e) || !take_terminal(&a, plan, &e) || !set_stdio(&a, plan, &e))
        give_up(&a, &e);
    fd_close_from(3, (const int[]){a.control, a.released}, 2);
    if (chdir(plan->cwd) != 0) {
        err_sys(&e, EX_FAIL, "the working folder %s cannot be entered by the agent", plan->cwd);
        give_up(&a, &e);
    }
    if (!confine(s, t, &listener, &how, &e))
        give_up(&a, &e);
    if (!wire_send(a.control, WIRE_ARMED, how, NULL, &listener, listener >= 0 ? 1 : 0))
        _exit(EX_FAIL);
    mem_auto_close(&listener);
    if (read(a.released, &go, 1) != 1)
        _exit(EX_FAIL); /* the keeper went away */
    execute(&a, plan);
}
