/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeze, resume, kill and count, of trees that do not want it; each with the cgroup and with
 * the pid namespace alone.
 */
#include "jail_run.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#define BOMB_CAP 1000

#define WAYS 2
static const enum jail_cgroup_use both[WAYS] = {JAIL_CGROUP_IF_POSSIBLE, JAIL_CGROUP_NEVER};

/* Starts `script` in a jail and lets it go. */
static bool begin(struct setup *s, struct jail *j, const char *script, enum jail_cgroup_use use)
{
    static char text[2048];
    static char shell[] = "sh", option[] = "-c";
    static char *argv[] = {shell, option, text, NULL};
    struct err e = {0};

    snprintf(text, sizeof(text), "%s", script);
    setup_init(s, argv);
    s->plan.cgroup = use;
    s->plan.limits.processes = BOMB_CAP;
    if (setup_start(s, j, &e) && jail_release(j, &e))
        return true;
    printf("# %s\n", e.text);
    return false;
}

static void end(struct setup *s, struct jail *j)
{
    jail_close(j);
    close(s->out[0]);
}

/* Waits until the file in the workspace has at least n bytes. */
static bool grown_to(const char *name, long n)
{
    struct stat st;

    for (int i = 0; i < 5000; i++) {
        if (stat(in_ws(name), &st) == 0 && st.st_size >= n)
            return true;
        sleep_ms(5);
    }
    printf("# %s did not reach %ld bytes\n", name, n);
    return false;
}

static long size_of(const char *name)
{
    struct stat st;

    return stat(in_ws(name), &st) == 0 ? (long)st.st_size : 0;
}

/* Writers of all kinds: double fork, own session, nohup, deaf to signals, stopped and continued. */
static const char writers[] =
    "rm -f t.*; w() { while :; do echo x >> t.$1; sleep 0.01; done; };"
    "w plain & (w double & ) ; (setsid sh -c 'while :; do echo x >> t.session; sleep 0.01; done' "
    "&);"
    "(nohup sh -c 'while :; do echo x >> t.nohup; sleep 0.01; done' > /dev/null 2>&1 &);"
    "(trap '' HUP INT QUIT TERM TSTP TTIN TTOU USR1 USR2 CONT; w deaf) & wait";
static const char *const traces[] = {"t.plain", "t.double", "t.session", "t.nohup", "t.deaf"};
#define NTRACES (sizeof(traces) / sizeof(traces[0]))

static bool all_write(long more)
{
    for (size_t i = 0; i < NTRACES; i++)
        if (!grown_to(traces[i], size_of(traces[i]) + more))
            return false;
    return true;
}

static bool none_writes(void)
{
    long before[NTRACES];

    for (size_t i = 0; i < NTRACES; i++)
        before[i] = size_of(traces[i]);
    sleep_ms(120);
    for (size_t i = 0; i < NTRACES; i++)
        if (size_of(traces[i]) != before[i]) {
            printf("# %s went on\n", traces[i]);
            return false;
        }
    return true;
}

TEST(freeze_resume_kill_the_whole_tree)
{
    for (size_t use = 0; use < WAYS; use++) {
        struct setup s;
        struct jail j;
        struct err e = {0};

        CHECK(begin(&s, &j, writers, both[use]));
        CHECK(use == 0 || j.cgroup < 0);
        CHECK(all_write(4));
        CHECK(jail_count(&j) >= 6);
        CHECK(jail_freeze(&j, &e));
        CHECK(none_writes());
        CHECK(jail_resume(&j, &e));
        CHECK(all_write(4));
        CHECK(jail_kill(&j, &e));
        CHECK(none_writes());
        CHECK_INT(jail_count(&j), -1);
        end(&s, &j);
    }
}

TEST(kill_while_frozen)
{
    for (size_t use = 0; use < WAYS; use++) {
        struct setup s;
        struct jail j;
        struct err e = {0};

        CHECK(begin(&s, &j, writers, both[use]));
        CHECK(all_write(2));
        CHECK(jail_freeze(&j, &e));
        CHECK(jail_kill(&j, &e));
        CHECK(none_writes());
        end(&s, &j);
    }
}

