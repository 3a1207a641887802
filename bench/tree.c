/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c - a tree of processes to be killed, for bench/run.
 *
 *   bench-tree FIFO N SECONDS        N processes that wait
 *   bench-tree FIFO bomb N SECONDS   every process makes more as fast as it can, N in all
 *
 * Each process holds FIFO open for writing, so a reader of it sees its end when the last of them
 * is gone, however they were ended and whatever namespace they lived in. One byte is written
 * when the tree stands (the bomb: when a quarter of it does, so that it is ended while it grows).
 * Nothing lives longer than SECONDS. Every signal that can be ignored is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TREE_MAX    20000L
#define SECONDS_MAX 60L

struct shared {
    atomic_long made;
};

static struct timespec deadline;

static int fail(const char *what)
{
    fprintf(stderr, "bench-tree: %s: %s\n", what, strerror(errno));
    return 1;
}

static bool is_over(void)
{
    struct timespec t;

    return clock_gettime(CLOCK_MONOTONIC, &t) != 0 || t.tv_sec >= deadline.tv_sec;
}

static void wait_for_the_end(void)
{
    const struct timespec part = {.tv_nsec = 100 * 1000 * 1000};

    while (!is_over())
        (void)nanosleep(&part, NULL);
}

static void ready(int fifo)
{
    if (write(fifo, "r", 1) != 1)
        _exit(fail("write to the fifo"));
}

static void stand(int fifo, long n)
{
    for (long i = 1; i < n; i++) {
        pid_t pid = fork();

        if (pid < 0)
            _exit(fail("fork"));
        if (pid == 0) {
            wait_for_the_end();
            _exit(0);
        }
    }
    ready(fifo);
    wait_for_the_end();
}

/* Parent and child both go on, so the number doubles until n is reached. */
static void explode(int fifo, long n, struct shared *shared)
{
    while (!is_over()) {
        long made = atomic_fetch_add(&shared->made, 1);

        if (made >= n) {
            wait_for_the_end();
            return;
        }
        if (made == n / 4)
            ready(fifo);
        if (fork() < 0 && errno != EAGAIN)
            return;
    }
}

int main(int argc, char **argv)
{
    bool bomb = argc == 5 && strcmp(argv[2], "bomb") == 0;
    long n = argc >= 4 ? strtol(argv[bomb ? 3 : 2], NULL, 10) : 0;
    long seconds = argc >= 4 ? strtol(argv[argc - 1], NULL, 10) : 0;

    if ((argc != 4 && !bomb) || n < 1 || n > TREE_MAX || seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: bench-tree FIFO [bomb] N SECONDS\n");
        return 2;
    }
    for (int sig = 1; sig < SIGRTMIN; sig++)
        if (sig != SIGKILL && sig != SIGSTOP)
            (void)signal(sig, SIG_IGN); /* some numbers are no signals */
    if (clock_gettime(CLOCK_MONOTONIC, &deadline) != 0)
        return fail("clock");
    deadline.tv_sec += seconds;
    int fifo = open(argv[1], O_WRONLY);
    if (fifo < 0)
        return fail(argv[1]);
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return fail("mmap");
    if (bomb)
        explode(fifo, n, shared);
    else
        stand(fifo, n);
    return 0;
}
