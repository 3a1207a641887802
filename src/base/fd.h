/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - descriptors: whole reads and writes, sealed memory files, files read with a bound.
 *
 * All descriptors made here are close-on-exec. Functions restart after EINTR.
 */
#ifndef BELAY_BASE_FD_H
#define BELAY_BASE_FD_H

#include "base/err.h"
#include "base/text.h"

#include <sys/types.h>

/* The whole of buf, or false with errno set. */
bool fd_write_all(int fd, const void *p, size_t n);

/* Reads to end of file into b (bounded by b->max). False: *e names `what`. */
bool fd_read_all(int fd, struct buf *b, const char *what, struct err *e);

/* Reads the regular file `path`; a directory, a device or one over `max` bytes is an error. */
bool fd_read_file(const char *path, struct buf *b, struct err *e);

/* A sealed memfd with these bytes, positioned at 0; -1 and *e on failure. */
int fd_memfd(const char *name, const void *p, size_t n, struct err *e);

/* Closes every descriptor from `first` up except those in keep[0..n). */
void fd_close_from(int first, const int *keep, size_t n);

bool fd_set_nonblock(int fd);
bool fd_set_cloexec(int fd, bool on);

#endif
