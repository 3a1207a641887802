/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/doctor.h"
#include "base/fd.h"
#include "base/mem.h"
#include "jail/cgroup.h"
#include "jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct doctor {
    struct jail_probe *probes;
    struct jail_mount mounts[5];
    char *argv[2], *envp[1];
    struct jail_plan plan;
};

static void note(struct doctor *d, enum jail_probe_id id, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void note(struct doctor *d, enum jail_probe_id id, bool ok, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(d->probes[id].detail, sizeof(d->probes[id].detail), fmt, args);
    va_end(args);
    d->probes[id].ok = ok;
}

static void plain_plan(struct doctor *d)
{
    static const char *const folders[] = {"/usr", "/bin", "/lib", "/lib64", "/etc"};
    static char command[] = "true";

    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        d->mounts[i] = (struct jail_mount){folders[i], JAIL_READ};
    d->argv[0] = command;
    d->plan = (struct jail_plan){.session = "doctor",
                                 .mounts = d->mounts,
                                 .nmounts = ARRAY_LEN(d->mounts),
                                 .cwd = "/",
                                 .argv = d->argv,
                                 .envp = d->envp,
                                 .stdio = {-1, -1, -1},
                                 .cgroup = JAIL_CGROUP_NEVER};
}

/* A jail of the plan; on failure the probe is noted with the reason. */
static bool make(struct doctor *d, enum jail_probe_id id, struct jail *j)
{
    struct err e = {0};
    bool ok = jail_start(&d->plan, j, &e);

    if (!ok)
        note(d, id, false, "%.500s", e.text);
    return ok;
}

static bool check_namespaces(struct doctor *d)
{
    struct jail j;

    if (!make(d, JAIL_PROBE_NAMESPACES, &j))
        return false;
    note(d, JAIL_PROBE_NAMESPACES, true, "user, mount, pid, net, ipc, uts, cgroup");
    if (j.landlock_abi > 0)
        note(d, JAIL_PROBE_LANDLOCK, true, "ABI %d%s", j.landlock_abi,
             j.landlock_abi >= 6 ? "" : "; scopes of signals and sockets need ABI 6 (Linux 6.12)");
    else
        note(d, JAIL_PROBE_LANDLOCK, false,
             "not in this kernel, or not on (boot with lsm=landlock,...); without it mounts "
             "alone hold the files");
    jail_close(&j);
    return true;
}

/* In a child: joins the jail's user namespace, as kern does, and traces the agent. */
static int trace(const struct jail *j)
{
    int status;

    if (setns(j->ns_user, CLONE_NEWUSER) != 0 ||
        ptrace(PTRACE_SEIZE, j->agent_pid, NULL, (void *)PTRACE_O_TRACEEXEC) != 0 ||
        ptrace(PTRACE_INTERRUPT, j->agent_pid, NULL, NULL) != 0 ||
        waitpid(j->agent_pid, &status, __WALL) != j->agent_pid || !WIFSTOPPED(status) ||
        ptrace(PTRACE_DETACH, j->agent_pid, NULL, NULL) != 0)
        return errno;
    return 0;
}

static int in_child(int (*what)(const struct jail *), const struct jail *j)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(5);
        _exit(what(j));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return ECANCELED;
    return WEXITSTATUS(status);
}

static void check_listener(struct doctor *d)
{
    struct jail j;
    int error;

    d->plan.traps = TRAP_EXEC;
    if (!make(d, JAIL_PROBE_LISTENER, &j))
        return;
    note(d, JAIL_PROBE_LISTENER, true, "seccomp user notification");
    note(d, JAIL_PROBE_KILLABLE, j.wait_killable, "%s",
         j.wait_killable ? "WAIT_KILLABLE_RECV"
                         : "needs Linux 5.19; without it a signal may repeat a question");
    error = in_child(trace, &j);
    note(d, JAIL_PROBE_TRACE, error == 0, "%s",
         error == 0 ? "ptrace into the jail's user namespace" : strerror(error));
    jail_close(&j);
    d->plan.traps = 0;
}

