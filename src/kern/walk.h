/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - a path walked part by part over held directories, as the task would (path_resolution
 * (7)), for what the kernel cannot do on kern's behalf: /proc/self, and magic links.
 */
#ifndef BELAY_KERN_WALK_H
#define BELAY_KERN_WALK_H

#include "kern/resolve.h"

struct walked {
    int parent;              /* O_PATH; -1 when the object was reached by a magic link */
    int object;              /* O_PATH; -1 when the last part does not exist */
    char name[NAME_MAX + 1]; /* the last part */
    bool slash;              /* a slash stood behind it */
};

/* Walks `path` from `base`. `follow`: a symbolic link in last place is followed, also to where
 * nothing is yet. 0 or -errno; the descriptors are the caller's, -1 after an error. */
int walk(const struct walker *w, int base, const char *path, bool follow, struct walked *out);

#endif
