/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds: floods, stuck and vanishing peers, bulk, and the end of the neighbours. See gate_world.h.
 */
#include "gate_world.h"

#include "base/mem.h"
#include "unit.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *unavailable;
static const struct gate_limits usual = {0};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void close_all(int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Answers everything with yes until `done` connections were accepted upstream. */
static int serve_many(int *hosts, int want, int ms)
{
    struct world *w = world();
    struct pollfd p[3] = {{.fd = w->judge, .events = POLLIN},
                          {.fd = w->resolver, .events = POLLIN},
                          {.fd = w->upstream, .events = POLLIN}};
    int n = 0;

    while (n < want && poll(p, 3, ms) > 0) {
        if (p[0].revents != 0 && frame_recv(w->judge, &w->in, 0) == FRAME_OK &&
            w->in.type == MSG_ACTION && action_get(&w->in, &w->action))
            judge_says(w->in.id, OUTCOME_ALLOW, "");
        if (p[1].revents != 0)
            resolver_both("many.test", "127.0.0.1", "", 30);
        if (p[2].revents != 0)
            hosts[n++] = accept4(w->upstream, NULL, NULL, SOCK_CLOEXEC);
    }
    return n;
}

TEST(connections_are_bounded)
{
    const struct gate_limits few = {.connections = 20};
    int agents[40], hosts[40];
    char address[ADDR_TEXT_MAX];

    WORLD(&few);
    CHECK(agent_learn("many.test", DNS_A, address));
    for (int i = 0; i < 40; i++) {
        agents[i] = agent_socket(SOCK_STREAM, address, world()->upstream_port);
        CHECK(agents[i] >= 0);
    }
    CHECK_INT(serve_many(hosts, 40, 500), 20);
    /* those that wait come in as others end */
    close_all(agents, 20);
    close_all(hosts, 20);
    CHECK_INT(serve_many(hosts, 20, 1000), 20);
    close_all(agents + 20, 20);
    close_all(hosts, 20);
}

TEST(thousands_of_connections)
{
    enum { MANY = 2500 };
    AUTO_FREE int *agents = xcalloc(MANY, sizeof(int)), *hosts = xcalloc(MANY, sizeof(int));
    struct rlimit files;
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    if (files.rlim_max < 512 + 7 * MANY)
        SKIP("the limit on descriptors is too low");
    files.rlim_cur = files.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    CHECK(agent_learn("many.test", DNS_A, address));
    for (int i = 0; i < MANY; i += 100) {
        for (int j = i; j < i + 100; j++)
            CHECK((agents[j] = agent_socket(SOCK_STREAM, address, world()->upstream_port)) >= 0);
        CHECK_INT(serve_many(hosts + i, 100, 2000), 100);
    }
    /* every one of them lives */
    for (int i = 0; i < MANY; i++)
        CHECK(send(hosts[i], "y", 1, MSG_NOSIGNAL) == 1);
    for (int i = 0; i < MANY; i++)
        CHECK(expect_bytes(agents[i], "y"));
    close_all(agents, MANY);
    close_all(hosts, MANY);
}

TEST(questions_are_bounded)
{
    const struct gate_limits few = {.pending = 5};
    char address[ADDR_TEXT_MAX];
    int agents[8], resets = 0;

    WORLD(&few);
    CHECK(agent_learn("ask.test", DNS_A, address));
    for (int i = 0; i < 8; i++)
        agents[i] = agent_socket(SOCK_STREAM, address, 80);
    for (int i = 0; i < 5; i++)
        CHECK(judge_asked(VERB_CONNECT, "ask.test", 80, NULL));
    for (int i = 0; i < 8; i++)
        if (wait_readable(agents[i], 50))
            resets += expect_reset(agents[i]);
    CHECK_INT(resets, 3);
    close_all(agents, 8);
}

/* Ticks of processor time that the gate has used. */
static long gate_ticks(void)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)world()->gate);
    unsigned long user = 0, system = 0;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return -1;
    int n =
        fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);

    fclose(f);
    return n == 2 ? (long)(user + system) : -1;
}

/* Descriptors that the gate has open; -1 when that cannot be seen. */
static int gate_descriptors(void)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/fd", (int)world()->gate);
    DIR *d = opendir(path);
    int n = 0;

    if (d == NULL)
        return -1;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* Peers that stop in the middle of everything: the gate waits, and does not spin. */
