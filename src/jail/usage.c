/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/usage.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX      65536u
#define PROCESSES_MAX 8192 /* more are not looked at: their number is limited elsewhere */

struct walk {
    pid_t pid[PROCESSES_MAX];
    size_t n;
};

/* Reads a small file of a kernel's file system. */
static bool read_text(int dir, const char *path, char *text, size_t size)
{
    AUTO_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    ssize_t n, got = 0;

    while (fd >= 0 && (n = read(fd, text + got, size - 1 - (size_t)got)) > 0)
        got += n;
    text[got] = '\0';
    return fd >= 0;
}

/* The number behind `key` at the start of a line or behind a blank; -1: there is none. */
static int64_t number_of(const char *text, const char *key)
{
    const char *at = text;
    size_t n = strlen(key);

    while ((at = strstr(at, key)) != NULL) {
        if (at == text || at[-1] == '\n' || at[-1] == ' ')
            return strtoll(at + n, NULL, 10);
        at += n;
    }
    return -1;
}

static void add_pids(struct walk *w, const char *text)
{
    char *end;

    for (;; text = end) {
        long pid = strtol(text, &end, 10);

        if (end == text || w->n == PROCESSES_MAX)
            return;
        if (pid > 0)
            w->pid[w->n++] = (pid_t)pid;
    }
}

/* Those that the threads of `pid` started, and that are there. */
static void add_children(struct walk *w, pid_t pid, char *text)
{
    char path[300];
    struct dirent *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    while (tasks != NULL && (d = readdir(tasks)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/children", d->d_name);
        if (d->d_name[0] != '.' && read_text(dirfd(tasks), path, text, TEXT_MAX))
            add_pids(w, text);
    }
    if (tasks != NULL)
        (void)closedir(tasks);
}

/* Every process of the jail, its init first. */
static void find_processes(const struct jail *j, struct walk *w, char *text)
{
    w->pid[w->n++] = j->init_pid;
    if (j->cgroup >= 0 && read_text(j->cgroup, "cgroup.procs", text, TEXT_MAX)) {
        add_pids(w, text);
        return;
    }
    for (size_t i = 0; i < w->n; i++)
        add_children(w, w->pid[i], text);
}

/* Fields 14 to 17 of /proc/PID/stat: ticks of itself and of those it waited for. */
static int64_t ticks_of(const char *stat)
{
    const char *p = strrchr(stat, ')'); /* the program's name may hold anything */
    int64_t ticks = 0;

    for (int field = 2; p != NULL && field < 14; field++)
        if ((p = strchr(p, ' ')) != NULL)
            p++;
    for (int i = 0; p != NULL && i < 4; i++) {
        char *end;

        ticks += strtoll(p, &end, 10);
        p = *end == ' ' ? end + 1 : NULL;
    }
    return ticks;
}

static void add_process(pid_t pid, struct usage *u, struct usage *sum, char *text)
{
    char path[64];
    struct stat st;
    long size = 0, resident = 0, shared = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    AUTO_CLOSE int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    u->processes++;
    if (read_text(dir, "stat", text, TEXT_MAX))
        sum->cpu_ms += ticks_of(text) * 1000 / sysconf(_SC_CLK_TCK);
    if (read_text(dir, "statm", text, TEXT_MAX) &&
        sscanf(text, "%ld %ld %ld", &size, &resident, &shared) == 3 && resident > shared)
        sum->memory += (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
    if (read_text(dir, "io", text, TEXT_MAX) && number_of(text, "write_bytes: ") >= 0)
        sum->written_bytes += number_of(text, "write_bytes: ");
    if (fstatat(dir, "fd", &st, 0) == 0 && st.st_size > u->files)
        u->files = st.st_size;
}

/* What fell away had been used all the same. */
static int64_t never_less(struct usage_sum *s, int64_t now)
{
    if (s->lost + now < s->last)
        s->lost = s->last - now;
    s->last = s->lost + now;
    return s->last;
}

static int64_t written_by_devices(const char *text)
{
    int64_t sum = 0;

    for (; (text = strstr(text, "wbytes=")) != NULL; text += 7)
        sum += strtoll(text + 7, NULL, 10);
    return sum;
}

static bool read_group(const struct jail *j, const char *file, char *text)
{
    return j->cgroup >= 0 && read_text(j->cgroup, file, text, TEXT_MAX);
}

void usage_read(const struct jail *j, struct usage *u)
{
    AUTO_FREE char *text = xcalloc(TEXT_MAX, 1);
    AUTO_FREE struct walk *w = xcalloc(1, sizeof(*w));
    struct usage sum = {0};

    u->files = u->processes = 0;
    find_processes(j, w, text);
    for (size_t i = 0; i < w->n; i++)
        add_process(w->pid[i], u, &sum, text);
    if (read_group(j, "cpu.stat", text) && number_of(text, "usage_usec ") >= 0)
        u->cpu_ms = number_of(text, "usage_usec ") / 1000;
    else
        u->cpu_ms = never_less(&u->cpu, sum.cpu_ms);
    u->memory = read_group(j, "memory.current", text) ? strtoll(text, NULL, 10) : sum.memory;
    u->written_bytes = read_group(j, "io.stat", text) ? written_by_devices(text)
                                                      : never_less(&u->written, sum.written_bytes);
}
