/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - tier B: a jail in the host's own namespaces.
 *
 *   keeper
 *     P  the ancestor: enters a Landlock domain with what the agent may see (and /proc and what
 *        P itself executes), and becomes the supervisor. As an ancestor in an outer domain it
 *        may trace the agent, also under Yama's ptrace_scope 1.
 *       G  the guard: lives until no process below it does. When J ends, however it ends, G
 *          kills the rest, hangs up `gone`, and removes the scratch folder.
 *         J  the jail's init, as in tier A
 *           A  the agent, in the narrowest domain
 *
 * G and J each enter a Landlock domain that scopes signals before they make the next process. So
 * kill(-1) by J reaches exactly the agent's processes, all under one lock, as it does in a pid
 * namespace; and the agent reaches nobody outside. Orphans stay below J (and below G after it):
 * both are subreapers.
 */
#ifndef BELAY_JAIL_HOST_H
#define BELAY_JAIL_HOST_H

#include "jail/init.h"
#include "jail/jail.h"
#include "jail/rules.h"
#include "jail/tree.h"

/* What P, G, J and A of tier B need beside struct start; made by the caller before P. */
struct host {
    struct tree tree; /* paths only: no descriptor in it */
    struct rules_names names;
    int terminal;   /* master side of a terminal, or -1 */
    char slave[32]; /* its name, "" without */
    int gone;       /* G's end */
};

#define HOST_NONE                                        \
    {                                                    \
        .tree = {.kept = -1}, .terminal = -1, .gone = -1 \
    }

/*
 * Makes what is needed before P: the tree, the terminal, the listeners of the gate on the host's
 * loopback, and jail->gone and jail->scope. False: *e says what this host lacks.
 *
 * The scope is a memfd of entries, parents before children: a letter (H: hidden, R: may be
 * read, W: may be changed), a canonical path, a zero byte. The nearest entry above a path holds.
 */
bool host_prepare(struct host *h, const struct jail_plan *plan, struct jail *j, struct err *e);
void host_release(struct host *h);

/* Forks P. -1 with errno. */
pid_t host_fork(const struct start *s);

#endif
