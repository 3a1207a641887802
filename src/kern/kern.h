/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern.h - the role that holds the seccomp listener of the agent.
 *
 * Every trapped system call (src/jail/traps.def) of every process of the agent stops here. kern
 * reads its arguments, finds the real things that they name in the agent's own view, asks the
 * judge, and then either refuses, or carries the call out itself on the very things that were
 * judged, or, for an exec, lets it go on and verifies before its first instruction that what
 * was loaded is what was judged. It never lets a call go on whose path could still change.
 *
 * kern parses hostile bytes and may be taken over. It holds CAP_SYS_PTRACE over the agent's
 * user namespace and nothing else; what it can open is what the agent's own mounts show. It
 * cannot approve anything: it asks, and it has no word by which to answer.
 *
 * Fails closed: when the keeper or the judge is gone it exits; the tasks it held then get
 * ENOSYS, the tasks it was verifying are killed by the kernel.
 */
#ifndef BELAY_KERN_KERN_H
#define BELAY_KERN_KERN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERN_UNDO_FILES_MAX 1000000

struct kern_config {
    int listener;        /* seccomp user notification descriptor */
    int ns_user;         /* the jail's user and mount namespaces, which are joined; -1, -1: kern */
    int ns_mount;        /* is in them already */
    int proc;            /* directory of the procfs in which kern finds the pids that it is told */
    unsigned traps;      /* bits of enum jail_traps (src/jail/jail.h) */
    bool verify_exec;    /* a rule looks at programs or arguments: verify after each exec */
    bool read_env;       /* a rule looks at variables too; needs verify_exec */
    bool measure;        /* a rule looks at hashes of programs or scripts: measure.h */
    int undo;            /* file for copies of what is changed, open for writing: undo.h */
    uint64_t undo_bytes; /* what it may hold at most */
    uint64_t undo_files; /* 0: no copies, and no file */
    const char **scrub;  /* NAME or PREFIX*: variables that are taken from each program before it
                            starts; with any, verify_exec must be on */
    size_t nscrub;
    const char **canaries; /* paths of decoys: canary.h */
    size_t ncanaries;
    /* tier B (jail/host.h), where kern is an ancestor of the agent and joins nothing */
    bool host;
    bool mute_reads;       /* every open is trapped for the scope's sake: reads are not judged */
    int scope;             /* what the agent may see and change */
    int gate;              /* where connections are announced; -1: there is no gate */
    uint16_t door4, door6; /* the gate's listeners on the loopback; 0: none */
    const uint16_t *ports; /* loopback ports of the host that the policy names */
    size_t nports;
};

#define KERN_SCRUB_MAX    256
#define KERN_CANARIES_MAX 32

/* The keeper's side: sends CONFIG with the four descriptors, which stay the caller's. */
bool kern_config_send(int sock, const struct kern_config *c, struct err *e);

/* The role. Returns an exit code; see message.h for its descriptors. */
int kern_main(void);

/* Gives up everything that kern does not need under this configuration, for good: capabilities but
 * CAP_SYS_PTRACE, and every system call outside its list. */
bool kern_confine(const struct kern_config *c, struct err *e);

/*
 * Serves until `keeper` or `judge` closes: what kern_main does once it is confined. `ready` is
 * called when everything that needs rights is open, to give them up; false ends it.
 */
int kern_serve(const struct kern_config *c, int keeper, int judge,
               bool (*ready)(void *ctx, struct err *e), void *ctx, struct err *e);

#endif
