/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/userns.h"
#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool write_proc(pid_t pid, const char *name, const char *text, struct err *e)
{
    char path[64];
    AUTO_CLOSE int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || !fd_write_all(fd, text, strlen(text)))
        return err_sys(e, EX_HOST, "%s", path);
    return true;
}

/* Whole ranges need CAP_SETUID or CAP_SETGID where the caller is; in a container without them,
 * and without a map of its own for every id, root gets what a user gets. */
static bool write_all_ids(pid_t pid, const char *map)
{
    struct err ignored;

    return geteuid() == 0 && write_proc(pid, map, "0 0 4294967295", &ignored);
}

bool userns_write_maps(pid_t pid, struct err *e)
{
    char users[64], groups[64];

    snprintf(users, sizeof(users), "%u %u 1", geteuid(), geteuid());
    snprintf(groups, sizeof(groups), "%u %u 1", getegid(), getegid());
    return (write_all_ids(pid, "uid_map") || write_proc(pid, "uid_map", users, e)) &&
           (write_all_ids(pid, "gid_map") ||
            (write_proc(pid, "setgroups", "deny", e) && write_proc(pid, "gid_map", groups, e)));
}

/* A number from /proc/sys; -1 when there is no such file. */
static long sysctl_number(const char *path)
{
    char text[32];
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (n <= 0)
        return -1;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

/* Every jail has a tmpfs whose source is "belay". */
static bool inside_a_jail(void)
{
    AUTO_BUF struct buf mounts = {0};
    AUTO_CLOSE int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    struct err ignored;

    buf_init(&mounts, 1u << 20);
    return fd >= 0 && fd_read_all(fd, &mounts, "mountinfo", &ignored) &&
           strstr(buf_cstr(&mounts), " - tmpfs belay ") != NULL;
}

void userns_explain(int error, struct err *e)
{
    static const char what[] = "this host does not let belay make user namespaces";

    if (inside_a_jail())
        err_set(e, EX_HOST,
                "belay is already running around this command, and a jail cannot be made inside "
                "another; run the command as it is");
    else if (sysctl_number("/proc/sys/kernel/unprivileged_userns_clone") == 0 && geteuid() != 0)
        err_set(e, EX_HOST,
                "%s: kernel.unprivileged_userns_clone is 0; "
                "sudo sysctl kernel.unprivileged_userns_clone=1",
                what);
    else if (sysctl_number("/proc/sys/user/max_user_namespaces") == 0)
        err_set(e, EX_HOST,
                "%s: user.max_user_namespaces is 0; "
                "sudo sysctl user.max_user_namespaces=15000",
                what);
    else if (sysctl_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 &&
             geteuid() != 0)
        err_set(e, EX_HOST,
                "%s: AppArmor restricts them "
                "(kernel.apparmor_restrict_unprivileged_userns is 1); give belay a profile with "
                "\"userns,\" or sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
                what);
    else if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2)
        err_set(e, EX_HOST,
                "%s: a system call filter refuses it (%s), as containers have; run the "
                "container with --security-opt seccomp=unconfined or a profile that allows clone3 "
                "and unshare",
                what, strerror(error));
    else if (error == ENOSPC || error == EUSERS)
        err_set(e, EX_HOST, "%s: too many, or nested too deeply (%s); see user.max_*_namespaces",
                what, strerror(error));
    else
        err_set(e, EX_HOST, "%s: %s", what, strerror(error));
}