TEST(what_was_stopped_stays_stopped)
{
    for (size_t use = 0; use < WAYS; use++) {
        struct setup s;
        struct jail j;
        struct err e = {0};
        long at;

        unlink(in_ws("t.a"));
        unlink(in_ws("t.b"));
        CHECK(begin(&s, &j,
                    "sh -c 'echo x >> t.a; kill -STOP $$; echo y >> t.a' & "
                    "while :; do echo x >> t.b; sleep 0.01; done",
                    both[use]));
        CHECK(grown_to("t.a", 2) && grown_to("t.b", 4));
        sleep_ms(30);
        CHECK(jail_freeze(&j, &e));
        CHECK(jail_resume(&j, &e));
        at = size_of("t.b");
        CHECK(grown_to("t.b", at + 4));
        CHECK_INT(size_of("t.a"), 2);
        end(&s, &j);
    }
}

/* A shell that is frozen with its child must not take the child for a stopped job. */
TEST(no_shell_sees_the_freeze)
{
    for (size_t use = 0; use < WAYS; use++) {
        struct setup s;
        struct jail j;
        struct run r = {.status = -1};
        struct err e = {0};

        CHECK(begin(&s, &j, "set -m; echo x > t.job; sleep 0.4; echo status $? > t.after",
                    both[use]));
        CHECK(grown_to("t.job", 2));
        sleep_ms(50);
        CHECK(jail_freeze(&j, &e));
        sleep_ms(20);
        CHECK(jail_resume(&j, &e));
        wait_exit(&j, &r);
        CHECK(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 0);
        CHECK_INT(size_of("t.after"), (long)strlen("status 0\n"));
        end(&s, &j);
        unlink(in_ws("t.after"));
        unlink(in_ws("t.job"));
    }
}

/* Many, so that what J does for each is done often: it must survive its own confinement. */
TEST(a_large_tree_is_frozen_and_goes_on)
{
    for (size_t use = 0; use < WAYS; use++) {
        struct setup s;
        struct jail j;
        struct err e = {0};
        long at;

        unlink(in_ws("t.last"));
        CHECK(begin(&s, &j,
                    "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i + 1)); done;"
                    "while :; do echo x >> t.last; sleep 0.01; done",
                    both[use]));
        CHECK(grown_to("t.last", 2));
        for (int i = 0; i < 3; i++) {
            CHECK(jail_count(&j) >= 301);
            CHECK(jail_freeze(&j, &e));
            at = size_of("t.last");
            sleep_ms(50);
            CHECK_INT(size_of("t.last"), at);
            CHECK(jail_resume(&j, &e));
            CHECK(grown_to("t.last", at + 4));
        }
        CHECK_INT(jail_next_event(&j).type, JAIL_EVENT_NONE);
        CHECK(jail_kill(&j, &e));
        end(&s, &j);
    }
}

