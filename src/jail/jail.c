/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include "base/fd.h"
#include "base/mem.h"
#include "jail/cgroup.h"
#include "jail/init.h"
#include "jail/userns.h"
#include "jail/wire.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS  10000
#define FREEZE_MS 2000
#define ARRIVE_MS 20 /* for tasks that do arrive */
#define COUNT_MS  1000
#define KILL_MS   10000

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int left_ms(long long until)
{
    long long left = until - now_ms();

    return left < 0 ? 0 : (int)left;
}

static void empty(struct jail *j)
{
    *j = (struct jail){.init_pid = -1,
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
                       .pty = -1,
                       .cgroup = -1,
                       .cgroup_parent = -1};
}

/* What the agent may inherit: nothing by which it could reach past its own walls. */
static bool check_stdio(int n, int fd, struct err *e)
{
    static const char *const names[] = {"standard input", "standard output", "standard error"};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(e, EX_FAIL, "%s (descriptor %d)", names[n], fd);
    if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode))
        return true;
    if (S_ISDIR(st.st_mode))
        return err_set(e, EX_FAIL,
                       "%s is a folder, through which the agent could leave its own root; "
                       "redirect it, for example from /dev/null",
                       names[n]);
    if (S_ISCHR(st.st_mode)) {
        unsigned minor_ = minor(st.st_rdev);
        /* null, zero, full, random, urandom: Documentation/admin-guide/devices.txt */
        if (major(st.st_rdev) == 1 && (minor_ == 3 || minor_ == 5 || (minor_ >= 7 && minor_ <= 9)))
            return true;
        if (isatty(fd))
            return err_set(e, EX_FAIL, "%s is a terminal and must be replaced by the jail's own",
                           names[n]);
    }
    if (S_ISSOCK(st.st_mode)) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer), type_size = sizeof(int);
        int type = 0;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
            getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.ss_family == AF_UNIX)
            return true;
        return err_set(e, EX_FAIL,
                       "%s is a socket of the host's network, which the agent could use past the "
                       "gate; put a pipe in between, for example with | cat",
                       names[n]);
    }
    return err_set(e, EX_FAIL, "%s is a device, which the agent may not have; use a pipe or a file",
                   names[n]);
}

static bool check_session(const char *id, struct err *e)
{
    size_t n = id == NULL ? 0 : strlen(id);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '-' && id[i] != '_')
            n = 0;
    if (n == 0 || n > JAIL_SESSION_MAX)
        return err_set(e, EX_FAIL, "a session id is 1 to %d of [A-Za-z0-9_-]", JAIL_SESSION_MAX);
    return true;
}