TEST(stuck_peers_cost_nothing)
{
    AUTO_FREE char *chunk = xcalloc(1, 1 << 20);
    char address[ADDR_TEXT_MAX];
    int fds[8] = {-1, -1, -1, -1, -1, -1, -1, -1};

    WORLD(&usual);
    CHECK(world_connect("good.test", &fds[0], &fds[1])); /* half-closed */
    shutdown(fds[0], SHUT_WR);
    CHECK(expect_eof(fds[1]));
    CHECK(world_connect("good.test", &fds[2], &fds[3])); /* full in both directions */
    for (int i = 0; i < 40; i++) {
        send(fds[2], chunk, 1 << 20, MSG_DONTWAIT | MSG_NOSIGNAL);
        send(fds[3], chunk, 1 << 20, MSG_DONTWAIT | MSG_NOSIGNAL);
        usleep(2000);
    }
    shutdown(fds[2], SHUT_WR);
    CHECK(world_connect("good.test", &fds[4], &fds[5])); /* half a TLS greeting */
    CHECK(send(fds[4], "\x16\3\1\1\0\1", 6, 0) == 6);
    CHECK(agent_learn("ask.test", DNS_A, address)); /* held, with bytes waiting */
    fds[6] = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_asked(VERB_CONNECT, "ask.test", 80, NULL));
    CHECK(send(fds[6], "GET", 3, 0) == 3);
    fds[7] = agent_socket(SOCK_STREAM, GATE_RESOLVER4, 53); /* half a DNS question */
    CHECK(send(fds[7], "\0", 1, 0) == 1);
    usleep(200000);
    long before = gate_ticks();
    usleep(1500000);
    CHECK(before >= 0 && gate_ticks() - before <= 3);
    close_all(fds, 8);
}

static unsigned next_random(void)
{
    static unsigned state = 12345;

    state = state * 1103515245u + 12345u;
    return state >> 16;
}

/* One end of a connection ends in one of the ways that there are. */
static void end_somehow(int fd)
{
    struct linger now = {1, 0};

    switch (next_random() % 4) {
    case 0:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        break;
    case 1:
        shutdown(fd, SHUT_WR);
        break;
    case 2:
        shutdown(fd, SHUT_RDWR);
        break;
    default:
        break;
    }
    close(fd);
}

