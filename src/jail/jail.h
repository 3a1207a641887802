/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - a place where a command can run without reaching the host.
 *
 * jail_start() makes new user, mount, pid, network, ipc, uts and cgroup namespaces, a
 * private root built from the plan, and two processes in them:
 *
 *   J  the jail's init (pid 1 inside): no capabilities, a seccomp allow-list, a Landlock
 *      domain that can only read the jail's /proc. It reaps, freezes when there is no
 *      cgroup, reports how the agent ended, and dies with its parent (the keeper).
 *   A  the agent: no capabilities, no_new_privs, Landlock at the highest ABI, the seccomp
 *      filter of filter.h, own session. It waits before its only execve() until
 *      jail_release().
 *
 * Where user namespaces are not to be had there is tier B (plan.tier): the host's own
 * namespaces, the same J and A, and in place of the walls Landlock, more of seccomp, and a
 * supervisor that carries out what those cannot judge. Its processes: host.h.
 *
 * The caller must be single threaded and the parent of J for as long as the jail lives.
 * Every descriptor in struct jail belongs to the caller, is close-on-exec, and is closed
 * by jail_close() unless the caller took it away with fd_take().
 *
 * Signals: no function here installs handlers or changes the caller's mask; system calls
 * are restarted after EINTR. SIGCHLD of J comes to the caller as usual; do not wait for J
 * with waitpid(-1), jail_kill() and jail_close() collect it.
 */
#ifndef BELAY_JAIL_JAIL_H
#define BELAY_JAIL_JAIL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

/* Strictest first; what a path is not given by itself it has from its nearest listed parent. */
enum jail_access {
    JAIL_HIDE, /* not there: an empty read-only folder or file where a parent shows it */
    JAIL_READ, /* read and execute; a read-only mount */
    JAIL_WRITE /* read, write, execute */
};

/*
 * One node of the tree of paths. Absolute, without "." or ".."; a file or a folder; order
 * does not matter. "/" may be listed; when it is not, it is hidden. Paths that do not exist
 * are skipped, and nothing is ever created on the host. Symbolic links on the way are
 * resolved on the host and appear as the same links inside. A JAIL_READ or JAIL_WRITE path
 * that runs through a link in a place the agent can write is skipped: such a link may not
 * widen what is visible. JAIL_HIDE hides what the link points to.
 *
 * Always there, unless the plan lists the same path: /proc (the jail's own), /dev (null,
 * zero, full, random, urandom, tty, ptmx, pts, shm, fd), /tmp (private, empty, writable),
 * /run (empty). Nothing at or below /proc is taken from the plan but JAIL_HIDE.
 *
 * What mounts cannot do: a socket that is visible can be connected to, with JAIL_READ too; and
 * a hidden or read-only file in a writable folder is the file that was there at the start: when
 * somebody outside puts another in its place (an editor that renames over it), the new one is
 * seen like its folder. Hide the folder, or trap reads, where that matters.
 */
struct jail_mount {
    const char *path;
    enum jail_access access;
};

/* System calls that wait for the supervisor's verdict. The exact list: traps.def. */
enum jail_traps {
    TRAP_EXEC = 1 << 0,    /* execve, execveat */
    TRAP_WRITE = 1 << 1,   /* opens that can write or create; names made, changed, removed */
    TRAP_READ = 1 << 2,    /* every open */
    TRAP_CONNECT = 1 << 3, /* connect */
    /*
     * No trap but a refusal: sockets for datagrams between processes of a machine (AF_UNIX). Such a
     * socket names another receiver with each packet, in memory that a filter cannot read, so
     * where path sockets are judged there are none. Streams and SOCK_SEQPACKET are connected first.
     */
    TRAP_DATAGRAM = 1 << 4,
    /*
     * Tier B: what namespaces hold in tier A. Datagram sockets of the internet, listen and
     * inotify_add_watch wait for the supervisor; what reaches other processes of the user and no
     * other control covers is refused (refuse_host.def).
     */
    TRAP_HOST = 1 << 5,
};

/* How a jail holds. */
enum jail_tier {
    JAIL_TIER_A, /* namespaces, a private root, Landlock and seccomp */
    JAIL_TIER_B, /* the host's namespaces: Landlock, seccomp, and the supervisor */
};