/* A number that every process of the bomb counts up, shared with the test by a file. */
static volatile unsigned long *bomb_turns(void)
{
    int fd = open("t.turns", O_RDWR | O_CLOEXEC);
    void *p = mmap(NULL, sizeof(unsigned long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd < 0 || p == MAP_FAILED)
        _exit(1);
    close(fd);
    return p;
}

/* The test's own view of it, at zero. */
static volatile unsigned long *make_turns(void)
{
    int fd = open(in_ws("t.turns"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    void *p = MAP_FAILED;

    if (fd >= 0 && fchmod(fd, 0666) == 0 && ftruncate(fd, sizeof(unsigned long)) == 0)
        p = mmap(NULL, sizeof(unsigned long), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

/* Bounded by the limit of processes; a jail of root has one since Linux 6.14. */
static void bomb(void) __attribute__((noreturn));
static void bomb(void)
{
    volatile unsigned long *turns = bomb_turns();

    for (;;) {
        pid_t pid = fork();
        __atomic_add_fetch(turns, 1, __ATOMIC_RELAXED);
        if (pid < 0)
            sched_yield();
    }
}

TEST(a_fork_bomb_is_capped_frozen_and_killed)
{
    for (size_t use = 0; use < WAYS; use++) {
        char *argv[] = {play_self, (char[]){"inside"}, (char[]){"bomb"}, NULL};
        volatile unsigned long *turns = make_turns();
        struct setup s;
        struct jail j;
        struct err e = {0};
        int n = 0;

        CHECK(turns != NULL);
        setup_init(&s, argv);
        s.plan.cgroup = both[use];
        s.plan.limits.processes = BOMB_CAP;
        CHECK(setup_start(&s, &j, &e));
        CHECK(jail_release(&j, &e));
        for (int i = 0; i < 1000 && n < BOMB_CAP / 2; i++) {
            sleep_ms(10);
            n = jail_count(&j);
        }
        CHECK(jail_freeze(&j, &e));
        /* A fork that is in the kernel may still come to its end, but no process to its program. */
        unsigned long frozen_at = *turns;
        sleep_ms(100);
        n = jail_count(&j);
        printf("# %d processes\n", n);
        CHECK(n > 20 && n <= BOMB_CAP);
        CHECK(frozen_at > 20);
        CHECK_INT(*turns, frozen_at);
        CHECK(jail_kill(&j, &e));
        CHECK(kill(j.agent_pid, 0) != 0 && errno == ESRCH);
        munmap((void *)(uintptr_t)turns, sizeof(*turns));
        end(&s, &j);
    }
}

TEST(a_running_fork_bomb_is_killed)
{
    for (size_t use = 0; use < WAYS; use++) {
        char *argv[] = {play_self, (char[]){"inside"}, (char[]){"bomb"}, NULL};
        struct setup s;
        struct jail j;
        struct err e = {0};

        setup_init(&s, argv);
        s.plan.cgroup = both[use];
        s.plan.limits.processes = BOMB_CAP;
        CHECK(setup_start(&s, &j, &e));
        CHECK(jail_release(&j, &e));
        sleep_ms(60);
        CHECK(jail_kill(&j, &e));
        end(&s, &j);
    }
}

TEST(kill_before_release)
{
    for (size_t use = 0; use < WAYS; use++) {
        char *argv[] = {(char[]){"true"}, NULL};
        struct setup s;
        struct jail j;
        struct err e = {0};

        setup_init(&s, argv);
        s.plan.cgroup = both[use];
        CHECK(setup_start(&s, &j, &e));
        CHECK_INT(jail_count(&j), 1);
        CHECK(jail_kill(&j, &e));
        CHECK(jail_kill(&j, &e));
        jail_close(&j);
        jail_close(&j);
        close(s.out[0]);
    }
}

/* The keeper is a process of its own here, and dies without a word. */
TEST(the_agent_dies_with_the_keeper)
{
    for (size_t use = 0; use < WAYS; use++) {
        pid_t keeper, agent = 0;
        int ways[2];

        CHECK(pipe(ways) == 0);
        keeper = fork();
        if (keeper == 0) {
            struct setup s;
            struct jail j;
            if (!begin(&s, &j, writers, both[use]) || !all_write(2) ||
                write(ways[1], &j.agent_pid, sizeof(j.agent_pid)) < 0)
                _exit(1);
            pause();
        }
        close(ways[1]);
        CHECK(read(ways[0], &agent, sizeof(agent)) == sizeof(agent));
        close(ways[0]);
        CHECK(kill(agent, 0) == 0);
        CHECK(kill(keeper, SIGKILL) == 0);
        CHECK(waitpid(keeper, NULL, 0) == keeper);
        for (int i = 0; i < 400 && kill(agent, 0) == 0; i++)
            sleep_ms(5);
        CHECK(kill(agent, 0) != 0 && errno == ESRCH);
        CHECK(none_writes());
    }
}

TEST(events_come_in_order)
{
    struct setup s;
    struct jail j;
    struct err e = {0};
    struct run r = {.status = -1};

    CHECK(begin(&s, &j, "exit 3", JAIL_CGROUP_IF_POSSIBLE));
    sleep_ms(100);
    CHECK(jail_count(&j) >= 0); /* an answer that comes after the news does not lose it */
    wait_exit(&j, &r);
    CHECK(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 3);
    CHECK_INT(jail_next_event(&j).type, JAIL_EVENT_NONE);
    CHECK(kill(j.init_pid, SIGKILL) == 0);
    sleep_ms(100);
    CHECK_INT(jail_next_event(&j).type, JAIL_EVENT_LOST);
    CHECK_INT(jail_count(&j), -1);
    CHECK(jail_kill(&j, &e));
    end(&s, &j);
}

static int inside(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "bomb") == 0)
        bomb();
    return 1;
}

JAIL_MAIN(inside, UNIT(freeze_resume_kill_the_whole_tree), UNIT(kill_while_frozen),
          UNIT(what_was_stopped_stays_stopped), UNIT(no_shell_sees_the_freeze),
          UNIT(a_large_tree_is_frozen_and_goes_on), UNIT(a_fork_bomb_is_capped_frozen_and_killed),
          UNIT(a_running_fork_bomb_is_killed), UNIT(kill_before_release),
          UNIT(the_agent_dies_with_the_keeper), UNIT(events_come_in_order))
