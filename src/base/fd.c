/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool fd_write_all(int fd, const void *p, size_t n)
{
    const char *s = p;

    while (n > 0) {
        ssize_t k = write(fd, s, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k == 0) /* not for a regular file or a socket; then there is no errno either */
            errno = EIO;
        if (k <= 0)
            return false;
        s += k;
        n -= (size_t)k;
    }
    return true;
}

bool fd_read_all(int fd, struct buf *b, const char *what, struct err *e)
{
    char chunk[16384];

    for (;;) {
        ssize_t k = read(fd, chunk, sizeof(chunk));

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(e, EX_FAIL, "%s: cannot be read", what);
        if (k == 0)
            return true;
        buf_add(b, chunk, (size_t)k);
        if (b->full)
            return err_set(e, EX_FAIL, "%s: larger than %zu bytes", what, b->max);
    }
}

bool fd_read_file(const char *path, struct buf *b, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return err_sys(e, EX_FAIL, "%s: cannot be opened", path);
    if (fstat(fd, &st) != 0)
        return err_sys(e, EX_FAIL, "%s: cannot be examined", path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, EX_FAIL, "%s: is a directory, a file is needed", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, EX_FAIL, "%s: is not a regular file", path);
    if (st.st_size > 0)
        buf_reserve(b, (size_t)st.st_size); /* more than its limit: found out by reading */
    return fd_read_all(fd, b, path, e);
}

int fd_memfd(const char *name, const void *p, size_t n, struct err *e)
{
    AUTO_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || !fd_write_all(fd, p, n) || lseek(fd, 0, SEEK_SET) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        err_sys(e, EX_FAIL, "memory file %s", name);
        return -1;
    }
    return fd_take(&fd);
}

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* A descriptor that stays open by accident is a hole: that it cannot be closed is the end. */
static void close_between(unsigned first, unsigned last)
{
    if (first <= last && close_range(first, last, 0) != 0)
        abort();
}

void fd_close_from(int first, const int *keep, size_t n)
{
    int sorted[64];
    unsigned from = (unsigned)first;

    if (first < 0 || n > ARRAY_LEN(sorted))
        abort();
    if (n > 0) {
        memcpy(sorted, keep, n * sizeof(int));
        qsort(sorted, n, sizeof(int), compare_int);
    }
    for (size_t i = 0; i < n; i++) {
        if (sorted[i] < 0 || (unsigned)sorted[i] < from)
            continue;
        if ((unsigned)sorted[i] > from)
            close_between(from, (unsigned)sorted[i] - 1);
        from = (unsigned)sorted[i] + 1;
    }
    close_between(from, UINT_MAX);
}

bool fd_set_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

bool fd_set_cloexec(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC) == 0;
}
