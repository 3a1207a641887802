/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.h - programs and scripts by content: SHA-256 of what an exec will load.
 *
 * Measured is an exec that a person is asked about (the judge says MEASURE and gets the action
 * again, with hashes), and every exec while a rule looks at hashes. At the exec stop the same
 * files are hashed again and must be the same:
 *   - the program: nobody can write to a file while it is executed, nor could at that moment, as
 *     execve() fails with ETXTBSY for a file that is open for writing;
 *   - a script, or the file that an interpreter or a dynamic loader is told to open: it must not be
 *     open for writing by anybody (a lease says so), and the name must lead to it. From then on,
 *     while the process lives, kern refuses every change of it that it mediates: ETXTBSY, as for a
 *     running program. What is left: a folder above it renamed before the interpreter opens it,
 *     and somebody outside of the jail.
 *
 * Hashes of files on read-only mounts are kept, for the agent cannot change those; others are
 * always computed anew, because a shared mapping can change a file without its times.
 */
#ifndef BELAY_KERN_MEASURE_H
#define BELAY_KERN_MEASURE_H

#include "kern/exec.h"

#define MEASURE_MAX (1ll << 30) /* bytes; a larger file has the hash "", which no rule permits */
#define CACHE_MAX   64
#define HOLDS_MAX   64

/* A hash that is known. */
struct measured {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
    char hash[DIGEST_HEX]; /* "": unused */
};

/* A file that a running process was started with, by a person's word or a rule on its hash. */
struct hold {
    dev_t dev;
    ino_t ino;
    int pidfd; /* valid if `used` */
    bool used;
};

struct measures {
    struct measured cache[CACHE_MAX];
    struct hold holds[HOLDS_MAX];
    unsigned next_cache, next_hold;
};

/* Hashes what r->exec loads, once, and puts it into these checks. */
void measure_checks(struct request *r, struct action *checks, size_t n);
/* At the exec stop. NULL: it is what was measured; else the reason to end it. */
const char *measure_difference(struct request *r, pid_t pid);
/* May this file be changed or lose its name now? */
bool measure_holds(struct kern *k, const struct stat *st);
void measures_close(struct measures *m);

#endif
