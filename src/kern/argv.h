/* SPDX-License-Identifier: Apache-2.0 */
/*
 * argv.h - the arguments of an exec: read from the task, changed as `#!` lines change them,
 * put into actions, and compared with what a new program has on its stack.
 */
#ifndef BELAY_KERN_ARGV_H
#define BELAY_KERN_ARGV_H

#include "kern/exec.h"

/* One exec as the judge is to see it. */
struct argv_exec {
    const char *path; /* canonical, of the program */
    const char *op;
    struct str name;         /* last part of the name that it was called by */
    const char *interpreter; /* canonical, of a script's interpreter, or NULL */
    const struct str *argv;
    size_t argc; /* at least 1 */
};

/* Reads the vector at this address into r->exec. 0 or -errno. */
int argv_read(struct request *r, uint64_t at);
/* As the kernel does for a script (fs/binfmt_script.c): the interpreter, its argument and the
 * script's name take the place of argv[0]. */
void argv_shift(struct request *r, const struct script *s);
/*
 * Adds the checks of an exec. 0 or -errno. Arguments that do not fit one action make several,
 * each with a part of them and marked `truncated`: all must be allowed, so a rule that looks
 * for a word finds it however much is put before it.
 */
int argv_check(struct request *r, const struct argv_exec *e);
/* Is this what /proc/PID/cmdline shows? */
bool argv_matches(const struct exec *x, struct str cmdline);
/* Bytes that argv_matches needs to see, one more than the arguments have. */
size_t argv_size(const struct exec *x);

#endif