/* Tier B needs the scopes of Landlock ABI 6 (Linux 6.12). */
#define JAIL_TIER_B_LANDLOCK 6

/*
 * A file with this content, shown read-only at `path` (absolute, clean) over what stands there, or
 * where nothing stands and the place is the jail's own: below /run, /tmp, a hidden folder, or a
 * folder that only leads to what is shown. In a folder of the host where there is no such file none
 * appears; nothing is made on the host. It wins over a jail_mount of the same path. Not below /proc
 * and /dev.
 */
struct jail_file {
    const char *path;
    const void *bytes;
    size_t n;
    unsigned mode; /* permission bits, as 0444 */
};

struct jail_limits {     /* 0: as the caller has it */
    uint64_t processes;  /* processes and threads together */
    uint64_t file_size;  /* bytes in one file */
    uint64_t open_files; /* descriptors of one process */
    uint64_t memory;     /* bytes of the whole jail; needs the cgroup memory controller */
};

/*
 * Staged work: at `path`, a folder that the mounts show, the agent sees an overlay over the
 * host's folder, which is not changed. The mounts' words below it hold as well. What the agent
 * makes goes into "upper" of `folder`, which has "work" beside it and is not in the jail.
 */
struct jail_stage {
    const char *path; /* canonical; NULL: nothing is staged */
    const char *folder;
};

enum jail_cgroup_use {
    JAIL_CGROUP_IF_POSSIBLE, /* fall back to the pid namespace alone */
    JAIL_CGROUP_NEVER        /* for tests */
};

#define JAIL_MOUNTS_MAX     4096
#define JAIL_FILES_MAX      256
#define JAIL_FILE_MAX       (8u << 20) /* bytes of one jail_file */
#define JAIL_HOST_PORTS_MAX 64
#define JAIL_PUBLISHED_MAX  8
#define JAIL_SESSION_MAX    64

/* Where the gate listens inside the jail; below 1024, so no agent can take them. */
#define JAIL_TCP_PORT 1
#define JAIL_DNS_PORT 53
/* What /etc/resolv.conf names inside. */
#define JAIL_RESOLVER4 "198.18.0.1"

struct jail_plan {
    const char *session; /* id for the cgroup's name: [A-Za-z0-9_-]{1,JAIL_SESSION_MAX} */
    const struct jail_mount *mounts;
    size_t nmounts;
    const struct jail_file *files;
    size_t nfiles;
    const struct jail_file *kept; /* one more, or NULL: to this the caller can write while the jail
                                     lives, through jail.kept; nobody inside can */
    struct jail_stage stage;
    const char *cwd;   /* absolute; must be visible inside */
    char *const *argv; /* argv[0] is looked up in envp's PATH, inside, if it has no '/' */
    char *const *envp;
    unsigned traps; /* enum jail_traps; 0: no listener */

    bool net;                   /* false: an empty network namespace with loopback */
    const uint16_t *host_ports; /* ports whose loopback connections go to the gate */
    size_t nhost_ports;
    const uint16_t *published; /* ports of the agent's servers that the host may reach */
    size_t npublished;

    /*
     * The agent's descriptors 0, 1, 2; -1 for /dev/null. Those in pty_mask (bit 0 is stdin)
     * become the jail's own terminal. The others must be regular files, pipes, connected
     * AF_UNIX stream sockets or the harmless devices (null, zero, full, random, urandom);
     * a folder, a terminal, another socket or device is an error.
     */
    int stdio[3];
    unsigned pty_mask;
    struct winsize winsize;
    const struct termios *termios; /* NULL: the default */

    struct jail_limits limits;
    enum jail_cgroup_use cgroup;

    enum jail_tier tier;
    /* Tier B alone: */
    const char *scratch; /* absolute: the agent's own folder in place of /tmp. The caller makes it;
                            it is removed when the jail is over */
    void (*become)(void *arg); /* run by the agent's ancestor, which is the supervisor's place:
                                  to execute it. Does not return. NULL: it only waits */
    void *become_arg;

    int min_landlock; /* refuse a host with a lower Landlock ABI; 0: none is asked for */
};

