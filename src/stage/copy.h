/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h - the content of a file, with its holes, cloned where the file system can.
 */
#ifndef BELAY_STAGE_COPY_H
#define BELAY_STAGE_COPY_H

#include <stdbool.h>
#include <sys/types.h>

/* `size` bytes of `from`, which begin at `start`, to the empty file `to`. False with errno. */
bool copy_content(int from, off_t start, int to, off_t size);
/* Extended attributes of users, and the access list, of one file for another. */
void copy_attributes(int from, int to);

#endif
