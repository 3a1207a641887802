/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sig.h - what a file looked like: enough to see that it was changed or replaced since.
 *
 * The time of the last change of an inode cannot be set by its owner, and the kernel moves it with
 * every write, so a file with the same one is the same file with the same content, unless the
 * clock of the machine was set back.
 */
#ifndef BELAY_STAGE_SIG_H
#define BELAY_STAGE_SIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct sig {
    uint64_t ino; /* 0: nothing is there */
    int64_t size;
    struct timespec mtime, ctime;
};

struct sig sig_of(const struct stat *st);
bool sig_same(const struct sig *a, const struct sig *b);
/* As sig_same, for a file whose name was changed in between, which moves its ctime. */
bool sig_same_moved(const struct sig *a, const struct sig *b);
bool time_before(struct timespec a, struct timespec b);

#endif
