/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/stop.h"
#include "base/mem.h"
#include "jail/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 2000

struct process {
    pid_t pid;
    char state;
    unsigned long long start;
};

struct listing {
    struct process *list;
    size_t n, size;
};

/* proc(5): "pid (comm) state ..."; comm is the agent's and may hold anything but its end is
 * the last ')'. Field 22 is the start time. */
static bool parse_stat(const char *text, struct process *p)
{
    const char *s = strrchr(text, ')');

    if (s == NULL || s[1] != ' ' || s[2] == '\0')
        return false;
    p->state = s[2];
    s += 2;
    for (int field = 3; field < 22; field++) {
        s = strchr(s, ' ');
        if (s == NULL)
            return false;
        s++;
    }
    p->start = strtoull(s, NULL, 10);
    return true;
}

static bool is_ours(const struct stop *s, pid_t pid)
{
    return pid > 1 && (!s->host || (pid != s->own && kill(pid, 0) == 0));
}

static bool read_process(const struct stop *s, const char *name, struct process *p)
{
    char path[32], text[1024];
    AUTO_CLOSE int fd = -1;
    ssize_t n;

    p->pid = (pid_t)strtol(name, NULL, 10);
    if (!is_ours(s, p->pid))
        return false;
    snprintf(path, sizeof(path), "%.20s/stat", name);
    fd = openat(s->proc, path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false; /* it ended meanwhile */
    text[n] = '\0';
    return parse_stat(text, p);
}

static void add(struct listing *l, const struct process *p)
{
    if (l->n == l->size) {
        l->size = l->size == 0 ? 256 : l->size * 2;
        l->list = xrealloc(l->list, l->size, sizeof(*l->list));
    }
    l->list[l->n++] = *p;
}

struct entry { /* linux_dirent64 */
    unsigned long long inode, next;
    unsigned short size;
    unsigned char type;
    char name[];
};

static struct listing list_processes(const struct stop *s)
{
    struct listing l = {0};
    char space[16384] __attribute__((aligned(8)));
    long n;

    (void)lseek(s->proc, 0, SEEK_SET);
    while ((n = syscall(SYS_getdents64, s->proc, space, sizeof(space))) > 0) {
        for (long at = 0; at < n;) {
            const struct entry *d = (const struct entry *)(const void *)(space + at);
            struct process p;
            if (d->name[0] >= '1' && d->name[0] <= '9' && read_process(s, d->name, &p))
                add(&l, &p);
            at += d->size;
        }
    }
    return l;
}

static bool dead(const struct process *p)
{
    return p->state == 'Z' || p->state == 'X';
}

/* Waits in the kernel (D) come back to a pending stop, not to the program. */
static bool can_run(const struct process *p)
{
    return p->state == 'R' || p->state == 'S';
}

static bool is_stopped(const struct process *p)
{
    return p->state == 'T' || p->state == 't';
}

static int count(const struct stop *s, bool (*which)(const struct process *))
{
    struct listing l = list_processes(s);
    int n = 0;

    for (size_t i = 0; i < l.n; i++)
        n += which(&l.list[i]);
    free(l.list);
    return n;
}

static void remember(struct stop *s)
{
    struct listing l = list_processes(s);

    s->before = xcalloc(l.n + 1, sizeof(*s->before));
    s->nbefore = 0;
    for (size_t i = 0; i < l.n; i++)
        if (is_stopped(&l.list[i]))
            s->before[s->nbefore++] = (struct stopped){l.list[i].pid, l.list[i].start};
    free(l.list);
}

int stop_all(struct stop *s)
{
    const struct timespec pause = {.tv_nsec = 500000};
    long long until = now_ms() + PATIENCE_MS;
    int running;

    if (!s->on) {
        remember(s);
        s->on = true;
    }
    for (;;) {
        (void)kill(-1, SIGSTOP); /* fails only when there is nobody */
        running = count(s, can_run);
        if (running == 0 || now_ms() >= until)
            return running;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

static bool younger(const struct process *x, const struct process *y)
{
    return x->start != y->start ? x->start > y->start : x->pid > y->pid;
}

/* /proc lists by pid, so reversing nearly sorts. (qsort() asks the system how much memory it
 * has, which J may not.) */
static void youngest_first(struct listing *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        struct process p = l->list[i];
        l->list[i] = l->list[l->n - 1 - i];
        l->list[l->n - 1 - i] = p;
    }
    for (size_t i = 1; i < l->n; i++) {
        struct process p = l->list[i];
        size_t at = i;
        for (; at > 0 && younger(&p, &l->list[at - 1]); at--)
            l->list[at] = l->list[at - 1];
        l->list[at] = p;
    }
}

static bool was_stopped(const struct stop *s, const struct process *p)
{
    for (size_t i = 0; i < s->nbefore; i++)
        if (s->before[i].pid == p->pid && s->before[i].start == p->start)
            return true;
    return false;
}

void stop_undo(struct stop *s)
{
    struct listing l = list_processes(s);

    youngest_first(&l);
    for (size_t i = 0; i < l.n; i++)
        if (!was_stopped(s, &l.list[i]) && !dead(&l.list[i]))
            (void)kill(l.list[i].pid, SIGCONT);
    free(l.list);
    free(s->before);
    s->before = NULL;
    s->nbefore = 0;
    s->on = false;
}

static bool alive(const struct process *p)
{
    return !dead(p);
}

static bool runs(const struct process *p)
{
    return p->state == 'R';
}

int stop_count(struct stop *s)
{
    return count(s, alive);
}

int stop_running(struct stop *s)
{
    return count(s, runs);
}
