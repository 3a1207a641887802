/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.h - J, the jail's init: pid 1 of its pid namespace.
 *
 * It builds the network and the root while it still may, starts A, gives everything up and
 * then serves requests of wire.h. It ends when the keeper ends (PR_SET_PDEATHSIG, and the
 * control socket), and the kernel then ends every process of the namespace.
 */
#ifndef BELAY_JAIL_INIT_H
#define BELAY_JAIL_INIT_H

#include "jail/jail.h"

struct host;

struct start {
    const struct jail_plan *plan;
    const struct host *host; /* tier B; else NULL */
    int control;             /* J's end of the control socket: news; A inherits it */
    int requests;            /* J's end of the other socket: requests and answers */
    int released;            /* A reads one byte here before it executes */
    int inward;              /* J's end of inward.h's way; -1: nothing is published */
    int cgroup;              /* for A, from WIRE_GO; -1: none */
};

/* In the child of clone3(), or of G: never returns. */
void init_main(const struct start *s) __attribute__((noreturn));

#endif
