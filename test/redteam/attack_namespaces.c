/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces and mounts. The attacks on mounts first make a user and a mount namespace of their
 * own where they can, so nothing of the machine is touched when they succeed; where they cannot
 * they go on without, and must be refused all the same.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of Debian 12 cannot be included together. */
#define PRIVATE_TREE ((1UL << 18) | (1UL << 14)) /* MS_PRIVATE, MS_REC */

static int user_by_unshare(char **args)
{
    (void)args;
    return effect_if(unshare(CLONE_NEWUSER) == 0);
}

static int wait_for(long pid)
{
    int status = 1;

    if (pid == 0)
        _exit(0);
    return effect_if(pid > 0 && waitpid((pid_t)pid, &status, 0) == pid && status == 0);
}

static int user_by_clone(char **args)
{
    (void)args;
    return wait_for(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int user_by_clone3(char **args)
{
    struct clone_args a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};

    (void)args;
    return wait_for(syscall(SYS_clone3, &a, sizeof(a)));
}

static int time_namespace(char **args)
{
    (void)args;
    return effect_if(unshare(0x80 /* CLONE_NEWTIME */) == 0 ||
                     (unshare(CLONE_NEWUSER) == 0 && unshare(0x80) == 0));
}

/* Into the user namespace of a child; in the jail there can be none, so that of its init. */
static int join(char **args)
{
    char path[64];
    int ready[2], ok = 0;

    (void)args;
    if (pipe(ready) != 0)
        return UNAVAILABLE;
    pid_t child = fork();
    if (child == 0) {
        ok = unshare(CLONE_NEWUSER) == 0;
        _exit(write(ready[1], &ok, sizeof(ok)) == (ssize_t)sizeof(ok) ? pause() : 1);
    }
    if (read(ready[0], &ok, sizeof(ok)) != (ssize_t)sizeof(ok))
        return UNAVAILABLE;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", ok ? child : 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = effect_if(fd >= 0 && setns(fd, CLONE_NEWUSER) == 0);
    int error = errno;
    kill(child, SIGKILL);
    errno = error;
    return result;
}

static void own_mounts(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
        (void)syscall(SYS_mount, "none", "/", NULL, PRIVATE_TREE, NULL);
}

static int mount_old(char **args)
{
    own_mounts();
    return effect_if(syscall(SYS_mount, "redteam", args[0], "tmpfs", 0UL, NULL) == 0);
}

static int new_tmpfs(void)
{
    int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
        return -1;
    return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
}

static int mount_new(char **args)
{
    own_mounts();
    int mount = new_tmpfs();

    return effect_if(mount >= 0 && syscall(SYS_move_mount, mount, "", AT_FDCWD, args[0],
                                           MOVE_MOUNT_F_EMPTY_PATH) == 0);
}

static int copy_tree(char **args)
{
    own_mounts();
    return effect_if(syscall(SYS_open_tree, AT_FDCWD, args[0],
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | 0x8000 /* AT_RECURSIVE */) >= 0);
}

static int remount_writable(char **args)
{
    struct mount_attr a = {.attr_clr = MOUNT_ATTR_RDONLY};

    own_mounts();
    (void)syscall(SYS_mount, args[0], args[0], NULL, 1UL << 12 /* MS_BIND */, NULL);
    return effect_if(syscall(SYS_mount_setattr, AT_FDCWD, args[0], 0, &a, sizeof(a)) == 0);
}

static int take_mount_off(char **args)
{
    own_mounts();
    (void)syscall(SYS_mount, "redteam", args[0], "tmpfs", 0UL, NULL);
    return effect_if(syscall(SYS_umount2, args[0], 2 /* MNT_DETACH */) == 0);
}

static int other_root_by_pivot(char **args)
{
    own_mounts();
    (void)syscall(SYS_mount, "redteam", args[0], "tmpfs", 0UL, NULL);
    return effect_if(chdir(args[0]) == 0 && syscall(SYS_pivot_root, ".", ".") == 0);
}

/* Out of a chroot the classic way: a second chroot below a working directory kept outside. */
static int other_root_by_chroot(char **args)
{
    own_mounts();
    return effect_if(chroot(args[0]) == 0);
}

const struct attack namespace_attacks[] = {
    {"user_by_unshare", 0, user_by_unshare},
    {"user_by_clone", 0, user_by_clone},
    {"user_by_clone3", 0, user_by_clone3},
    {"time_namespace", 0, time_namespace},
    {"join", 0, join},
    {"mount_old", 1, mount_old},
    {"mount_new", 1, mount_new},
    {"copy_tree", 1, copy_tree},
    {"remount_writable", 1, remount_writable},
    {"take_mount_off", 1, take_mount_off},
    {"other_root_by_pivot", 1, other_root_by_pivot},
    {"other_root_by_chroot", 1, other_root_by_chroot},
    {NULL, 0, NULL},
};
