/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/init.h"
#include "base/fd.h"
#include "jail/agent.h"
#include "jail/confine.h"
#include "jail/host.h"
#include "jail/inward.h"
#include "jail/landlock.h"
#include "jail/net.h"
#include "jail/root.h"
#include "jail/stop.h"
#include "jail/uapi.h"
#include "jail/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct init {
    const struct start *s;
    pid_t agent;
    int children; /* signalfd of SIGCHLD, and in tier B SIGTERM */
    struct stop stop;
};

static void give_up(const struct start *s, const struct err *e) __attribute__((noreturn));
static void give_up(const struct start *s, const struct err *e)
{
    (void)wire_send(s->control, WIRE_ERROR, e->code, e->text, NULL, 0);
    _exit(EX_FAIL);
}

/* In tier A the kernel ends everything with J. In tier B J must live to do so: see on_signal(). */
static int death_signal(const struct start *s)
{
    return s->host != NULL ? SIGTERM : SIGKILL;
}

/* What the keeper had set up for itself is not for J and A. */
static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_others(const struct start *s)
{
    const int keep[] = {s->control,        s->requests,
                        s->released,       s->inward,
                        s->plan->stdio[0], s->plan->stdio[1],
                        s->plan->stdio[2], s->host != NULL ? s->host->terminal : -1};

    fd_close_from(0, keep, ARRAY_LEN(keep));
}

static bool wait_for_maps(struct start *s)
{
    struct wire_in in;

    if (wire_recv(s->control, &in, 10000) != WIRE_OK || in.msg.type != WIRE_GO)
        return false;
    s->cgroup = fd_take(&in.fds[0]);
    return true;
}

static bool make_network(const struct start *s, struct err *e)
{
    struct net_sockets made;
    int all[4], fds[4];
    size_t n = 0;
    int have = 0;

    if (!s->plan->net)
        return net_loopback_up(e);
    if (!net_gate_up(s->plan->host_ports, s->plan->nhost_ports, &made, e))
        return false;
    memcpy(all, (const int[]){made.tcp4, made.tcp6, made.udp4, made.udp6}, sizeof(all));
    for (int i = 0; i < 4; i++)
        if (all[i] >= 0) {
            fds[n++] = all[i];
            have |= 1 << i;
        }
    if (!wire_send(s->control, WIRE_SOCKETS, have, NULL, fds, n))
        return err_sys(e, EX_FAIL, "handing out the gate's sockets");
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
    return true;
}

static int make_terminal(const struct start *s, struct err *e)
{
    int master = root_open_pty(e);

    if (master >= 0 && !wire_send(s->control, WIRE_PTY, 0, NULL, &master, 1)) {
        err_sys(e, EX_FAIL, "handing out the terminal");
        mem_auto_close(&master);
    }
    return master;
}

static pid_t start_agent(const struct start *s)
{
    struct clone_args args = {.exit_signal = SIGCHLD};

    if (s->cgroup >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)s->cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

#define SOCKET(family)                                                        \
    {                                                                         \
        .nr = SYS_socket, .action = SECCOMP_RET_ALLOW, .ntests = 2, .test = { \
            {.arg = 0, .how = BPF_EQ, .mask = BPF_INT, .value = (family)},    \
            {.arg = 1, .how = BPF_EQ, .mask = 0xf, .value = SOCK_STREAM},     \
        }                                                                     \
    }

static const struct bpf_rule init_calls[] = {
    CALL(sigaltstack), /* harmless; the sanitizers' runtime asks for it */
    CALL(read),
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(ppoll),
    CALL(kill),
    CALL(wait4),
    CALL_IF(setpriority, 2, BPF_INT, 19), /* only ever lower */
    CALL(openat),
    CALL(getdents64),
    CALL(lseek),
    CALL(close),
    CALL(clock_gettime),
    CALL(clock_nanosleep),
    CALL(exit_group),
    CALL(restart_syscall),
    CALL(rt_sigreturn),
    CALL(brk),
    CALL(munmap),
    CALL(mremap),
    CALL_IF(mmap, 2, 4 /* PROT_EXEC */, 0),
#ifdef SYS_poll
    CALL(poll),
#endif
};

/* Only where a port is published: sockets to the agent's own servers, see inward.h. */
static const struct bpf_rule inward_calls[] = {
    SOCKET(AF_INET),
    SOCKET(AF_INET6),
    CALL(connect),
};

static bool filter_init(bool inward, struct err *e)
{
    struct bpf_rule all[ARRAY_LEN(init_calls) + ARRAY_LEN(inward_calls)];

    memcpy(all, init_calls, sizeof(init_calls));
    memcpy(all + ARRAY_LEN(init_calls), inward_calls, sizeof(inward_calls));
    return confine_filter(all, inward ? ARRAY_LEN(all) : ARRAY_LEN(init_calls), false, e);
}

static bool confine_init(struct init *i, struct err *e)
{
    const int keep[] = {i->s->control, i->s->requests, i->s->inward, i->children, i->stop.proc};
    const struct ll_rule proc = {i->stop.proc, ll_fs_read()};
    const struct ll_domain domain = {.abi = ll_abi(), .files = true, .rules = &proc, .nrules = 1};

    fd_close_from(0, keep, ARRAY_LEN(keep));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NAME, "belay-init", 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, death_signal(i->s), 0, 0, 0) != 0)
        return err_sys(e, EX_FAIL, "the jail's init");
    return ll_enter(&domain, e) && filter_init(i->s->inward >= 0, e);
}

