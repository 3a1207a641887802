/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.h - what overlayfs noted about things in an upper folder (Linux, overlayfs.rst): which
 * are marks of a deletion, which hide what is below, and which were copied from there.
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

/* Was it copied from below, or made by the agent? (Without privileges overlayfs notes no more: not
 * from which inode.) O_PATH. */
bool is_copied(int fd);

/* When the inode was made; false where the file system does not say. */
bool birth_time(int folder, const char *name, struct timespec *t);

#endif
