/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h - how a role gives up, for good, what it does not need.
 *
 * Called once by each role before its first hostile byte. What is left afterwards: the
 * descriptors in `keep`, the capabilities in `caps`, the system calls in `rules`; no new
 * privileges, no core dump, not readable by its peers.
 * Single threaded callers only. Not for the agent: filter.h is.
 */
#ifndef BELAY_JAIL_CONFINE_H
#define BELAY_JAIL_CONFINE_H

#include "base/err.h"
#include "jail/bpf.h"
#include "jail/uapi.h" /* the numbers and actions that CALL() names */

#include <stddef.h>
#include <stdint.h>

/* What the role's Landlock domain refuses, as far as this kernel knows it. */
enum confine_landlock {
    CONFINE_FILES = 1 << 0,  /* every file; descriptors that are open stay usable */
    CONFINE_TCP = 1 << 1,    /* bind and connect */
    CONFINE_SCOPES = 1 << 2, /* signals and abstract sockets of others */
};

struct confine {
    const char *name;             /* for messages and prctl(PR_SET_NAME); 15 bytes at most */
    const struct bpf_rule *rules; /* allowed calls, beside CONFINE_BASE */
    size_t nrules;
    const int *keep; /* descriptors that stay open beside 0, 1, 2; NULL: all stay */
    size_t nkeep;
    uint64_t caps;     /* bits 1 << CAP_...: kept in the permitted and effective set */
    unsigned landlock; /* enum confine_landlock; kern goes without: a domain would forbid it
                          to trace the agent */
};

/* Rules for tables: a call with any arguments, or with one argument of a given value. */
#define CALL(name)                                    \
    {                                                 \
        .nr = SYS_##name, .action = SECCOMP_RET_ALLOW \
    }
#define CALL_IF(name, argument, mask_, value_)                                     \
    {                                                                              \
        .nr = SYS_##name, .action = SECCOMP_RET_ALLOW, .ntests = 1, .test = {      \
            {.arg = (argument), .how = BPF_EQ, .mask = (mask_), .value = (value_)} \
        }                                                                          \
    }

/*
 * What every role needs for libevent, malloc and its frames is always allowed, see
 * confine_base[] in confine.c: read and write on open descriptors, sendmsg and recvmsg,
 * epoll, poll, timerfd, eventfd, memory without execution, clocks, getrandom, signals to
 * itself, close, fstat, fcntl without F_SETOWN, exit. Not: opening, sockets, processes,
 * executing, ioctl.
 *
 * A call outside the list ends the process (SIGSYS); calls by which the C library only asks
 * for a convenience get ENOSYS (see confine.c).
 *
 * False: *e says what could not be given up; the role must exit.
 */
bool confine_role(const struct confine *c, struct err *e);

/* The parts, for processes that are confined in other ways (the jail's own). */
bool confine_drop_caps(uint64_t keep, struct err *e); /* bounding and ambient sets too */
bool confine_filter(const struct bpf_rule *rules, size_t n, bool with_base, struct err *e);

#endif