static void check_gate(struct doctor *d)
{
    struct jail j;

    d->plan.net = true;
    if (make(d, JAIL_PROBE_GATE, &j)) {
        note(d, JAIL_PROBE_GATE, true, "nftables redirect");
        note(d, JAIL_PROBE_GATE6, j.tcp6 >= 0, "%s",
             j.tcp6 >= 0 ? "nftables redirect" : "IPv6 is off on this host; the agent has none");
        jail_close(&j);
    }
    d->plan.net = false;
}

static void check_terminal(struct doctor *d)
{
    struct jail j;

    d->plan.pty_mask = 7;
    if (make(d, JAIL_PROBE_TERMINAL, &j)) {
        note(d, JAIL_PROBE_TERMINAL, j.pty >= 0, "devpts of its own");
        jail_close(&j);
    }
    d->plan.pty_mask = 0;
}

/* Why there is no cgroup, in the words of the functions that could not make one. */
static void explain_cgroup(struct doctor *d)
{
    struct err e = {0};
    char name[JAIL_SESSION_MAX + 32];
    AUTO_CLOSE int parent = cgroup_open_own(&e);
    AUTO_CLOSE int made = parent < 0 ? -1 : cgroup_make(parent, "doctor", name, sizeof(name), &e);

    if (made >= 0)
        (void)cgroup_remove(parent, name);
    note(d, JAIL_PROBE_CGROUP, false,
         "%.300s; the pid namespace stops and kills instead, more slowly; for a cgroup start "
         "belay with systemd-run --user --scope",
         e.text);
}

static void check_cgroup(struct doctor *d)
{
    struct err e = {0};
    struct jail j;

    d->plan.cgroup = JAIL_CGROUP_IF_POSSIBLE;
    d->plan.limits.memory = 1u << 30;
    if (!make(d, JAIL_PROBE_CGROUP, &j))
        return;
    note(d, JAIL_PROBE_MEMORY, j.memory_limited, "%s",
         j.memory_limited
             ? "cgroup memory controller"
             : "no memory controller in this cgroup; a limit of memory is not enforced");
    if (j.cgroup < 0)
        explain_cgroup(d);
    else if (!jail_freeze(&j, &e) || !jail_resume(&j, &e) || !jail_kill(&j, &e))
        note(d, JAIL_PROBE_CGROUP, false, "%.500s", e.text);
    else
        note(d, JAIL_PROBE_CGROUP, true, "cgroup.freeze and cgroup.kill");
    jail_close(&j);
}

static bool write_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && fd_write_all(fd, text, strlen(text));
}

static bool map_self(unsigned uid, unsigned gid)
{
    char users[32], groups[32];

    snprintf(users, sizeof(users), "%u %u 1", uid, uid);
    snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
    return write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", users) &&
           write_text("/proc/self/gid_map", groups);
}

/* In a child that is thrown away: an overlay on a tmpfs, as staged work has it. */
static int overlay(const struct jail *unused)
{
    unsigned uid = geteuid(), gid = getegid();

    (void)unused;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !map_self(uid, gid) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755") != 0 || mkdir("/tmp/lower", 0755) != 0 ||
        mkdir("/tmp/upper", 0755) != 0 || mkdir("/tmp/work", 0755) != 0 ||
        mount("overlay", "/tmp/lower", "overlay", 0,
              "userxattr,lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work") != 0 ||
        mkdir("/tmp/lower/made", 0755) != 0 || access("/tmp/upper/made", F_OK) != 0)
        return errno;
    return 0;
}

static void check_overlay(struct doctor *d)
{
    int error = in_child(overlay, NULL);

    note(d, JAIL_PROBE_OVERLAY, error == 0, "%s",
         error == 0 ? "overlayfs with userxattr" : strerror(error));
}

/* In the supervisor's place of tier B: may it look into the agent, and trace it? `arg`: a socket on
 * which the agent's pid comes and the answer goes. */
