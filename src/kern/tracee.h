/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracee.h - the task that made a trapped call: its memory, and what /proc knows of it.
 *
 * Everything read here may change while it is read: other threads run on. So each value is
 * read once, used from the copy, and never read again for the same decision.
 */
#ifndef BELAY_KERN_TRACEE_H
#define BELAY_KERN_TRACEE_H

#include "kern/parse.h"

#include <stdint.h>

#define MEM_PAGE 4096u

/* A window on a task's memory: two pages are kept, since strings mostly lie together. */
struct mem {
    pid_t tid;
    unsigned next; /* the page to replace */
    bool has[2];
    uint64_t at[2];
    unsigned char page[2][MEM_PAGE];
};

void mem_start(struct mem *m, pid_t tid);
/* 0, or -EFAULT when any byte cannot be read, -ESRCH when the task is gone. */
int mem_read(struct mem *m, uint64_t at, void *out, size_t n);
/* Length of the zero-terminated string copied to out (size bytes, zero included), or -EFAULT,
 * -ESRCH, or -ENAMETOOLONG when no zero byte was among the first `size`; out then holds
 * `size` bytes. */
ssize_t mem_string(struct mem *m, uint64_t at, char *out, size_t size);

/* Writes to a task that is stopped at its exec. 0 or -errno. */
int mem_write(pid_t tid, uint64_t at, const void *p, size_t n);

/* Reads PID/status below `proc`. 0 or -errno. */
int tracee_status(int proc, pid_t tid, struct status *s);
/* Opens PID/NAME below `proc`; descriptor or -errno. */
int tracee_open(int proc, pid_t tid, const char *name, int flags);
/* The file behind descriptor `fd` of the task, as an O_PATH descriptor, or -errno. */
int tracee_fd(int proc, pid_t tid, int fd);
/* The task's descriptor itself (pidfd_getfd(2)), or -errno. */
int tracee_steal(pid_t tid, int fd);

#endif
