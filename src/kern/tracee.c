/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/tracee.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9: a pidfd for a single thread */
#endif

void mem_start(struct mem *m, pid_t tid)
{
    m->tid = tid;
    m->next = 0;
    m->has[0] = m->has[1] = false;
}

/* The page that holds `at`, or NULL with *error. */
static const unsigned char *mem_page(struct mem *m, uint64_t at, int *error)
{
    uint64_t start = at & ~(uint64_t)(MEM_PAGE - 1);

    for (unsigned i = 0; i < 2; i++)
        if (m->has[i] && m->at[i] == start)
            return m->page[i];
    unsigned i = m->next;
    struct iovec here = {m->page[i], MEM_PAGE};
    struct iovec there = {(void *)(uintptr_t)start, MEM_PAGE}; /* NOLINT: an address over there */
    m->has[i] = false;
    ssize_t k = process_vm_readv(m->tid, &here, 1, &there, 1, 0);
    if (k != MEM_PAGE) {
        *error = k < 0 && errno == ESRCH ? -ESRCH : -EFAULT;
        return NULL;
    }
    m->has[i] = true;
    m->at[i] = start;
    m->next = 1 - i;
    return m->page[i];
}

int mem_read(struct mem *m, uint64_t at, void *out, size_t n)
{
    unsigned char *to = out;
    int error = 0;

    while (n > 0) {
        const unsigned char *page = mem_page(m, at, &error);
        size_t offset = at & (MEM_PAGE - 1), k = MEM_PAGE - offset;

        if (page == NULL)
            return error;
        if (k > n)
            k = n;
        memcpy(to, page + offset, k);
        to += k;
        n -= k;
        if (__builtin_add_overflow(at, k, &at))
            return -EFAULT;
    }
    return 0;
}

ssize_t mem_string(struct mem *m, uint64_t at, char *out, size_t size)
{
    size_t got = 0;
    int error = 0;

    while (got < size) {
        const unsigned char *page = mem_page(m, at, &error);
        size_t offset = at & (MEM_PAGE - 1), k = MEM_PAGE - offset;

        if (page == NULL)
            return error;
        if (k > size - got)
            k = size - got;
        const unsigned char *end = memchr(page + offset, '\0', k);
        if (end != NULL)
            k = (size_t)(end - (page + offset));
        memcpy(out + got, page + offset, k);
        got += k;
        if (end != NULL) {
            out[got] = '\0';
            return (ssize_t)got;
        }
        if (__builtin_add_overflow(at, k, &at))
            return -EFAULT;
    }
    return -ENAMETOOLONG;
}

int mem_write(pid_t tid, uint64_t at, const void *p, size_t n)
{
    struct iovec here = {(void *)(uintptr_t)p, n};   /* NOLINT: it is only read */
    struct iovec there = {(void *)(uintptr_t)at, n}; /* NOLINT: an address over there */
    ssize_t k = n == 0 ? 0 : process_vm_writev(tid, &here, 1, &there, 1, 0);

    if (k < 0)
        return -errno;
    return (size_t)k == n ? 0 : -EFAULT;
}

int tracee_open(int proc, pid_t tid, const char *name, int flags)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "%d/%s", (int)tid, name);
    int fd = openat(proc, path, flags | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int tracee_status(int proc, pid_t tid, struct status *s)
{
    char text[8192]; /* what is asked for stands in the first lines, behind the groups */
    AUTO_CLOSE int fd = tracee_open(proc, tid, "status", O_RDONLY);

    if (fd < 0)
        return fd;
    ssize_t n = read(fd, text, sizeof(text));
    if (n < 0)
        return -errno;
    return parse_status((struct str){text, (size_t)n}, s) ? 0 : -ESRCH;
}

/* pidfd_getfd(2) works where PID/fd cannot be entered: a task that is not dumpable. */
int tracee_steal(pid_t tid, int fd)
{
    int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

    if (pidfd < 0 && errno == EINVAL)
        pidfd = (int)syscall(SYS_pidfd_open, tid, 0);
    if (pidfd < 0)
        return -EBADF;
    int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    int error = errno;
    (void)close(pidfd);
    return got >= 0 ? got : -error;
}

int tracee_fd(int proc, pid_t tid, int fd)
{
    char name[32];

    if (fd < 0)
        return -EBADF;
    (void)snprintf(name, sizeof(name), "fd/%d", fd);
    int got = tracee_open(proc, tid, name, O_PATH);
    if (got == -ENOENT)
        return -EBADF;
    return got == -EACCES ? tracee_steal(tid, fd) : got;
}