static void try_to_supervise(void *arg)
{
    int sock = *(const int *)arg, error = 0;
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1}; /* the agent is still a copy of this */
    pid_t agent = 0;

    if (recv(sock, &agent, sizeof(agent), 0) != (ssize_t)sizeof(agent))
        _exit(EX_FAIL);
    if (process_vm_readv(agent, &here, 1, &there, 1, 0) != 1 ||
        ptrace(PTRACE_SEIZE, agent, NULL, (void *)PTRACE_O_TRACEEXEC) != 0)
        error = errno;
    (void)send(sock, &error, sizeof(error), MSG_NOSIGNAL);
    _exit(EX_OK);
}

static int ask_supervisor(int sock, pid_t agent)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    int error = ECANCELED;

    if (send(sock, &agent, sizeof(agent), MSG_NOSIGNAL) != (ssize_t)sizeof(agent) ||
        poll(&p, 1, 5000) != 1 || recv(sock, &error, sizeof(error), 0) != (ssize_t)sizeof(error))
        return ECANCELED;
    return error;
}

/* Tier B: the jail, a freeze of it, and tracing from the supervisor's place. */
static void check_host(struct doctor *d)
{
    struct err e = {0};
    struct jail j;
    int sv[2], error;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
        return;
    d->plan.tier = JAIL_TIER_B;
    d->plan.net = true;
    d->plan.traps = TRAP_EXEC | TRAP_WRITE | TRAP_CONNECT | TRAP_DATAGRAM | TRAP_HOST;
    d->plan.cgroup = JAIL_CGROUP_NEVER;
    d->plan.become = try_to_supervise;
    d->plan.become_arg = &sv[1];
    if (make(d, JAIL_PROBE_HOST, &j)) {
        error = ask_supervisor(sv[0], j.agent_pid);
        if (error != 0)
            note(d, JAIL_PROBE_HOST, false, "the supervisor may not trace the agent: %s",
                 strerror(error));
        else if (!jail_freeze(&j, &e) || !jail_resume(&j, &e) || !jail_kill(&j, &e))
            note(d, JAIL_PROBE_HOST, false, "%.500s", e.text);
        else
            note(d, JAIL_PROBE_HOST, true, "tier B: Landlock ABI %d, an ancestor that traces",
                 j.landlock_abi);
        (void)waitpid(j.ancestor_pid, NULL, 0);
        jail_close(&j);
    }
    (void)close(sv[0]);
    (void)close(sv[1]);
}

char jail_probe_tier(const struct jail_probe *probes, size_t n)
{
    bool a = true;

    for (size_t i = 0; i < n; i++)
        a = a && (probes[i].ok || !probes[i].required);
    if (a)
        return 'a';
    return n > JAIL_PROBE_HOST && probes[JAIL_PROBE_HOST].ok ? 'b' : 0;
}

const char *const *jail_tier_b_lacks(size_t *n)
{
    static const char *const lacks[] = {
        "names, sizes and dates of hidden files can be seen, what is in them cannot",
        "names and arguments of your other processes can be seen, unless every open is judged",
        "the host's network can be seen, and servers of the agent stand on the host's loopback",
        "UDP serves to ask for names alone, and musl's own resolver cannot be served",
        "temporary files go where TMPDIR says, /tmp and /dev/shm are closed",
        "no terminals but its own (tmux, script), no System V memory, no message queues",
        ("no staged work, no published ports, no files of belay's own in the places of the host's: "
         "authorities are named by variables alone"),
    };

    *n = ARRAY_LEN(lacks);
    return lacks;
}

size_t jail_probe(struct jail_probe *probes, size_t max)
{
    struct jail_probe all[] = {
#define X(id, required, name) {name, required, false, "not tried: it needs the namespaces"},
        JAIL_PROBES(X)
#undef X
    };
    struct doctor d = {.probes = all};
    size_t n = max < ARRAY_LEN(all) ? max : ARRAY_LEN(all);

    plain_plan(&d);
    if (check_namespaces(&d)) {
        check_listener(&d);
        check_gate(&d);
        check_terminal(&d);
        check_cgroup(&d);
        check_overlay(&d);
    }
    check_host(&d);
    memcpy(probes, all, n * sizeof(*probes));
    return n;
}
