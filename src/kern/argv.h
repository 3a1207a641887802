/* SPDX-License-Identifier: Apache-2.0 */
/*
 * argv.h - the arguments of an exec: read from the task, changed as `#!` lines change them,
 * put into actions, and compared with what a new program has on its stack.
 */
#ifndef BELAY_KERN_ARGV_H
#define BELAY_KERN_ARGV_H

#include "kern/exec.h"

struct argv_view {
    const struct str *item; /* each followed by a zero byte */
    size_t n;
    bool truncated;
};

/* Reads the vector at this address into r->exec. 0 or -errno. */
int argv_read(struct request *r, uint64_t at);
/* As the kernel does for a script (fs/binfmt_script.c): the interpreter, its argument and the
 * script's name take the place of argv[0]. */
void argv_shift(struct request *r, const struct script *s);
/* Adds the check of an exec of `path`. 0 or -errno. `interpreter` may be NULL. */
int argv_check(struct request *r, const char *path, const char *op, struct str name,
               const struct argv_view *argv, const char *interpreter);
/* Is this what /proc/PID/cmdline shows? Prefix only when truncated. */
bool argv_matches(const struct exec *x, struct str cmdline);
/* Bytes that argv_matches needs to see, one more than the arguments have. */
size_t argv_size(const struct exec *x);

#endif
