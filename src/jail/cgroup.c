/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/cgroup.h"
#include "base/fd.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX   "belay-"
#define PROC_MAX (1u << 20)

/* /proc files say that they are empty, so they are read to the end. */
static bool read_proc(const char *path, struct buf *b, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, EX_HOST, "%s", path);
    return fd_read_all(fd, b, path, e);
}

/* Octal escapes of mountinfo, in place. */
static void unescape(char *s)
{
    char *to = s;

    for (; *s != '\0'; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* Where v2 is mounted: `root` of the hierarchy at `point`. */
static bool find_mount(char *mountinfo, char **root, char **point)
{
    for (char *save, *line = strtok_r(mountinfo, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *in;
        if (strstr(line, " - cgroup2 ") == NULL)
            continue;
        *root = strtok_r(line, " ", &in); /* id, parent, device, root, mount point */
        for (int i = 0; i < 3 && *root != NULL; i++)
            *root = strtok_r(NULL, " ", &in);
        *point = *root == NULL ? NULL : strtok_r(NULL, " ", &in);
        if (*point == NULL)
            return false;
        unescape(*root);
        unescape(*point);
        return true;
    }
    return false;
}

int cgroup_open_own(struct err *e)
{
    AUTO_BUF struct buf own = {0};
    AUTO_BUF struct buf mounts = {0};
    char *root, *point, *mine;
    const char *path;
    char full[PATH_MAX];
    int fd, n;

    buf_init(&own, PROC_MAX);
    buf_init(&mounts, PROC_MAX);
    if (!read_proc("/proc/self/cgroup", &own, e) || !read_proc("/proc/self/mountinfo", &mounts, e))
        return -1;
    mine = strstr(buf_cstr(&own), "0::/");
    (void)buf_cstr(&mounts);
    if (mine == NULL || !find_mount(mounts.p, &root, &point)) {
        err_set(e, EX_HOST, "cgroup v2 is not mounted here");
        return -1;
    }
    mine[strcspn(mine, "\n")] = '\0';
    path = mine + 3;
    n = strcmp(root, "/") == 0 ? 0 : (int)strlen(root);
    if (strncmp(path, root, (size_t)n) != 0) {
        err_set(e, EX_HOST, "this process's cgroup %s is not below the mounted %s", path, root);
        return -1;
    }
    n = snprintf(full, sizeof(full), "%s%s", point, path + n);
    fd = n < 0 || (size_t)n >= sizeof(full)
             ? -1
             : open(full, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        err_sys(e, EX_HOST, "cgroup %s", full);
    return fd;
}

/* belay-PID-SESSION of a PID that is gone. A folder in use cannot be removed. */
static void sweep(int parent)
{
    int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *d;

    if (dir == NULL) {
        mem_auto_close(&fd);
        return;
    }
    while ((d = readdir(dir)) != NULL) {
        long pid;
        if (strncmp(d->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        pid = strtol(d->d_name + strlen(PREFIX), NULL, 10);
        if (pid > 0 && pid <= INT_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
            (void)unlinkat(parent, d->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

int cgroup_make(int parent, const char *session, char *name, size_t size, struct err *e)
{
    int fd;

    sweep(parent);
    snprintf(name, size, PREFIX "%d-%s", (int)getpid(), session);
    if (mkdirat(parent, name, 0755) != 0) {
        err_sys(e, EX_HOST, "making the cgroup %s", name);
        return -1;
    }
    fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || faccessat(fd, "cgroup.kill", W_OK, 0) != 0 ||
        faccessat(fd, "cgroup.freeze", W_OK, 0) != 0) {
        err_sys(e, EX_HOST, "cgroup %s has no cgroup.freeze and cgroup.kill (Linux 5.14)", name);
        mem_auto_close(&fd);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
    }
    return fd;
}

bool cgroup_set(int cgroup, const char *name, const char *value)
{
    AUTO_CLOSE int fd = openat(cgroup, name, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && fd_write_all(fd, value, strlen(value));
}

bool cgroup_frozen(int cgroup)
{
    char events[128];
    AUTO_CLOSE int fd = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, events, sizeof(events) - 1);

    if (n < 0)
        return false;
    events[n] = '\0';
    return strstr(events, "frozen 1") != NULL;
}

bool cgroup_remove(int parent, const char *name)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (int i = 0; i < 1000; i++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return true;
        if (errno != EBUSY)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}
