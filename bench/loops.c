/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loops.c - repeats one cheap operation and prints what one of them took, in nanoseconds.
 *
 *   bench-loops exec N PROGRAM   fork, execute PROGRAM, wait
 *   bench-loops open N FILE      open for reading, close
 *   bench-loops time COMMAND...  run COMMAND once
 *
 * It measures itself, so it says the same inside a sandbox as outside, without the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 10000000L

static double now_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        abort();
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench-loops: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Runs argv and waits; 0 if it ended well. */
static int run_once(char *const *argv)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return fail(argv[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench-loops: %s ended with wait status %d\n", argv[0], status);
        return 1;
    }
    return 0;
}

static int loop_exec(long n, char *program)
{
    char *argv[] = {program, NULL};

    for (long i = 0; i < n; i++)
        if (run_once(argv) != 0)
            return 1;
    return 0;
}

static int loop_open(long n, const char *file)
{
    for (long i = 0; i < n; i++) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
            return fail(file);
        if (close(fd) != 0)
            return fail("close");
    }
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: bench-loops exec N PROGRAM | open N FILE | time COMMAND...\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return usage();
    const char *what = argv[1];
    double began = now_ns();
    int status;
    long n = 1;

    if (strcmp(what, "time") == 0) {
        status = run_once(argv + 2);
    } else {
        n = strtol(argv[2], NULL, 10);
        if (argc != 4 || n < 1 || n > COUNT_MAX)
            return usage();
        if (strcmp(what, "exec") == 0)
            status = loop_exec(n, argv[3]);
        else if (strcmp(what, "open") == 0)
            status = loop_open(n, argv[3]);
        else
            return usage();
    }
    if (status == 0)
        printf("%.1f\n", (now_ns() - began) / (double)n);
    return status;
}
