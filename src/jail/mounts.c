/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/mounts.h"
#include "base/mem.h"
#include "jail/uapi.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of Debian 12 cannot be included together. */
#define PRIVATE_MOUNT (1 << 18) /* MS_PRIVATE */

int new_mount(const char *type, const char *const options[][2], size_t n, unsigned flags)
{
    AUTO_CLOSE int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

    if (fs < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (syscall(SYS_fsconfig, fs,
                    options[i][1] != NULL ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[i][0],
                    options[i][1], 0) != 0)
            return -1;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
        return -1;
    return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, flags);
}

int copy_mount(int dir, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir, path,
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | flags);
}

bool set_flags(int mount, uint64_t flags, unsigned at)
{
    struct mount_attr attr = {.attr_set = flags, .propagation = PRIVATE_MOUNT};

    return syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | at, &attr, sizeof(attr)) == 0;
}

bool clear_flags(int mount, uint64_t flags)
{
    struct mount_attr attr = {.attr_clr = flags};

    return syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0;
}

bool attach(int mount, int to, const char *path)
{
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (path[0] == '\0' ? MOVE_MOUNT_T_EMPTY_PATH : 0);

    return syscall(SYS_move_mount, mount, "", to, path, flags) == 0;
}

int open_below(int dir, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};

    return (int)syscall(SYS_openat2, dir, path[0] == '\0' ? "." : path, &how, sizeof(how));
}
