/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/origin.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR(name) "user.overlay." name

/* An extended attribute of what an O_PATH descriptor holds. */
static ssize_t get(int fd, const char *name, void *value, size_t size)
{
    char self[32];

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    return getxattr(self, name, value, size);
}

bool is_whiteout(int folder, const char *name, const struct stat *st)
{
    if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
        return true;
    if (!S_ISREG(st->st_mode) || st->st_size != 0)
        return false;
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool is = fd >= 0 && get(fd, XATTR("whiteout"), NULL, 0) >= 0;
    if (fd >= 0)
        (void)close(fd);
    return is;
}

bool is_opaque(int folder)
{
    char value[2];

    return get(folder, XATTR("opaque"), value, sizeof(value)) == 1 && value[0] == 'y';
}

bool is_copied(int fd)
{
    return get(fd, XATTR("origin"), NULL, 0) >= 0;
}

bool birth_time(int folder, const char *name, struct timespec *t)
{
    struct statx x;

    if (statx(folder, name, AT_SYMLINK_NOFOLLOW | (name[0] == '\0' ? AT_EMPTY_PATH : 0),
              STATX_BTIME, &x) != 0 ||
        (x.stx_mask & STATX_BTIME) == 0)
        return false;
    *t = (struct timespec){.tv_sec = x.stx_btime.tv_sec, .tv_nsec = x.stx_btime.tv_nsec};
    return true;
}
