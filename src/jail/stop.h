/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop.h - stopping and counting every process of a jail from its init.
 *
 * kill(-1, SIGSTOP) reaches all processes under one lock, and fork() refuses to finish while
 * a signal is pending, so nothing slips between. SIGSTOP cannot be caught or ignored.
 */
#ifndef BELAY_JAIL_STOP_H
#define BELAY_JAIL_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stopped {
    pid_t pid;
    unsigned long long start; /* clock ticks since boot: tells a reused pid */
};

struct stop {
    int proc;  /* O_RDONLY of the namespace's own /proc */
    bool host; /* tier B: /proc is the host's; the agent's processes are those that this process
                  may signal, being in a Landlock domain that scopes signals */
    pid_t own;
    bool on;
    struct stopped *before; /* those that were stopped already */
    size_t nbefore;
};

/* Returns how many processes could still run after 2 s: 0 is success. */
int stop_all(struct stop *s);

/* Continues all but those that had been stopped; children before their parents, so that no
 * shell sees a job stop. */
void stop_undo(struct stop *s);

/* Processes but this one and the dead; and those of them that are in state R. */
int stop_count(struct stop *s);
int stop_running(struct stop *s);

#endif
