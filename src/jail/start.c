/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's side of starting a jail; jail.c has the rest of its life. */
#include "base/fd.h"
#include "base/mem.h"
#include "jail/cgroup.h"
#include "jail/clock.h"
#include "jail/host.h"
#include "jail/init.h"
#include "jail/jail.h"
#include "jail/plan.h"
#include "jail/userns.h"
#include "jail/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define START_MS 10000

static void empty(struct jail *j)
{
    *j = (struct jail){.ancestor_pid = -1,
                       .gone = -1,
                       .scope = -1,
                       .init_pid = -1,
                       .agent_pid = -1,
                       .init_pidfd = -1,
                       .control = -1,
                       .requests = -1,
                       .release = -1,
                       .listener = -1,
                       .ns_user = -1,
                       .ns_mount = -1,
                       .tcp4 = -1,
                       .tcp6 = -1,
                       .udp4 = -1,
                       .udp6 = -1,
                       .inward = -1,
                       .kept = -1,
                       .pty = -1,
                       .cgroup = -1,
                       .cgroup_parent = -1};
}

static bool set_memory(struct jail *j, uint64_t bytes)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
    return cgroup_set(j->cgroup, "memory.max", text) &&
           (cgroup_set(j->cgroup, "memory.swap.max", "0") || errno == ENOENT);
}

/* Best effort by contract: without it the pid namespace stops and kills. */
static void make_cgroup(const struct jail_plan *p, struct jail *j)
{
    struct err why;
    char text[24];

    if (p->cgroup == JAIL_CGROUP_NEVER)
        return;
    j->cgroup_parent = cgroup_open_own(&why);
    if (j->cgroup_parent < 0)
        return;
    j->cgroup =
        cgroup_make(j->cgroup_parent, p->session, j->cgroup_name, sizeof(j->cgroup_name), &why);
    if (j->cgroup < 0)
        return;
    if (p->limits.memory != 0)
        j->memory_limited = set_memory(j, p->limits.memory);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)p->limits.processes);
    if (p->limits.processes != 0)
        (void)cgroup_set(j->cgroup, "pids.max", text); /* RLIMIT_NPROC is there as well */
}

/* A process of a keeper that is not dumpable would have a /proc entry that its own keeper
 * cannot write the id maps to; J gives it up again itself. */
static pid_t clone_init(const struct start *s, int *pidfd)
{
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                       CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PIDFD,
                              .pidfd = (uint64_t)(uintptr_t)pidfd,
                              .exit_signal = SIGCHLD};
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), error;
    pid_t pid;

    if (dumpable != 1)
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    error = errno;
    if (pid == 0)
        init_main(s);
    if (dumpable != 1)
        (void)prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
    errno = error;
    return pid;
}

static bool open_namespace(pid_t pid, const char *name, int *fd, struct err *e)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 || err_sys(e, EX_HOST, "%s", path);
}

static void take_sockets(struct jail *j, struct wire_in *in)
{
    int *to[] = {&j->tcp4, &j->tcp6, &j->udp4, &j->udp6};
    size_t next = 0;

    for (int i = 0; i < 4; i++)
        if ((in->msg.value >> i & 1) != 0 && next < in->nfds)
            *to[i] = fd_take(&in->fds[next++]);
}

/* J of tier B, which lives: G does not reap it before it has seen its end, and then it ends too. */
static bool take_init(struct jail *j, pid_t pid, struct err *e)
{
    j->init_pid = pid;
    j->init_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return (j->init_pidfd >= 0 && fcntl(j->init_pidfd, F_SETFD, FD_CLOEXEC) == 0) ||
           err_sys(e, EX_HOST, "the jail's init");
}

struct progress {
    bool armed, ready;
};

static bool take_start_message(struct jail *j, struct wire_in *in, struct progress *p,
                               struct err *e)
{
    switch (in->msg.type) {
    case WIRE_ERROR:
        return err_set(e, in->msg.value, "%s", in->msg.text);
    case WIRE_SOCKETS:
        take_sockets(j, in);
        return true;
    case WIRE_PTY:
        j->pty = fd_take(&in->fds[0]);
        return true;
    case WIRE_KEPT:
        j->kept = fd_take(&in->fds[0]);
        return true;
    case WIRE_ARMED:
        j->listener = fd_take(&in->fds[0]);
        j->agent_pid = in->sender;
        j->landlock_abi = in->msg.value & 255;
        j->wait_killable = (in->msg.value & 256) != 0;
        p->armed = true;
        return true;
    case WIRE_READY:
        p->ready = true;
        return j->tier == JAIL_TIER_A || take_init(j, in->sender, e);
    default:
        return err_set(e, EX_ROLE, "the jail's init sent message %u while starting", in->msg.type);
    }
}