TEST(nothing_is_left_behind)
{
    static char chunk[100000];
    struct world_note note;
    int a, h, before = 0;

    WORLD(&usual);
    for (int i = 0; i < 200; i++) {
        CHECK(world_connect("good.test", &a, &h));
        if (i == 0)
            before = gate_descriptors();
        send(a, chunk, next_random() % sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
        send(h, chunk, next_random() % sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
        end_somehow(next_random() % 2 == 0 ? a : h);
        close(a);
        close(h);
        CHECK(judge_note(&note));
    }
    if (before < 0)
        SKIP("the gate's descriptors cannot be seen from here");
    CHECK(gate_descriptors() <= before + 2 * 64); /* its stock of pipes */
}

TEST(a_slow_judge)
{
    enum { MANY = 900 };
    AUTO_FREE int *agents = xcalloc(MANY, sizeof(int));
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("ask.test", DNS_A, address));
    for (int i = 0; i < MANY; i++)
        CHECK((agents[i] = agent_socket(SOCK_STREAM, address, 80)) >= 0);
    usleep(300000); /* more questions now wait than the socket holds */
    for (int i = 0; i < MANY; i++) {
        CHECK(judge_asked(VERB_CONNECT, "ask.test", 80, NULL));
        CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no"));
    }
    for (int i = 0; i < MANY; i++)
        CHECK(expect_reset(agents[i]));
    close_all(agents, MANY);
}

TEST(few_descriptors)
{
    int agents[30], hosts[30];
    char address[ADDR_TEXT_MAX];

    if (unavailable != NULL)
        SKIP(unavailable);
    world()->descriptors = 512 + 7 * 10;
    bool up = world_gate(&usual);
    world()->descriptors = 0;
    CHECK(up && agent_learn("many.test", DNS_A, address));
    for (int i = 0; i < 30; i++)
        CHECK((agents[i] = agent_socket(SOCK_STREAM, address, world()->upstream_port)) >= 0);
    CHECK_INT(serve_many(hosts, 30, 500), 10);
    close_all(agents, 30);
    close_all(hosts, 10);
}

/* What the host does not read is not taken from the agent, and comes whole in the end. */
TEST(back_pressure)
{
    enum { CHUNK = 65536 };
    AUTO_FREE char *chunk = xcalloc(1, CHUNK);
    size_t sent = 0, got = 0;
    int a, h;

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    for (int idle = 0; idle < 5;) {
        ssize_t n = send(a, chunk, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd p = {.fd = a, .events = POLLOUT};

        if (n > 0)
            sent += (size_t)n;
        idle = n > 0 || poll(&p, 1, 50) > 0 ? 0 : idle + 1;
        CHECK(sent < 64u << 20);
    }
    CHECK(sent > 0);
    close(a);
    while (wait_readable(h, WORLD_WAIT_MS)) {
        ssize_t n = recv(h, chunk, CHUNK, MSG_DONTWAIT);

        if (n == 0)
            break;
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_INT(got, sent);
    close(h);
}

/* Bulk both ways at once, every byte checked. */
static pid_t pour(int fd, size_t total, unsigned seed)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    static unsigned char p[1 << 16];
    for (size_t at = 0; at < total;) {
        size_t n = total - at < sizeof(p) ? total - at : sizeof(p);
        for (size_t i = 0; i < n; i++)
            p[i] = (unsigned char)((at + i) * 31 + ((at + i) >> 9) + seed);
        for (size_t done = 0; done < n;) {
            ssize_t k = send(fd, p + done, n - done, MSG_NOSIGNAL);
            if (k <= 0)
                _exit(1);
            done += (size_t)k;
        }
        at += n;
    }
    shutdown(fd, SHUT_WR);
    _exit(0);
}

static bool drink(int fd, size_t total, unsigned seed)
{
    static unsigned char p[1 << 16];
    size_t at = 0;

    while (wait_readable(fd, WORLD_WAIT_MS)) {
        ssize_t n = recv(fd, p, sizeof(p), MSG_DONTWAIT);

        if (n == 0)
            return at == total;
        if (n < 0)
            return false;
        for (size_t i = 0; i < (size_t)n; i++)
            if (p[i] != (unsigned char)((at + i) * 31 + ((at + i) >> 9) + seed))
                return false;
        at += (size_t)n;
    }
    return false;
}

TEST(bulk_both_ways)
{
    const size_t total = 64u << 20;
    int a, h, status[3];
    pid_t child[3];

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    int64_t began = now_ms();
    child[0] = pour(a, total, 1);
    child[1] = pour(h, total, 2);
    child[2] = fork();
    if (child[2] == 0)
        _exit(drink(h, total, 1) ? 0 : 1);
    CHECK(drink(a, total, 2));
    for (int i = 0; i < 3; i++)
        CHECK(waitpid(child[i], &status[i], 0) == child[i] && status[i] == 0);
    printf("# 2 x %zu MB in %lld ms\n", total >> 20, (long long)(now_ms() - began));
    close(a);
    close(h);
}

TEST(an_idle_connection_ends)
{
    const struct gate_limits brief = {.idle_seconds = 1};
    struct world_note note;
    int a, h;

    WORLD(&brief);
    CHECK(world_connect("good.test", &a, &h));
    CHECK(!wait_readable(a, 500));
    struct pollfd p = {.fd = a, .events = POLLIN};
    CHECK(poll(&p, 1, 12000) == 1 && expect_reset(a) && expect_reset(h));
    CHECK(judge_note(&note) && str_is(note.text, "idle for too long"));
    close(a);
    close(h);
}

TEST(the_gate_ends_with_the_judge_and_the_keeper)
{
    int status;

    WORLD(&usual);
    close(world()->judge);
    world()->judge = -1;
    CHECK(waitpid(world()->gate, &status, 0) == world()->gate);
    world()->gate = 0;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_ROLE);
    CHECK(world_gate(&usual));
    close(world()->keeper);
    world()->keeper = -1;
    CHECK(waitpid(world()->gate, &status, 0) == world()->gate);
    world()->gate = 0;
    CHECK(WIFEXITED(status));
    /* a judge that talks nonsense */
    CHECK(world_gate(&usual));
    CHECK(send(world()->judge, "nonsense", 8, 0) == 8);
    CHECK(waitpid(world()->gate, &status, 0) == world()->gate);
    world()->gate = 0;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_ROLE);
}

TEST(begin)
{
    unavailable = world_open();
    if (unavailable != NULL)
        SKIP(unavailable);
}

TEST(end)
{
    world_close();
}

UNIT_MAIN(UNIT(begin), UNIT(connections_are_bounded), UNIT(thousands_of_connections),
          UNIT(questions_are_bounded), UNIT(stuck_peers_cost_nothing), UNIT(nothing_is_left_behind),
          UNIT(a_slow_judge), UNIT(few_descriptors), UNIT(back_pressure), UNIT(bulk_both_ways),
          UNIT(an_idle_connection_ends), UNIT(the_gate_ends_with_the_judge_and_the_keeper),
          UNIT(end))
