/* SPDX-License-Identifier: Apache-2.0 */
/* What of an exec is more than its program and its words: variables, and contents by hash. */
#include "exec_world.h"

#include "kern/env.h"

#include <pthread.h>
#include <sys/mman.h>

/* ---- variables ---- */

static enum outcome no_evil_env(const struct action *a)
{
    struct str list = a->field[FIELD_ENV].str, item;

    while (a->has[FIELD_ENV] && frame_list_next(&list, &item) == FRAME_OK)
        if (str_is(item, "NODE_OPTIONS=--evil"))
            return OUTCOME_DENY;
    return OUTCOME_ALLOW;
}

static enum outcome needs_env(const struct action *a)
{
    struct str list = a->field[FIELD_ENV].str, item;
    bool path = false;
    int n = 0;

    for (; a->has[FIELD_ENV] && frame_list_next(&list, &item) == FRAME_OK; n++)
        path |= str_is(item, "NODE_OPTIONS=--x y=z");
    return path && n == 2 ? OUTCOME_ALLOW : OUTCOME_DENY;
}

/* The exit code of a shell that is started with these variables; 200 + errno. */
static int with_env(const char *script, char *const envp[])
{
    char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execve("/bin/sh", argv, envp);
        _exit(errno + 200 > 255 ? 255 : errno + 200);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct world *env_world(world_judge *judge, const char **scrub, size_t n, int (*run)(void *))
{
    struct world *w = world_new(TRAP_EXEC, true, judge);

    w->read_env = true;
    w->scrub = scrub;
    w->nscrub = n;
    if (!world_run(w, run, NULL))
        unit_failed = true;
    if (unit_failed || w->kern_status != -1)
        printf("# %s", w->log);
    return w;
}

static int agent_env(void *arg)
{
    static char big[ENV_SHOWN_MAX + 100];

    (void)arg;
    if (with_env("exit 3", (char *[]){"A=b", "NODE_OPTIONS=--x y=z", "PATH=/bin",
                                      "PYTHONPATH=", "BROKEN", NULL}) != 3)
        return 1;
    if (with_env("exit 3", (char *[]){"A=b", NULL}) != 200 + EACCES)
        return 2;
    if (with_env("exit 3", NULL) != 200 + EACCES)
        return 3;
    memset(big, 'x', sizeof(big) - 1);
    memcpy(big, "LD_X=", 5);
    return with_env("exit 3", (char *[]){big, NULL}) != 200 + E2BIG;
}

TEST(env_is_part_of_the_action)
{
    AUTO_FREE struct world *w = env_world(needs_env, NULL, 0, agent_env);

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

/* Variables are exchanged by another thread while the exec is judged. */
static char *volatile swapped[] = {"A=b", "NODE_OPTIONS=--good", NULL};
static volatile bool swapping;

/* A moment in which either can be seen: compilers leave the one store no time before the other. */
static void stay(void)
{
    for (volatile int i = 0; i < 200; i++)
        continue;
}

static void *swap(void *arg)
{
    (void)arg;
    while (swapping) {
        swapped[1] = "NODE_OPTIONS=--evil";
        stay();
        swapped[1] = "NODE_OPTIONS=--good";
        stay();
    }
    return NULL;
}

static int agent_env_race(void *arg)
{
    char *argv[] = {"sh", "-c", "[ $NODE_OPTIONS = --evil ] && exit 66; exit 3", NULL};
    static int won, good;
    pthread_t t;

    (void)arg;
    swapping = true;
    won = good = 0;
    pthread_create(&t, NULL, swap, NULL);
    for (int i = 0; i < 300; i++) {
        int status;
        pid_t pid = vfork(); /* shares the memory that the other thread changes */

        if (pid == 0) {
            execve("/bin/sh", argv, (char **)(uintptr_t)swapped);
            _exit(9);
        }
        waitpid(pid, &status, 0);
        won += WIFEXITED(status) && WEXITSTATUS(status) == 66;
        good += WIFEXITED(status) && WEXITSTATUS(status) == 3;
    }
    swapping = false;
    pthread_join(t, NULL);
    return won > 0 ? 1 : good == 0 ? 2 : 0;
}

TEST(env_exchanged_while_it_is_judged)
{
    AUTO_FREE struct world *w = env_world(no_evil_env, NULL, 0, agent_env_race);

    CHECK_INT(world_code(w), 0);
    CHECK(world_saw(w, "note killed: variables were exchanged"));
    /* The control: without looking at variables some of them win. */
    w->read_env = false;
    CHECK(world_run(w, agent_env_race, NULL));
    CHECK_INT(world_code(w), 1);
}

static int agent_scrub(void *arg)
{
    /* Every way to look: the shell's own, envp as a program gets it, the kernel's view; auxv must
     * be where it is looked for, or no program would start. */
    static char script[] =
        "[ -z \"$LD_PRELOAD$BASH_ENV$LD_AUDIT\" ] || exit 1; [ \"$KEPT$LAST\" = yesso ] || exit 2;"
        "/usr/bin/env | /usr/bin/grep -q LD_ && exit 3; /usr/bin/env | /usr/bin/grep -q KEPT=yes "
        "|| exit 4;"
        "/usr/bin/tr '\\0' '\\n' < /proc/self/environ | /usr/bin/grep -q '^LD_\\|evil' && exit 5;"
        "/usr/bin/tr '\\0' '\\n' < /proc/$$/environ | /usr/bin/grep -q '^LD_\\|evil' && exit 6; "
        "exit 7";

    (void)arg;
    if (with_env(script, (char *[]){"LD_PRELOAD=/evil.so", "KEPT=yes", "LD_AUDIT=/evil.so",
                                    "BASH_ENV=evil", "PATH=/bin", "LAST=so", NULL}) != 7)
        return 1;
    if (with_env(script, (char *[]){"KEPT=yes", "LAST=so", "LD_PRELOAD=/evil.so", NULL}) != 7)
        return 2;
    if (with_env(script, (char *[]){"KEPT=yes", "LAST=so", NULL}) != 7)
        return 3;
    if (with_env("exit 9", (char *[]){"LD_PRELOAD=/evil.so", NULL}) != 9)
        return 4;
    return with_env("exit 9", (char *[]){NULL}) != 9;
}

TEST(env_is_taken_away)
{
    static const char *scrub[] = {"LD_*", "BASH_ENV"};
    AUTO_FREE struct world *w = env_world(no_evil_env, scrub, 2, agent_scrub);

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    /* The control: what is not taken is there. */
    w->nscrub = 0;
    w->judge = NULL;
    CHECK(world_run(w, agent_scrub, NULL));
    CHECK_INT(world_code(w), 1);
}

/* ---- by content ---- */

static enum outcome ask_asked(const struct action *a)
{
    struct str command = a->field[FIELD_COMMAND].str;

    return a->verb == VERB_EXEC && memmem(command.p, command.n, "asked", 5) != NULL ? OUTCOME_ASK
                                                                                    : OUTCOME_ALLOW;
}

static struct world *measured_world(unsigned traps, int (*run)(void *))
{
    struct world *w = world_new(traps, true, ask_asked);

    put("asked", "#!/bin/sh\nexit 3\n", 0755);
    w->measures = true;
    if (!world_run(w, run, NULL))
        unit_failed = true;
    if (unit_failed || w->kern_status != -1)
        printf("# %s", w->log);
    return w;
}

/* The exit code of a child that executes this once `go` is written to. */
static pid_t start_late(int go[2], char *const argv[])
{
    char c;

    if (pipe(go) != 0)
        return -1;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (read(go[0], &c, 1) == 1)
        execv(argv[0], argv);
    _exit(errno == ETXTBSY ? 80 : 81);
}

static int code_of(pid_t pid)
{
    int status;

    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Changes the script through a mapping that was dirty before, so that its times stay. */
static int run_changed(char *const argv[], bool change, bool keep)
{
    int go[2];
    pid_t pid = start_late(go, argv);
    int fd = open("asked", O_RDWR);
    char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    volatile char *digit = text + 15;

    if (text == MAP_FAILED || pid < 0)
        return -1;
    *digit = '3';
    if (write(go[1], "g", 1) != 1)
        return -1;
    usleep(60000);
    if (change)
        *digit = '9';
    if (!keep) {
        munmap(text, 4096);
        close(fd);
    }
    int code = code_of(pid);
    close(go[0]);
    close(go[1]);
    if (keep) {
        munmap(text, 4096);
        close(fd);
    }
    return code;
}

static int agent_measured(void *arg)
{
    char *direct[] = {"./asked", NULL};
    char *given[] = {"/bin/sh", "-e", "asked", NULL};

    (void)arg;
    if (run_changed(direct, false, false) != 3)
        return 1;
    if (run_changed(given, false, false) != 3)
        return 2;
    if (run_changed(direct, true, false) != 128 + SIGKILL)
        return 3;
    put("asked", "#!/bin/sh\nexit 3\n", 0755);
    if (run_changed(given, true, false) != 128 + SIGKILL)
        return 4;
    put("asked", "#!/bin/sh\nexit 3\n", 0755);
    if (run_changed(given, false, true) != 128 + SIGKILL)
        return 5;
    return 0;
}

static int agent_unmeasured(void *arg)
{
    char *given[] = {"/bin/sh", "-e", "asked", NULL};

    (void)arg;
    return run_changed(given, true, false);
}

TEST(script_changed_between_yes_and_run)
{
    AUTO_FREE struct world *w = measured_world(TRAP_EXEC, agent_measured);

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    CHECK(world_saw(w, "measured "));
    CHECK(world_saw(w, "note killed: the script was changed after it was judged"));
    CHECK(world_saw(w, "note killed: the script is open for writing"));
    /* The control: judged by name and times alone, the changed script runs. */
    put("asked", "#!/bin/sh\nexit 3\n", 0755);
    w->measures = false;
    CHECK(world_run(w, agent_unmeasured, NULL));
    CHECK_INT(world_code(w), 9);
}

static int agent_held_script(void *arg)
{
    char *argv[] = {"./asked", NULL};
    int go[2];
    pid_t pid = start_late(go, argv);

    (void)arg;
    if (write(go[1], "g", 1) != 1)
        return 1;
    for (int i = 0; i < 200 && access("started", F_OK) != 0; i++)
        usleep(10000);
    if (open("asked", O_WRONLY | O_CLOEXEC) >= 0 || errno != ETXTBSY)
        return 2;
    if (truncate("asked", 0) == 0 || errno != ETXTBSY)
        return 3;
    if (unlink("asked") == 0 || errno != ETXTBSY)
        return 4;
    if (rename("asked", "other") == 0 || errno != ETXTBSY)
        return 5;
    if (rename("started", "asked") == 0 || errno != ETXTBSY)
        return 6;
    int fd = open("asked", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 7;
    unlink("started");
    if (code_of(pid) != 3)
        return 8;
    fd = open("asked", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && unlink("asked") == 0 ? 0 : 9;
}

TEST(script_stays_while_it_runs)
{
    put("asked", "#!/bin/sh\n: > started\nwhile [ -e started ]; do sleep 0.05; done\nexit 3\n",
        0755);
    struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, true, ask_asked);

    w->measures = true;
    CHECK(world_run(w, agent_held_script, NULL));
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    free(w);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT(env_is_part_of_the_action),  UNIT(env_exchanged_while_it_is_judged),
        UNIT(env_is_taken_away),          UNIT(script_changed_between_yes_and_run),
        UNIT(script_stays_while_it_runs),
    };

    make_dir();
    int code = unit_run(tests, ARRAY_LEN(tests));
    clean();
    return code;
}
