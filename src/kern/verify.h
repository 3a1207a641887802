/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - the second step of an exec: what was loaded is compared with what was judged.
 *
 * While the task still waits for its answer, kern attaches to it with PTRACE_SEIZE (options
 * TRACEEXEC and EXITKILL), lets the call go on, and is told by the kernel when the new program
 * stands in memory and has not run one instruction: PTRACE_EVENT_EXEC. A difference kills the
 * task. Any other stop means that the exec failed: it is passed on as it is, and the task is
 * let go. ptrace(2) is the reference for all orders of events used here.
 *
 * One task of a process at a time is traced: a second thread's exec waits, for attaching to a
 * process whose exec waits for us to collect a thread would block for ever.
 *
 * A task that is traced already (strace, gdb) cannot be attached to. Its tracer could change
 * anything between the judgement and the first instruction, and after it, so the exec is
 * refused while a rule of the policy looks at programs.
 */
#ifndef BELAY_KERN_VERIFY_H
#define BELAY_KERN_VERIFY_H

#include "kern/request.h"

/* Lets the judged exec go on, traced. */
enum step verify_start(struct request *r);
/* Some traced task changed its state. */
void verify_events(struct kern *k);

#endif