static bool check_plan(const struct jail_plan *p, struct err *e)
{
    if (!check_session(p->session, e))
        return false;
    if (p->argv == NULL || p->argv[0] == NULL || p->envp == NULL)
        return err_set(e, EX_USAGE_, "there is no command to run");
    if (p->cwd == NULL || p->cwd[0] != '/')
        return err_set(e, EX_FAIL, "the agent's working folder must be absolute");
    if (p->nhost_ports > JAIL_HOST_PORTS_MAX)
        return err_set(e, EX_POLICY, "the policy names %zu ports of this host, more than %d",
                       p->nhost_ports, JAIL_HOST_PORTS_MAX);
    for (int i = 0; i < 3; i++)
        if ((p->pty_mask >> i & 1) == 0 && p->stdio[i] >= 0 && !check_stdio(i, p->stdio[i], e))
            return false;
    return true;
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

static void drop_cgroup(struct jail *j)
{
    if (j->cgroup >= 0)
        (void)cgroup_remove(j->cgroup_parent, j->cgroup_name);
    mem_auto_close(&j->cgroup);
    mem_auto_close(&j->cgroup_parent);
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
    case WIRE_ARMED:
        j->listener = fd_take(&in->fds[0]);
        j->agent_pid = in->sender;
        j->landlock_abi = in->msg.value & 255;
        j->wait_killable = (in->msg.value & 256) != 0;
        p->armed = true;
        return true;
    case WIRE_READY:
        p->ready = true;
        return true;
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
    int control[2], requests[2], release[2];
};

static bool make_ways(struct ways *w, struct err *e)
{
    const int on = 1;

    *w = (struct ways){{-1, -1}, {-1, -1}, {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->control) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->requests) != 0 ||
        pipe2(w->release, O_CLOEXEC) != 0 ||
        setsockopt(w->control[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
        return err_sys(e, EX_FAIL, "talking to the jail");
    return true;
}

/* J makes the network meanwhile. */
static bool help_init(const struct jail_plan *plan, struct jail *j, struct err *e)
{
    if (!open_namespace(j->init_pid, "user", &j->ns_user, e) ||
        !open_namespace(j->init_pid, "mnt", &j->ns_mount, e) || !userns_write_maps(j->init_pid, e))
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

static bool start(const struct jail_plan *plan, struct jail *j, struct err *e)
{
    struct start s = {.plan = plan};
    struct ways w;
    bool made = make_ways(&w, e);

    j->control = w.control[0];
    j->requests = w.requests[0];
    j->release = w.release[1];
    s.control = w.control[1];
    s.requests = w.requests[1];
    s.released = w.release[0];
    if (made) {
        j->init_pid = clone_init(&s, &j->init_pidfd);
        if (j->init_pid < 0)
            userns_explain(errno, e);
    }
    mem_auto_close(&s.control);
    mem_auto_close(&s.requests);
    mem_auto_close(&s.released);
    if (j->init_pid < 0)
        return false;
    return help_init(plan, j, e) ? wait_for_start(j, e) : blame_init(j, e);
}

bool jail_start(const struct jail_plan *plan, struct jail *jail, struct err *e)
{
    empty(jail);
    if (!check_plan(plan, e))
        return false;
    if (start(plan, jail, e))
        return true;
    jail_close(jail);
    return false;
}

bool jail_release(struct jail *jail, struct err *e)
{
    bool ok = jail->release >= 0 && fd_write_all(jail->release, "", 1);

    if (!ok)
        err_sys(e, EX_ROLE, "letting the agent go");
    mem_auto_close(&jail->release);
    return ok;
}

struct jail_event jail_next_event(struct jail *jail)
{
    struct jail_event event = {.type = JAIL_EVENT_NONE};
    struct wire_in in;
    enum wire_result r = jail->control < 0 ? WIRE_NOTHING : wire_recv(jail->control, &in, 0);

    if (r == WIRE_GONE)
        event.type = JAIL_EVENT_LOST;
    if (r != WIRE_OK)
        return event;
    wire_close_fds(&in);
    if (in.msg.type == WIRE_EXEC_FAILED) {
        event.type = JAIL_EVENT_EXEC_FAILED;
        event.error = in.msg.value;
    } else if (in.msg.type == WIRE_EXITED) {
        event.type = JAIL_EVENT_EXITED;
        event.status = in.msg.value;
    }
    return event;
}

/* Asks J and waits for its answer; false when it is gone or does not answer in time. */
static bool ask(struct jail *j, enum wire_type request, int ms, int *value)
{
    long long until = now_ms() + ms;

    if (j->requests < 0 || !wire_send(j->requests, request, 0, NULL, NULL, 0))
        return false;
    for (;;) {
        struct wire_in in;
        if (wire_recv(j->requests, &in, left_ms(until)) != WIRE_OK)
            return false;
        wire_close_fds(&in);
        if (in.msg.type == request) {
            *value = in.msg.value;
            return true;
        }
        /* else the late answer to a request that nobody waits for any more */
    }
}

/*
 * The write of cgroup.freeze marks every task at once; none of them returns to its program
 * from then on. cgroup.events follows when all have arrived, but a task that waits in the
 * kernel, for a verdict for example, arrives only after its wait: then it is enough that J
 * sees no process on a processor.
 */
static bool freeze_cgroup(struct jail *j, int *running)
{
    const struct timespec pause = {.tv_nsec = 500000};
    long long begin = now_ms();

    if (!cgroup_set(j->cgroup, "cgroup.freeze", "1"))
        return false;
    j->frozen = true;
    *running = -1;
    while (now_ms() < begin + FREEZE_MS) {
        if (cgroup_frozen(j->cgroup)) {
            *running = 0;
            return true;
        }
        if (now_ms() >= begin + ARRIVE_MS &&
            (!ask(j, WIRE_RUNNING, COUNT_MS, running) || *running == 0))
            return true;
        nanosleep(&pause, NULL);
    }
    return true;
}

bool jail_freeze(struct jail *jail, struct err *e)
{
    int running = 0;

    if (jail->frozen)
        return true;
    if (jail->cgroup < 0 || !freeze_cgroup(jail, &running)) {
        if (!ask(jail, WIRE_FREEZE, FREEZE_MS + 500, &running))
            return err_set(e, EX_ROLE, "the jail's init did not answer the freeze");
        jail->frozen = jail->stopped = true;
    }
    if (running != 0)
        return err_set(e, EX_FAIL, "%d processes of the agent could not be stopped", running);
    return true;
}

bool jail_resume(struct jail *jail, struct err *e)
{
    int ignored;

    if (!jail->frozen)
        return true;
    if (jail->stopped) {
        if (!ask(jail, WIRE_RESUME, FREEZE_MS, &ignored))
            return err_set(e, EX_ROLE, "the jail's init did not answer the resume");
    } else if (!cgroup_set(jail->cgroup, "cgroup.freeze", "0")) {
        return err_sys(e, EX_FAIL, "resuming the agent's cgroup");
    }
    jail->frozen = jail->stopped = false;
    return true;
}

int jail_count(struct jail *jail)
{
    int n;

    return ask(jail, WIRE_COUNT, COUNT_MS, &n) ? n : -1;
}

/* A stopped fork bomb dies at once; a running one races with its own end for seconds. */
static void stop_before_kill(struct jail *j)
{
    int ignored;

    if (j->cgroup >= 0 && cgroup_set(j->cgroup, "cgroup.freeze", "1")) {
        (void)cgroup_set(j->cgroup, "cgroup.kill", "1");
        return;
    }
    (void)ask(j, WIRE_FREEZE, 100, &ignored);
}

bool jail_kill(struct jail *jail, struct err *e)
{
    struct pollfd p = {.fd = jail->init_pidfd, .events = POLLIN};
    long long until = now_ms() + KILL_MS;
    int n = 0;

    if (jail->init_pid <= 0)
        return true;
    stop_before_kill(jail);
    if (syscall(SYS_pidfd_send_signal, jail->init_pidfd, SIGKILL, NULL, 0) != 0 && errno != ESRCH)
        return err_sys(e, EX_FAIL, "killing the jail's init");
    do {
        n = poll(&p, 1, left_ms(until));
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return err_set(e, EX_FAIL, "the agent's processes did not end within %d s", KILL_MS / 1000);
    /* pid 1 ends after every other process of its namespace (kernel zap_pid_ns_processes). */
    (void)waitpid(jail->init_pid, NULL, 0);
    jail->init_pid = 0;
    jail->frozen = jail->stopped = false;
    drop_cgroup(jail);
    return true;
}

void jail_close(struct jail *jail)
{
    int *all[] = {&jail->init_pidfd, &jail->requests, &jail->control,  &jail->release,
                  &jail->listener,   &jail->ns_user,  &jail->ns_mount, &jail->tcp4,
                  &jail->tcp6,       &jail->udp4,     &jail->udp6,     &jail->pty};
    struct err ignored;

    if (jail->init_pid > 0)
        (void)jail_kill(jail, &ignored); /* what it could not end dies when the keeper does */
    drop_cgroup(jail);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        mem_auto_close(all[i]);
}
