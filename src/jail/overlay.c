/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/overlay.h"
#include "base/mem.h"
#include "jail/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LOWER "/proc/lower"
#define STAGE "/proc/stage"

static bool place(int base, const char *name, int source)
{
    AUTO_CLOSE int copy = copy_mount(source, "", AT_EMPTY_PATH);

    return copy >= 0 && mkdirat(base, name, 0700) == 0 && attach(copy, base, name);
}

static int explain(int error, struct err *e)
{
    errno = error;
    if (error == ENODEV)
        err_set(e, EX_HOST, "--stage: this kernel has no overlayfs; sudo modprobe overlay");
    else if (error == EPERM)
        err_set(
            e, EX_HOST,
            "--stage: this kernel makes no overlays without root; it takes Linux 5.11 or later");
    else
        err_sys(e, EX_HOST,
                "--stage: the overlay over the workspace cannot be mounted; set XDG_STATE_HOME to "
                "a folder on a local file system (ext4, xfs, btrfs)");
    return -1;
}

int overlay_mount(int base, int lower, const char *stage, bool readonly, struct err *e)
{
    static const char *const options[][2] = {{"source", "belay"},
                                             {"userxattr", NULL},
                                             {"lowerdir", LOWER},
                                             {"upperdir", STAGE "/upper"},
                                             {"workdir", STAGE "/work"}};
    unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (readonly ? MOUNT_ATTR_RDONLY : 0);
    AUTO_CLOSE int folder = -1; /* opened in this mount namespace: of others no copies are made */
    int mount;

    if (!place(base, "lower", lower)) {
        if (errno == EINVAL)
            err_set(e, EX_HOST,
                    "--stage: another file system is mounted inside the workspace, which an "
                    "overlay cannot show; name a workspace without it (--workspace DIR)");
        else
            err_sys(e, EX_HOST, "--stage: the workspace");
        return -1;
    }
    folder = open(stage, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || !place(base, "stage", folder)) {
        err_sys(e, EX_HOST, "--stage: the folder for staged work");
        return -1;
    }
    mount = new_mount("overlay", options, ARRAY_LEN(options), flags);
    return mount >= 0 ? mount : explain(errno, e);
}

bool overlay_check(int stage, const char *name, struct err *e)
{
    static const char mark[] = "user.overlay.belay";
    struct statfs fs;

    if (fstatfs(stage, &fs) != 0)
        return err_sys(e, EX_HOST, "%s", name);
    if (fs.f_type == OVERLAYFS_SUPER_MAGIC)
        return err_set(e, EX_HOST,
                       "--stage: %s lies on an overlay itself, and overlays do not nest; set "
                       "XDG_STATE_HOME to a folder on another file system (a volume of the "
                       "container)",
                       name);
    if (fsetxattr(stage, mark, "y", 1, 0) != 0 || fremovexattr(stage, mark) != 0)
        return err_sys(e, EX_HOST,
                       "--stage: the file system of %s keeps no extended attributes of users; set "
                       "XDG_STATE_HOME to a folder on ext4, xfs or btrfs",
                       name);
    return true;
}
