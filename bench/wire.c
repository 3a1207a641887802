/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - both ends of a network measurement over IPv4 loopback.
 *
 *   bench-wire serve            prints its port, serves until its standard input ends
 *   bench-wire bulk PORT MIB    fetches that many MiB, prints MiB/s
 *   bench-wire connects PORT N  opens N connections one after the other, each asking for one
 *                               byte, prints connections/s
 *
 * A client sends 8 bytes, the number of bytes it wants in network order, and gets them.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MIB       (1024L * 1024L)
#define BYTES_MAX (64L * 1024 * MIB)

static char chunk[256 * 1024];

static int fail(const char *what)
{
    fprintf(stderr, "bench-wire: %s: %s\n", what, strerror(errno));
    return 1;
}

static double now(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        abort();
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool send_all(int sock, uint64_t left)
{
    while (left > 0) {
        size_t part = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
        ssize_t n = send(sock, chunk, part, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        left -= (uint64_t)n;
    }
    return true;
}

/* A small wish is met at once, a large one in a process of its own. Gone clients are no error. */
static bool serve_client(int sock)
{
    uint64_t wanted;

    if (recv(sock, &wanted, sizeof(wanted), MSG_WAITALL) != (ssize_t)sizeof(wanted))
        return true;
    wanted = be64toh(wanted);
    if (wanted <= sizeof(chunk)) {
        (void)send_all(sock, wanted);
        return true;
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(wanted <= (uint64_t)BYTES_MAX && send_all(sock, wanted) ? 0 : 1);
    return pid > 0;
}

static int serve_loop(int listener)
{
    struct pollfd watch[] = {{.fd = listener, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        if (poll(watch, 2, -1) < 0)
            return fail("poll");
        if (watch[1].revents != 0)
            return 0;
        int sock = accept(listener, NULL, NULL);
        if (sock < 0)
            return fail("accept");
        bool served = serve_client(sock);

        (void)close(sock);
        if (!served)
            return fail("fork");
    }
}

static int serve(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) != 0 ||
        listen(listener, 512) != 0 || getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        return fail("listen on loopback");
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) /* children are reaped by the kernel */
        return fail("signal");
    printf("%u\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    return serve_loop(listener);
}

/* Fetches `wanted` bytes over one connection; 0 if all came. */
static int fetch(uint16_t port, long wanted)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t ask = htobe64((uint64_t)wanted);
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 1;

    if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        send(sock, &ask, sizeof(ask), MSG_NOSIGNAL) != (ssize_t)sizeof(ask)) {
        (void)fail("connect");
        goto out;
    }
    while (wanted > 0) {
        ssize_t n = recv(sock, chunk, sizeof(chunk), 0);

        if (n <= 0) {
            (void)fail("receive");
            goto out;
        }
        wanted -= n;
    }
    status = 0;
out:
    if (sock >= 0)
        (void)close(sock);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    long port = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    long n = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    bool bulk = argc == 4 && strcmp(argv[1], "bulk") == 0;
    double began = now();

    if (port < 1 || port > 65535 || n < 1 || n > BYTES_MAX / MIB ||
        (!bulk && strcmp(argv[1], "connects") != 0)) {
        fprintf(stderr, "usage: bench-wire serve | bulk PORT MIB | connects PORT N\n");
        return 2;
    }
    if (bulk && fetch((uint16_t)port, n * MIB) != 0)
        return 1;
    for (long i = 0; !bulk && i < n; i++)
        if (fetch((uint16_t)port, 1) != 0)
            return 1;
    printf("%.1f\n", (double)n / (now() - began));
    return 0;
}
