/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tier B without a supervisor: what Landlock, the filter's refusals, the guard and J hold alone.
 */
#include "jail/landlock.h"
#include "jail_run.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static char scratch[128];

/* A jail of tier B for "self inside NAME ARGUMENT". */
static void prepare(struct setup *s, char *const *argv)
{
    setup_init(s, argv);
    snprintf(scratch, sizeof(scratch), "%s/scratch-%d", play_ws, (int)getpid());
    if (mkdir(scratch, 0700) != 0 && errno != EEXIST)
        abort();
    s->plan.tier = JAIL_TIER_B;
    s->plan.scratch = scratch;
    s->plan.cgroup = JAIL_CGROUP_NEVER;
}

static bool start_script(struct setup *s, struct jail *j, const char *script)
{
    static char text[2048];
    static char shell[] = "sh", option[] = "-c";
    static char *argv[] = {shell, option, text, NULL};
    struct err e = {0};

    snprintf(text, sizeof(text), "%s", script);
    prepare(s, argv);
    if (setup_start(s, j, &e) && jail_release(j, &e))
        return true;
    printf("# %s\n", e.text);
    return false;
}

static void run_b(const char *script, struct run *r)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    struct setup s;

    prepare(&s, argv);
    run_setup(&s, r);
    free(argv[2]);
}

static void end(struct setup *s, struct jail *j)
{
    jail_close(j);
    close(s->out[0]);
}

static bool grows(const char *name)
{
    struct stat st;
    long before = stat(in_ws(name), &st) == 0 ? (long)st.st_size : 0;

    for (int i = 0; i < 400; i++) {
        if (stat(in_ws(name), &st) == 0 && st.st_size > before)
            return true;
        sleep_ms(5);
    }
    return false;
}

static bool stands_still(const char *name)
{
    struct stat st;
    long before = stat(in_ws(name), &st) == 0 ? (long)st.st_size : 0;

    sleep_ms(150);
    return (stat(in_ws(name), &st) == 0 ? (long)st.st_size : 0) == before;
}

static const char hiders[] =
    "rm -f h.*; for n in plain session; do case $n in "
    "plain) ( ( trap '' HUP INT TERM; while :; do echo x >> h.plain; sleep 0.01; done & ) & ) ;; "
    "session) (setsid sh -c 'trap \"\" TERM; while :; do echo x >> h.session; sleep 0.01; done' "
    "&);; "
    "esac; done; while :; do sleep 0.1; done";

TEST(shows_what_the_plan_shows)
{
    struct run r;

    put_file(in_ws("seen"), "seen\n");
    run_b(
        "cat seen; echo new > made && cat made; cat /etc/hostname > /dev/null && echo etc; "
        "ls / > /dev/null 2>&1 || echo no root; ls /root /home /var /tmp 2>/dev/null || echo no "
        "others; "
        "(echo x > /etc/belay-test) 2>/dev/null || echo etc stays; echo $$ > /dev/null && echo null; "
        "cat /proc/self/comm; head -c 4 /dev/urandom | wc -c",
        &r);
    CHECK_INT(r.status, 0);
    CHECK(has(r.out, "seen\nnew\netc\nno root\nno others\netc stays\nnull\ncat\n4"));
}

TEST(freezes_and_kills_what_hides)
{
    struct setup s;
    struct jail j;
    struct err e = {0};

    CHECK(start_script(&s, &j, hiders));
    CHECK(grows("h.plain") && grows("h.session"));
    CHECK(jail_count(&j) >= 3);
    CHECK(jail_freeze(&j, &e));
    CHECK(stands_still("h.plain") && stands_still("h.session"));
    CHECK(jail_resume(&j, &e));
    CHECK(grows("h.plain") && grows("h.session"));
    CHECK(jail_kill(&j, &e));
    CHECK(stands_still("h.plain") && stands_still("h.session"));
    end(&s, &j);
}

/* J killed by somebody: its guard ends the rest. */
TEST(the_loss_of_init_is_the_end)
{
    struct setup s;
    struct jail j;

    CHECK(start_script(&s, &j, hiders));
    CHECK(grows("h.session"));
    CHECK(kill(j.init_pid, SIGKILL) == 0);
    struct pollfd p = {.fd = j.gone, .events = POLLIN};
    CHECK(poll(&p, 1, 10000) == 1);
    CHECK(stands_still("h.plain") && stands_still("h.session"));
    end(&s, &j);
}

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512] = "";
    int parent = -1;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strrchr(text, ')') != NULL)
        sscanf(strrchr(text, ')') + 2, "%*c %d", &parent);
    close(fd);
    return parent;
}

/* The guard killed by somebody: J ends the rest. */
TEST(the_loss_of_the_guard_is_the_end)
{
    struct setup s;
    struct jail j;

    CHECK(start_script(&s, &j, hiders));
    CHECK(grows("h.session"));
    pid_t guard = parent_of(j.init_pid);
    CHECK(guard > 1 && parent_of(guard) == j.ancestor_pid);
    CHECK(parent_of(j.agent_pid) == j.init_pid);
    CHECK(kill(guard, SIGKILL) == 0);
    for (int i = 0; i < 400 && kill(j.init_pid, 0) == 0; i++)
        sleep_ms(5);
    CHECK(stands_still("h.plain") && stands_still("h.session"));
    end(&s, &j);
}