enum jail_event_type {
    JAIL_EVENT_NONE,        /* nothing to read now */
    JAIL_EVENT_EXEC_FAILED, /* the agent could not be executed: .error is the errno; an
                               EXITED with 127 (ENOENT, ENOTDIR) or 126 follows */
    JAIL_EVENT_EXITED,      /* the agent itself ended: .status as waitpid() has it; other
                               processes of the jail may still run */
    JAIL_EVENT_LOST         /* J is gone, and with it every process of the jail */
};

struct jail_event {
    enum jail_event_type type;
    int error;
    int status;
};

struct jail {
    enum jail_tier tier;
    pid_t ancestor_pid; /* tier B: child of the caller, parent of J's guard; -1 in tier A */
    bool alone;         /* tier B: no supervisor's place was asked for; the ancestor only waits */
    int gone;           /* tier B: hangs up when no process of the jail is left */
    int scope;          /* tier B: memfd with what the agent may see and change; see host.h */
    pid_t init_pid;     /* J and A as the caller's pid namespace counts them */
    pid_t agent_pid;
    int init_pidfd;
    int control;                /* poll for reading, then jail_next_event() until JAIL_EVENT_NONE */
    int requests;               /* to J, and its answers: for the functions below alone */
    int release;                /* A waits on the other end */
    int listener;               /* seccomp notifications; -1 without traps */
    int ns_user, ns_mount;      /* for setns(); J itself cannot be opened: it is not dumpable */
    int tcp4, tcp6, udp4, udp6; /* -1 without plan.net; the 6s also on a host without IPv6 */
    int inward;                 /* to J: see inward.h; -1 when nothing is published */
    int kept;                   /* writes to plan.kept; -1: none */
    int pty;                    /* master side; -1 when pty_mask is 0 */
    int cgroup; /* the jail's own cgroup v2 folder; -1: none, the pid namespace serves */
    int cgroup_parent;
    int landlock_abi;    /* 0: none */
    bool wait_killable;  /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is on */
    bool memory_limited; /* limits.memory is enforced */
    bool frozen;
    bool stopped; /* frozen by signals, because there is no cgroup */
    char cgroup_name[JAIL_SESSION_MAX + 32];
};

/* Whether the plan hides something inside of what may be read; in tier B every open must then be
 * trapped, as Landlock cannot say so. False: *e. */
bool jail_hides_inside(const struct jail_plan *plan, bool *hides, struct err *e);

/*
 * Starts J and A; A waits. On failure nothing is left behind, every descriptor in *jail is
 * -1, and *e says what this host lacks and what to do (EX_HOST), or what in the plan cannot
 * be (EX_FAIL). Bounded: 10 s. The plan may be freed afterwards.
 */
bool jail_start(const struct jail_plan *plan, struct jail *jail, struct err *e);

/* Lets A go on to its execve(). Once. */
bool jail_release(struct jail *jail, struct err *e);

/* The next event, without blocking. */
struct jail_event jail_next_event(struct jail *jail);

/*
 * Stops every process of the jail but J. True: none of them executes another instruction
 * before jail_resume() (one that waits in the kernel for a verdict or a disk may remain
 * there). Bounded: 2 s. False: some still run; kill is then the only safe answer.
 */
bool jail_freeze(struct jail *jail, struct err *e);

/* Processes that were stopped (SIGSTOP, SIGTSTP) before the freeze stay stopped. */
bool jail_resume(struct jail *jail, struct err *e);

/*
 * Ends every process of the jail, J included, and waits until they are gone. Also when
 * frozen, not yet released, or already over. Bounded: 10 s; false: not seen to be gone.
 * The jail's cgroup is removed.
 */
bool jail_kill(struct jail *jail, struct err *e);

/* Processes in the jail now, J not counted; -1 when J is gone. Bounded: 1 s. */
int jail_count(struct jail *jail);

/* From now on its processes get what others leave: half of one processor at most where the cgroup
 * can say so, else the lowest priority. Not undone. Bounded: 1 s. */
bool jail_slow(struct jail *jail);

/* jail_kill() if needed, then closes every descriptor. Idempotent. */
void jail_close(struct jail *jail);

#endif
