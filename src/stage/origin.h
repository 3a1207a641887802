/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.h - what overlayfs noted about things in an upper folder (Linux, overlayfs.rst): which
 * are marks of a deletion, which hide what is below, and what each was copied from.
 */
#ifndef BELAY_STAGE_ORIGIN_H
#define BELAY_STAGE_ORIGIN_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

/* Is this entry of the folder the mark of a deletion? */
bool is_whiteout(int folder, const char *name, const struct stat *st);
/* Does this folder hide the one below? */
bool is_opaque(int folder);

enum origin { ORIGIN_NONE, ORIGIN_SAME, ORIGIN_OTHER, ORIGIN_UNKNOWN };
/* Was the thing that `upper` holds copied from the one that `lower` holds? Both O_PATH. */
enum origin origin_of(int upper, int lower);

/* When the inode was made; false where the file system does not say. */
bool birth_time(int folder, const char *name, struct timespec *t);

#endif
