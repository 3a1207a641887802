/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/object.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Numbers from the kernel's Documentation/admin-guide/devices.txt. */
enum { MAJOR_MEM = 1, MAJOR_TTY_AUX = 5, MAJOR_PTS_FIRST = 136, MAJOR_PTS_LAST = 143 };

static enum object_class device_class(dev_t d)
{
    unsigned minor_nr = minor(d), major_nr = major(d);

    if (major_nr == MAJOR_MEM &&
        (minor_nr == 3 || minor_nr == 5 || (minor_nr >= 7 && minor_nr <= 9)))
        return OBJECT_FREE; /* null, zero, full, random, urandom */
    if (major_nr == MAJOR_TTY_AUX && minor_nr == 0)
        return OBJECT_TTY;
    if (major_nr == MAJOR_TTY_AUX && minor_nr == 2)
        return OBJECT_FREE; /* ptmx */
    if (major_nr >= MAJOR_PTS_FIRST && major_nr <= MAJOR_PTS_LAST)
        return OBJECT_FREE; /* terminals of the jail's own devpts */
    return OBJECT_REFUSED;
}

/* In a table of names, separated by blanks. */
static bool listed(const char *name, const char *const *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, table[i]) == 0)
            return true;
    return false;
}

static const char *const own_writable[] = {"comm",           "oom_score_adj", "oom_adj",
                                           "clear_refs",     "autogroup",     "timerslack_ns",
                                           "coredump_filter"};
/* What every process may read of every other (proc(5)); the rest takes rights over it. */
static const char *const others_readable[] = {
    "stat",  "status",    "statm",    "cmdline",   "comm",      "cgroup",        "limits", "task",
    "sched", "schedstat", "loginuid", "sessionid", "oom_score", "oom_score_adj", "wchan",  ""};

/* Splits /proc/PID/rest. False when it is not below a process. */
static bool split_process(const char *path, pid_t *pid, const char **rest)
{
    char *end;

    if (strncmp(path, "/proc/", 6) != 0 || path[6] < '1' || path[6] > '9')
        return false;
    long n = strtol(path + 6, &end, 10);
    if (n <= 0 || n > INT_MAX || (*end != '/' && *end != '\0'))
        return false;
    *pid = (pid_t)n;
    *rest = *end == '/' ? end + 1 : end;
    return true;
}

/* The part behind task/TID/, where a thread's own files have the same names. */
static const char *skip_task(const char *rest)
{
    if (strncmp(rest, "task/", 5) != 0)
        return rest;
    const char *slash = strchr(rest + 5, '/');
    return slash != NULL ? slash + 1 : "";
}

/* In tier B the procfs is the host's. kern's Landlock domain lets it signal the agent's processes
 * and belay's next to them, and no others. */
static bool is_agents(const struct kern *k, pid_t pid)
{
    return k->scope.n == 0 || kill(pid, 0) == 0;
}

static enum object_class proc_class(struct request *r, const struct place *p, bool write)
{
    pid_t pid;
    const char *rest;

    if (!split_process(p->path, &pid, &rest))
        return write ? OBJECT_REFUSED : OBJECT_JUDGED;
    const char *name = skip_task(rest);
    if (pid == request_who(r)->inner_tgid)
        return !write || listed(name, own_writable, ARRAY_LEN(own_writable)) ? OBJECT_FREE
                                                                             : OBJECT_REFUSED;
    return !write && is_agents(r->kern, pid) &&
                   listed(name, others_readable, ARRAY_LEN(others_readable))
               ? OBJECT_FREE
               : OBJECT_REFUSED;
}

static bool is_pipe(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
}

/* Does descriptor `fd` of the task hold this object, with the rights that are asked for? */
static bool holds(const struct request *r, const struct place *p, int fd, bool write)
{
    AUTO_CLOSE int stolen = tracee_steal((pid_t)r->call.pid, fd);
    struct stat st;

    if (stolen < 0 || fstat(stolen, &st) != 0 || st.st_dev != p->st.st_dev ||
        st.st_ino != p->st.st_ino)
        return false;
    int mode = fcntl(stolen, F_GETFL) & (O_ACCMODE | O_PATH);
    int wanted = (int)(r->how.flags & O_ACCMODE);
    return mode == O_RDWR || (mode == wanted && (mode == O_WRONLY || !write));
}

/* A file that is nowhere in the agent's view, such as its standard output: it may be opened
 * again by its descriptor (/dev/stdout), for no more than the descriptor allows. */
static bool is_held(const struct request *r, const struct place *p, bool write)
{
    struct str last = parse_last(str_of(r->first_path));

    for (int fd = 0; fd <= 2; fd++)
        if (holds(r, p, fd, write))
            return true;
    return last.n > 0 && last.n < 8 && last.p[0] >= '0' && last.p[0] <= '9' &&
           holds(r, p, atoi(last.p), write);
}

enum object_class object_class(struct request *r, const struct place *p, bool write)
{
    if (S_ISCHR(p->st.st_mode))
        return device_class(p->st.st_rdev);
    if (S_ISBLK(p->st.st_mode))
        return OBJECT_REFUSED;
    if (p->path[0] == '\0')
        return is_pipe(p->object) || is_held(r, p, write) ? OBJECT_FREE : OBJECT_REFUSED;
    if (view_on_proc(p->object))
        return proc_class(r, p, write);
    return p->st.st_nlink == 0 ? OBJECT_FREE : OBJECT_JUDGED;
}

/* tty_nr of /proc/PID/stat: behind the name in parentheses, the fifth field (proc(5)). */
static int tty_of(const struct request *r, dev_t *tty)
{
    char text[1024];
    int state_nr[3], nr;
    char state;
    AUTO_CLOSE int fd = tracee_open(r->kern->view.proc, (pid_t)r->call.pid, "stat", O_RDONLY);

    if (fd < 0)
        return fd;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return -ESRCH;
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    if (end == NULL || sscanf(end + 1, " %c %d %d %d %d", &state, &state_nr[0], &state_nr[1],
                              &state_nr[2], &nr) != 5)
        return -ESRCH;
    unsigned u = (unsigned)nr; /* as the kernel's new_encode_dev() packs it */
    *tty = makedev((u >> 8) & 0xfff, (u & 0xff) | ((u >> 12) & 0xfff00));
    return nr == 0 ? -ENXIO : 0;
}

int object_tty(const struct request *r)
{
    char path[32];
    struct stat st;
    dev_t tty;
    int error = tty_of(r, &tty);

    if (error != 0)
        return error;
    if (major(tty) < MAJOR_PTS_FIRST || major(tty) > MAJOR_PTS_LAST)
        return -ENXIO;
    (void)snprintf(path, sizeof(path), "/dev/pts/%u",
                   (major(tty) - MAJOR_PTS_FIRST) * 256 + minor(tty));
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -ENXIO;
    if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == tty)
        return fd;
    (void)close(fd);
    return -ENXIO;
}