static bool wait_for_start(struct jail *j, struct err *e)
{
    long long until = now_ms() + START_MS;
    struct progress p = {false, false};

    while (!p.armed || !p.ready) {
        struct wire_in in;
        bool ok;
        enum wire_result r = wire_recv(j->control, &in, left_ms(until));
        if (r != WIRE_OK)
            return err_set(e, EX_ROLE, "the jail's init %s while starting",
                           r == WIRE_GONE ? "ended" : "did not answer");
        ok = take_start_message(j, &in, &p, e);
        wire_close_fds(&in);
        if (!ok)
            return false;
    }
    return true;
}

/* Both ends of the ways to J and A. */
struct ways {
    int control[2], requests[2], release[2], inward[2];
};

static bool make_ways(struct ways *w, bool inward, struct err *e)
{
    const int on = 1;

    *w = (struct ways){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->control) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->requests) != 0 ||
        pipe2(w->release, O_CLOEXEC) != 0 ||
        (inward &&
         socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, w->inward) != 0) ||
        setsockopt(w->control[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
        return err_sys(e, EX_FAIL, "talking to the jail");
    return true;
}

/* J makes the network meanwhile. */
static bool help_init(const struct jail_plan *plan, struct jail *j, struct err *e)
{
    if (plan->tier == JAIL_TIER_A && (!open_namespace(j->init_pid, "user", &j->ns_user, e) ||
                                      !open_namespace(j->init_pid, "mnt", &j->ns_mount, e) ||
                                      !userns_write_maps(j->init_pid, e)))
        return false;
    make_cgroup(plan, j);
    return wire_send(j->control, WIRE_GO, 0, NULL, &j->cgroup, j->cgroup >= 0 ? 1 : 0) ||
           err_sys(e, EX_ROLE, "the jail's init");
}

/* If J gave up, its own reason is the one that counts. */
static bool blame_init(struct jail *j, struct err *e)
{
    struct progress p;
    struct wire_in in;
    bool more = wire_recv(j->control, &in, 100) == WIRE_OK;

    for (; more; more = wire_recv(j->control, &in, 100) == WIRE_OK) {
        bool ok = take_start_message(j, &in, &p, e);
        wire_close_fds(&in);
        if (!ok)
            break;
    }
    return false;
}

/* The first process: J, or in tier B its ancestor. */
static bool make_process(struct start *s, struct host *h, struct jail *j, struct err *e)
{
    if (s->plan->tier == JAIL_TIER_A) {
        j->init_pid = clone_init(s, &j->init_pidfd);
        if (j->init_pid < 0)
            userns_explain(errno, e);
        return j->init_pid > 0;
    }
    if (!host_prepare(h, s->plan, j, e))
        return false;
    s->host = h;
    j->ancestor_pid = host_fork(s);
    return j->ancestor_pid > 0 || err_sys(e, EX_HOST, "starting the agent's ancestor");
}

static bool start(const struct jail_plan *plan, struct jail *j, struct err *e)
{
    struct start s = {.plan = plan, .cgroup = -1};
    struct host host = HOST_NONE;
    struct ways w;
    bool made = make_ways(&w, plan->npublished > 0, e);

    j->control = w.control[0];
    j->requests = w.requests[0];
    j->release = w.release[1];
    j->inward = w.inward[0];
    s.control = w.control[1];
    s.requests = w.requests[1];
    s.released = w.release[0];
    s.inward = w.inward[1];
    made = made && make_process(&s, &host, j, e);
    host_release(&host);
    mem_auto_close(&s.control);
    mem_auto_close(&s.requests);
    mem_auto_close(&s.released);
    mem_auto_close(&s.inward);
    if (!made)
        return false;
    return help_init(plan, j, e) ? wait_for_start(j, e) : blame_init(j, e);
}

bool jail_start(const struct jail_plan *plan, struct jail *jail, struct err *e)
{
    empty(jail);
    jail->tier = plan->tier;
    jail->alone = plan->become == NULL;
    if (!jail_plan_check(plan, e))
        return false;
    if (start(plan, jail, e))
        return true;
    jail_close(jail);
    return false;
}
