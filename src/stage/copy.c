/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/copy.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHUNK      (1u << 20)
#define NAMES_MAX  65536
#define VALUE_MAX_ 65536

/* For file systems between which the kernel does not copy. `at` and `end` are places in `from`. */
static bool copy_by_hand(int from, off_t start, int to, off_t at, off_t end)
{
    static char buffer[65536];

    while (at < end) {
        size_t want = end - at < (off_t)sizeof(buffer) ? (size_t)(end - at) : sizeof(buffer);
        ssize_t n = pread(from, buffer, want, at);
        if (n < 0)
            return false;
        if (n == 0)
            return true; /* it became shorter: seen by the caller */
        for (ssize_t done = 0; done < n;) {
            ssize_t k = pwrite(to, buffer + done, (size_t)(n - done), at - start + done);
            if (k < 0)
                return false;
            done += k;
        }
        at += n;
    }
    return true;
}

static bool copy_range(int from, off_t start, int to, off_t at, off_t end)
{
    while (at < end) {
        off_t in = at, out = at - start;
        size_t want = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = copy_file_range(from, &in, to, &out, want, 0);
        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
            return copy_by_hand(from, start, to, at, end);
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        at += n;
    }
    return true;
}

bool copy_content(int from, off_t start, int to, off_t size)
{
    off_t end = start + size;

    if (start == 0 && ioctl(to, FICLONE, from) == 0)
        return true;
    if (ftruncate(to, size) != 0)
        return false;
    for (off_t at = start; at < end;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return true; /* a hole to the end */
        if (data < 0)
            return copy_range(from, start, to, at, end);
        off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || hole > end)
            hole = end;
        if (data >= end)
            return true;
        if (!copy_range(from, start, to, data, hole))
            return false;
        at = hole;
    }
    return true;
}

void copy_attributes(int from, int to)
{
    static char names[NAMES_MAX], value[VALUE_MAX_];
    ssize_t n = flistxattr(from, names, sizeof(names));

    for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
        const char *name = names + i;
        if (strncmp(name, "user.", 5) != 0 && strcmp(name, "system.posix_acl_access") != 0)
            continue;
        ssize_t k = fgetxattr(from, name, value, sizeof(value));
        if (k >= 0)
            (void)fsetxattr(to, name, value, (size_t)k, 0);
    }
}
