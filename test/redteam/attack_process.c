/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks on another process of the same user: `victim` is started by the test outside the jail
 * and says its pid and the address of a word. In the jail the number means another process or
 * none; so every attack also looks through /proc for a process named as the victim's mark.
 */
#include "attack.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long word = 1;

static bool has_mark(const char *pid, const char *mark)
{
    char path[300], line[512] = "";

    (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(line, (size_t)n, mark, strlen(mark)) != NULL;
}

/* The victim by its mark, else by the number that it has outside. args: pid mark. */
static pid_t find_victim(char **args)
{
    DIR *proc = opendir("/proc");
    struct dirent *d;
    pid_t found = 0;

    while (proc != NULL && found == 0 && (d = readdir(proc)) != NULL)
        if (isdigit((unsigned char)d->d_name[0]) && atoi(d->d_name) != getpid() &&
            atoi(d->d_name) != getppid() && has_mark(d->d_name, args[1]))
            found = atoi(d->d_name);
    if (proc != NULL)
        closedir(proc);
    return found != 0 ? found : atoi(args[0]);
}

/* Waits for the end; says whether its word was changed. */
static int victim(char **args)
{
    sigset_t set;
    int sig;

    (void)args;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    alarm(60);
    printf("%d %lx\n", getpid(), (unsigned long)(uintptr_t)&word);
    (void)fflush(stdout);
    if (sigwait(&set, &sig) != 0)
        return UNAVAILABLE;
    return effect_if(sig == SIGUSR1);
}

static int trace(char **args)
{
    pid_t pid = find_victim(args);
    int status;

    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0)
        return REFUSED;
    bool ok = ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid;
    (void)ptrace(PTRACE_DETACH, pid, 0, 0);
    return effect_if(ok);
}

static uintptr_t address(const char *hex)
{
    return (uintptr_t)strtoull(hex, NULL, 16);
}

static int write_memory(char **args)
{
    long evil = 666;
    struct iovec from = {&evil, sizeof(evil)};
    struct iovec to = {(void *)address(args[2]), sizeof(evil)};

    return effect_if(process_vm_writev(find_victim(args), &from, 1, &to, 1, 0) == sizeof(evil));
}

static int write_memory_file(char **args)
{
    char path[64];
    long evil = 666;

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", find_victim(args));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return effect_if(fd >= 0 && pwrite(fd, &evil, sizeof(evil), (off_t)address(args[2])) ==
                                    (ssize_t)sizeof(evil));
}

static int take_descriptor(char **args)
{
    int pidfd = (int)syscall(SYS_pidfd_open, find_victim(args), 0);

    return effect_if(pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, 1, 0) >= 0);
}

static int send_signal(char **args)
{
    return effect_if(kill(find_victim(args), SIGUSR1) == 0);
}

static int stop_process(char **args)
{
    pid_t pid = find_victim(args);
    bool ok = kill(pid, SIGSTOP) == 0;

    if (ok)
        kill(pid, SIGCONT);
    return effect_if(ok);
}

static int change_limits(char **args)
{
    struct {
        uint64_t soft, hard;
    } now;
    pid_t pid = find_victim(args);

    return effect_if(syscall(SYS_prlimit64, pid, 7 /* RLIMIT_NOFILE */, NULL, &now) == 0 &&
                     syscall(SYS_prlimit64, pid, 7, &now, NULL) == 0);
}

static int change_schedule(char **args)
{
    unsigned long cpus[16] = {0};
    pid_t pid = find_victim(args);
    long n = syscall(SYS_sched_getaffinity, pid, sizeof(cpus), cpus);

    return effect_if(n > 0 && syscall(SYS_sched_setaffinity, pid, n, cpus) == 0);
}

/* /proc/PID/WHAT: root/PATH, cwd/NAME, fd/N, environ. args: pid mark what. */
static int look_through(char **args)
{
    char path[600], c;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", find_victim(args), args[2]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return effect_if(fd >= 0 && read(fd, &c, 1) == 1);
}

/* A tree that outlives its parent: setsid, two forks, deaf to every signal. args: file. */
static int outlive(char **args)
{
    if (fork() != 0)
        return EFFECT;
    (void)setsid();
    if (fork() != 0)
        _exit(0);
    for (int fd = 0; fd < 3; fd++)
        (void)close(fd);
    for (int sig = 1; sig < 32; sig++)
        (void)signal(sig, SIG_IGN);
    for (int i = 0; i < 600; i++) {
        int fd = open(args[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, "x", 1) == 1)
            close(fd);
        usleep(20000);
    }
    _exit(0);
}

const struct attack process_attacks[] = {
    {"victim", 0, victim},
    {"trace", 2, trace},
    {"write_memory", 3, write_memory},
    {"write_memory_file", 3, write_memory_file},
    {"take_descriptor", 2, take_descriptor},
    {"send_signal", 2, send_signal},
    {"stop_process", 2, stop_process},
    {"change_limits", 2, change_limits},
    {"change_schedule", 2, change_schedule},
    {"look_through", 3, look_through},
    {"outlive", 1, outlive},
    {NULL, 0, NULL},
};
