/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env.h - the environment of an exec: the variables that change what programs do (CHANGES of
 * policy/env.def), read from the task, put into actions, compared with what the new program has;
 * and variables that are taken away before it sees them.
 *
 * Taking away: execve() copies the caller's memory, which other threads may change until it is
 * copied. So it is done on the copy: the task stands at PTRACE_EVENT_EXEC, its new program has not
 * run one instruction, nobody else has this memory, and what lies on its stack is as the ABI
 * says: argc, argv, NULL, envp, NULL, auxv. The pointers of those variables are taken out of envp,
 * what is behind them moves up, and their text is overwritten with zeros.
 */
#ifndef BELAY_KERN_ENV_H
#define BELAY_KERN_ENV_H

#include "kern/exec.h"

#define ENV_SHOWN_MAX 16384u /* bytes of such variables in one exec; more: E2BIG */

/* Reads the vector at this address into r->exec. 0 or -errno. */
int env_read(struct request *r, uint64_t at);
/* Does the new program in `pid` have the variables that were judged, in their order? */
bool env_same(struct kern *k, const struct exec *x, pid_t pid);
/* Takes the variables of the settings from it. 0 or -errno: then it may not go on. */
int env_scrub(struct kern *k, pid_t pid);

#endif