static void reap(struct init *i)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == i->agent)
            (void)wire_send(i->s->control, WIRE_EXITED, status, NULL, NULL, 0);
}

/* The end of a jail that is no pid namespace. */
static void end_all(void) __attribute__((noreturn));
static void end_all(void)
{
    (void)kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    _exit(EX_OK);
}

static void on_signal(struct init *i)
{
    struct signalfd_siginfo info;

    while (read(i->children, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo == SIGTERM && i->stop.host) /* G is gone */
            end_all();
    reap(i);
}

static void answer(struct init *i, uint32_t request)
{
    int value = 0;

    switch (request) {
    case WIRE_FREEZE:
        value = stop_all(&i->stop);
        break;
    case WIRE_RESUME:
        stop_undo(&i->stop);
        break;
    case WIRE_COUNT:
        value = stop_count(&i->stop);
        break;
    case WIRE_SLOW: /* every thread of this user in this pid namespace; J too */
        value = setpriority(PRIO_USER, 0, 19);
        break;
    case WIRE_RUNNING:
        value = stop_running(&i->stop);
        break;
    default:
        _exit(EX_FAIL);
    }
    (void)wire_send(i->s->requests, request, value, NULL, NULL, 0);
}

static void serve(struct init *i) __attribute__((noreturn));
static void serve(struct init *i)
{
    struct pollfd p[] = {{.fd = i->s->requests, .events = POLLIN},
                         {.fd = i->children, .events = POLLIN},
                         {.fd = i->s->inward, .events = POLLIN}};
    const struct jail_plan *plan = i->s->plan;

    for (;;) {
        struct wire_in in;
        if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
            _exit(EX_FAIL);
        if ((p[1].revents & POLLIN) != 0)
            on_signal(i);
        if (p[2].revents != 0 && !inward_serve(p[2].fd, plan->published, plan->npublished))
            p[2].fd = -1;
        if (p[0].revents == 0)
            continue;
        switch (wire_recv(i->s->requests, &in, 0)) {
        case WIRE_OK:
            answer(i, in.msg.type);
            break;
        case WIRE_NOTHING:
            break;
        case WIRE_GONE: /* the keeper: everything here ends with J */
            if (i->stop.host)
                end_all();
            _exit(EX_OK);
        }
    }
}

static int child_signals(bool host)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (host)
        sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * Mounts and network need the capabilities of a fresh namespace; after this they are gone. The
 * network needs no ids, so it is made while the keeper writes the maps and makes the cgroup.
 */
static int build(struct start *s, struct tree *t, struct err *e)
{
    int terminal = -1;

    if (!make_network(s, e))
        give_up(s, e);
    if (!wait_for_maps(s))
        _exit(EX_FAIL);
    if (!tree_make(t, s->plan, e) ||
        !root_enter(t, s->plan->limits.processes, s->plan->stage.folder, e))
        give_up(s, e);
    if (t->kept >= 0 && !wire_send(s->control, WIRE_KEPT, 0, NULL, &t->kept, 1))
        _exit(EX_FAIL);
    mem_auto_close(&t->kept);
    t->kept = -1;
    if (s->plan->pty_mask != 0 && (terminal = make_terminal(s, e)) < 0)
        give_up(s, e);
    if (!confine_drop_caps(0, e) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        give_up(s, e);
    return terminal;
}

/* Tier B: there is nothing to build. The terminal, or -1. */
static int join_host(struct start *s, struct tree *t, struct err *e)
{
    if (!wait_for_maps(s))
        _exit(EX_FAIL);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        err_sys(e, EX_HOST, "the jail's init");
        give_up(s, e);
    }
    *t = (struct tree){.kept = -1};
    return s->host->terminal;
}

void init_main(const struct start *s)
{
    struct start own = *s;
    struct init i = {.s = &own};
    struct err e = {0};
    struct tree t;
    int terminal;

    (void)prctl(PR_SET_PDEATHSIG, death_signal(s), 0, 0, 0);
    reset_signals();
    close_others(&own);
    terminal = s->host != NULL ? join_host(&own, &t, &e) : build(&own, &t, &e);
    i.agent = start_agent(&own);
    if (i.agent == 0)
        agent_main(&own, &t, terminal);
    if (i.agent < 0) {
        err_sys(&e, EX_HOST, "starting the agent's process");
        give_up(s, &e);
    }
    tree_release(&t);
    i.stop.host = s->host != NULL;
    i.stop.own = getpid();
    i.stop.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    i.children = child_signals(s->host != NULL);
    if (!confine_init(&i, &e))
        give_up(s, &e);
    if (!wire_send(s->control, WIRE_READY, 0, NULL, NULL, 0))
        _exit(EX_FAIL);
    reap(&i); /* what ended before SIGCHLD was watched */
    serve(&i);
}
