/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - what this host can enforce, found by doing it.
 *
 * Each check makes real jails (the command in them is never released) and tries the real
 * operation on them. Takes some 50 ms. Leaves nothing behind.
 */
#ifndef BELAY_JAIL_DOCTOR_H
#define BELAY_JAIL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

/* X(id, name, what is lost without it; "" when belay cannot run at all) */
#define JAIL_CHECKS(X)                                                               \
    X(NAMESPACES, "namespaces and mounts", "")                                       \
    X(LANDLOCK, "Landlock", "files are held by mounts alone")                        \
    X(LISTENER, "supervised system calls", "")                                       \
    X(KILLABLE, "waits that signals do not break", "a signal may repeat a question") \
    X(TRACE, "tracing from outside", "a program cannot be verified when it starts")  \
    X(GATE, "transparent gate over IPv4", "an agent with network cannot run")        \
    X(GATE6, "transparent gate over IPv6", "the agent has no IPv6")                  \
    X(TERMINAL, "own terminal", "an agent with a terminal cannot run")               \
    X(CGROUP, "freeze and kill by cgroup", "the pid namespace does it, more slowly") \
    X(MEMORY, "memory limit", "the policy's limit of memory is not enforced")        \
    X(OVERLAY, "overlay without root", "work cannot be staged")

enum jail_check_id {
#define X(id, name, without) JAIL_CHECK_##id,
    JAIL_CHECKS(X)
#undef X
        JAIL_CHECK_COUNT
};

struct jail_check {
    const char *name;
    const char *without; /* what is lost when it is not ok */
    bool ok;
    char detail[512]; /* the version found, or the reason; one line */
};

void jail_probe(struct jail_check checks[JAIL_CHECK_COUNT]);

#endif
