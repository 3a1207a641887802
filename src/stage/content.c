/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/changes.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536

/* Where data begins at or after `at`; `size` when there is none. */
static off_t next_data(int fd, off_t at, off_t size)
{
    off_t data = lseek(fd, at, SEEK_DATA);

    if (data >= 0)
        return data < size ? data : size;
    return errno == ENXIO ? size : at;
}

/* -1: unreadable; 0: differ; 1: same. */
static int same_chunk(int a, off_t start, int b, off_t at, size_t n)
{
    static char x[CHUNK], y[CHUNK];
    ssize_t p = pread(a, x, n, start + at), q = pread(b, y, n, at);

    if (p < 0 || q < 0)
        return -1;
    return p == q && (size_t)p == n && memcmp(x, y, n) == 0;
}

int content_same(int a, int b)
{
    struct stat x, y;

    if (fstat(a, &x) != 0 || fstat(b, &y) != 0)
        return -1;
    return x.st_size == y.st_size ? content_same_part(a, 0, b, x.st_size) : 0;
}

int content_same_part(int a, off_t start, int b, off_t size)
{
    for (off_t at = 0; at < size;) {
        off_t from_a = next_data(a, start + at, start + size) - start;
        off_t from_b = next_data(b, at, size);
        off_t from = from_a < from_b ? from_a : from_b;
        size_t n = size - from < CHUNK ? (size_t)(size - from) : CHUNK;
        int same = n > 0 ? same_chunk(a, start, b, from, n) : 1;

        if (same != 1)
            return same;
        at = from + (off_t)n;
        if (n == 0)
            break;
    }
    return 1;
}
