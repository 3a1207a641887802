/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/kern.h"

#include "base/frame.h"
#include "base/mem.h"
#include "jail/confine.h"
#include "kern/config.h"
#include "policy/message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DO_IOCTL(request)  CALL_IF(ioctl, 1, BPF_INT, (request))
#define DO_PTRACE(request) CALL_IF(ptrace, 0, UINT64_MAX, (request))
#define NOTIF_ID_VALID     SECCOMP_IOW(2, __u64)

/*
 * What kern may still do. It can name and change only what the agent's own mounts show, has no
 * way to make a socket, a process or a mapping that executes, and no capability but
 * CAP_SYS_PTRACE over the agent's user namespace.
 */
static const struct bpf_rule calls[] = {
    /* the listener */
    DO_IOCTL(SECCOMP_IOCTL_NOTIF_RECV),
    DO_IOCTL(SECCOMP_IOCTL_NOTIF_SEND),
    DO_IOCTL(SECCOMP_IOCTL_NOTIF_ADDFD),
    DO_IOCTL(NOTIF_ID_VALID),
    /* looking at tasks */
    CALL(process_vm_readv),
    CALL(pidfd_open),
    CALL(pidfd_getfd),
    CALL(readlinkat),
    CALL(newfstatat),
    CALL(fstatfs),
    CALL_IF(prlimit64, 2, UINT64_MAX, 0), /* reads a limit, sets none */
    CALL(getdents64),
    CALL(openat2),
    CALL(openat),
#ifdef SYS_open
    CALL(open),
#endif
    /* verifying an exec */
    DO_PTRACE(PTRACE_SEIZE),
    DO_PTRACE(PTRACE_INTERRUPT),
    DO_PTRACE(PTRACE_DETACH),
    DO_PTRACE(PTRACE_GETEVENTMSG),
    CALL(wait4),
    CALL_IF(fcntl, 1, BPF_INT, F_SETLEASE),
    CALL_IF(kill, 1, BPF_INT, SIGKILL),
    CALL(copy_file_range), /* undo */
    /* carrying calls out */
    CALL(umask),
    CALL(unlinkat),
    CALL(mkdirat),
    CALL(mknodat),
    CALL(linkat),
    CALL(symlinkat),
    CALL(renameat2),
    CALL(fchmodat),
    CALL(fchownat),
    CALL(utimensat),
    CALL(setxattr),
    CALL(removexattr),
    CALL(connect),
    CALL(bind),                                  /* the agent's own sockets: kern can make none */
    CALL_IF(getsockopt, 1, BPF_INT, SOL_SOCKET), /* its domain */
    /* last: only where variables are taken from programs */
    CALL(process_vm_writev),
};

/* Besides, in tier B. */
static const struct bpf_rule host_calls[] = {
    CALL_IF(socketpair, 0, BPF_INT, AF_UNIX),
    CALL_IF(getsockopt, 1, BPF_INT, IPPROTO_IPV6), /* V6ONLY */
    CALL(getsockname),
    CALL(listen),
    CALL(inotify_add_watch),
    CALL_IF(kill, 1, BPF_INT, 0), /* is it one of the agent's? */
};

struct kern_role {
    int keeper, judge;
    struct kern_config config;
};

/* Into the agent's user namespace, which gives every capability over it, and its mounts. */
static bool join(struct kern_config *c, struct err *e)
{
    if (c->ns_user < 0)
        return true;
    if (setns(c->ns_user, CLONE_NEWUSER) != 0)
        return err_sys(e, EX_HOST, "kern: joining the agent's user namespace");
    if (setns(c->ns_mount, CLONE_NEWNS) != 0)
        return err_sys(e, EX_HOST, "kern: joining the agent's mounts");
    mem_auto_close(&c->ns_user);
    mem_auto_close(&c->ns_mount);
    c->ns_user = c->ns_mount = -1;
    /* The change of credentials cleared it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_sys(e, EX_FAIL, "kern: PR_SET_PDEATHSIG");
    return true;
}

/* With a user's rights over a procfs a role could change other processes and, as root, the
 * kernel's settings: so, where this process may, it keeps a read-only view. Where it may not,
 * it is no root either. */
static bool only_read_proc(struct kern_config *c, struct err *e)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    AUTO_CLOSE int tree =
        open_tree(c->proc, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

    if (tree < 0 && (geteuid() != 0 || c->host)) /* in tier B Landlock says the same */
        return true;
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0)
        return err_sys(e, EX_HOST, "kern: a read-only view of /proc");
    (void)close(c->proc);
    c->proc = fd_take(&tree);
    return true;
}

/* Requests hold a few descriptors each. */
static bool raise_limits(struct err *e)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return err_sys(e, EX_FAIL, "kern: RLIMIT_NOFILE");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        return err_sys(e, EX_FAIL, "kern: RLIMIT_NOFILE");
    return true;
}

static bool send_simple(int sock, enum message m, const char *text)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    frame_start(f, (uint16_t)m, 0);
    if (text != NULL)
        frame_put_cstr(f, MSG_TAG_TEXT, text);
    return frame_send(sock, f, NULL, 0);
}

bool kern_confine(const struct kern_config *c, struct err *e)
{
    struct bpf_rule rules[ARRAY_LEN(calls) + ARRAY_LEN(host_calls)];
    const size_t n = ARRAY_LEN(calls) - (c->nscrub == 0 ? 1 : 0);
    const struct confine role = {
        .name = "belay-kern",
        .rules = rules,
        .nrules = n + (c->host ? ARRAY_LEN(host_calls) : 0),
        .caps = c->host ? 0 : 1ull << CAP_SYS_PTRACE,
    };

    memcpy(rules, calls, n * sizeof(calls[0]));
    memcpy(rules + n, host_calls, sizeof(host_calls));
    return confine_role(&role, e);
}

/* Called with everything open: gives the rest up, and says so. */
static bool say_ready(void *ctx, struct err *e)
{
    struct kern_role *role = ctx;

    if (!kern_confine(&role->config, e))
        return false;
    if (!send_simple(role->keeper, MSG_READY, NULL))
        return err_sys(e, EX_ROLE, "kern: the keeper is gone");
    return true;
}

int kern_main(void)
{
    struct kern_role role = {.keeper = ROLE_FD_KEEPER, .judge = ROLE_FD_JUDGE};
    struct err e = {0};
    int code = EX_ROLE;

    (void)umask(077);
    bool ok = kern_config_recv(role.keeper, &role.config, &e) && raise_limits(&e) &&
              only_read_proc(&role.config, &e) && join(&role.config, &e);
    if (ok)
        code = kern_serve(&role.config, role.keeper, role.judge, say_ready, &role, &e);
    if (e.text[0] != '\0') /* before READY the keeper says it; later it only sees us end */
        (void)send_simple(role.keeper, MSG_FAILED, e.text);
    kern_config_close(&role.config);
    return code;
}