/* The caller killed: nothing goes on. */
TEST(the_loss_of_the_caller_is_the_end)
{
    pid_t keeper = fork();

    if (keeper == 0) {
        struct setup s;
        struct jail j;

        if (!start_script(&s, &j, hiders) || !grows("h.session"))
            _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    CHECK(waitpid(keeper, &status, 0) == keeper && WIFSIGNALED(status));
    for (int i = 0; i < 100 && !stands_still("h.session"); i++)
        continue;
    CHECK(stands_still("h.plain") && stands_still("h.session"));
}

TEST(signals_stay_inside)
{
    struct setup s;
    struct jail j;
    char script[256];
    struct run r;
    struct err e = {0};
    int status;
    pid_t outside = fork();

    if (outside == 0) {
        for (;;)
            pause();
    }
    CHECK(start_script(&s, &j, "while :; do sleep 0.1; done"));
    snprintf(script, sizeof(script),
             "kill -9 %d 2>/dev/null || echo refused; kill -9 -1; sleep 30 & kill %%1 && echo own",
             (int)outside);
    run_b(script, &r);
    CHECK(has(r.out, "refused"));
    CHECK(waitpid(outside, &status, WNOHANG) == 0);
    CHECK(jail_count(&j) >= 1); /* the other jail was not reached either */
    CHECK(jail_kill(&j, &e));
    end(&s, &j);
    CHECK(kill(outside, SIGKILL) == 0 && waitpid(outside, &status, 0) == outside);
}

TEST(the_scratch_folder_goes_with_the_jail)
{
    struct run r;
    struct stat st;
    char script[512];
    struct setup s;
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};

    prepare(&s, argv);
    snprintf(script, sizeof(script),
             "cd %s && mkdir -p a/b/c/d e && touch a/f a/b/f && ln -s / l && chmod 0 a/b/c && "
             "i=0; while [ $i -lt 300 ]; do mkdir deep && cd deep; i=$((i+1)); done; echo made",
             scratch);
    run_setup(&s, &r);
    CHECK(has(r.out, "made"));
    for (int i = 0; i < 400 && stat(scratch, &st) == 0; i++)
        sleep_ms(5);

    CHECK(stat(scratch, &st) != 0 && errno == ENOENT);
    CHECK(stat("/etc", &st) == 0);
}

/* ---- inside, with the refusals of TRAP_HOST but without its supervisor -------------------- */

static int inside(int argc, char **argv)
{
    struct rlimit limit = {1, 1};
    pid_t other = argc > 1 ? atoi(argv[1]) : 0;

    (void)argc;
    if (prlimit(other, RLIMIT_CPU, &limit, NULL) == 0)
        puts("LIMITED");
    if (setpriority(PRIO_PROCESS, (id_t)other, 10) == 0)
        puts("RENICED");
    if (syscall(SYS_ioprio_set, 1, other, 3 << 13) == 0)
        puts("IOPRIO");
    if (syscall(SYS_shmget, 4711, 4096, 0600 | 01000) >= 0)
        puts("SHARED");
    if (prctl(PR_SET_DUMPABLE, 0) == 0)
        puts("UNREADABLE");
    if (socket(AF_UNIX, SOCK_DGRAM, 0) >= 0)
        puts("DATAGRAM");
    puts("tried");
    return 0;
}

TEST(others_of_the_user_are_out_of_reach)
{
    char pid[16];
    char *argv[] = {play_self, (char[]){"inside"}, (char[]){"reach"}, pid, NULL};
    struct setup s;
    struct run r;
    int status;
    pid_t outside = fork();

    if (outside == 0) {
        for (;;)
            pause();
    }
    snprintf(pid, sizeof(pid), "%d", (int)outside);
    prepare(&s, argv);
    s.plan.traps = 0;
    run_setup(&s, &r);
    CHECK(has(r.out, "LIMITED")); /* without the refusals it does: the control */
    prepare(&s, argv);
    s.plan.traps = TRAP_HOST | TRAP_DATAGRAM;
    run_setup(&s, &r);
    CHECK_INT(r.status, 0);
    CHECK(strcmp(r.out, "tried\n") == 0);
    (void)kill(outside, SIGKILL);
    CHECK(waitpid(outside, &status, 0) == outside);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {UNIT(shows_what_the_plan_shows),
                                             UNIT(freezes_and_kills_what_hides),
                                             UNIT(the_loss_of_init_is_the_end),
                                             UNIT(the_loss_of_the_guard_is_the_end),
                                             UNIT(the_loss_of_the_caller_is_the_end),
                                             UNIT(signals_stay_inside),
                                             UNIT(the_scratch_folder_goes_with_the_jail),
                                             UNIT(others_of_the_user_are_out_of_reach)};

    if (argc < 2 && ll_abi() < JAIL_TIER_B_LANDLOCK) {
        printf("1..0 # SKIP Landlock here is older than tier B needs\n");
        return 0;
    }
    return jail_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]), inside);
}
