/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - A before its execve(): takes its terminal and limits, confines itself, waits.
 */
#ifndef BELAY_JAIL_AGENT_H
#define BELAY_JAIL_AGENT_H

#include "jail/init.h"
#include "jail/tree.h"

/* In the child of J, without capabilities: never returns. `terminal` is the master side of
 * the jail's terminal or -1. */
void agent_main(const struct start *s, const struct tree *t, int terminal)
    __attribute__((noreturn));

#endif
