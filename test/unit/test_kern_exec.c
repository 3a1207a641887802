/* SPDX-License-Identifier: Apache-2.0 */
/* How execs are seen, judged and verified by kern. */
#include "kern/env.h"
#include "kern_world.h"
#include "unit.h"

#include <dirent.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

/* execve() takes its strings as changeable, and changes none. */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#endif

static char dir[1024];

static void make_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/kern-test-XXXXXX");
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        abort();
    char *real = realpath(".", NULL);
    (void)snprintf(dir, sizeof(dir), "%s", real);
    free(real);
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    if (fd < 0 || !fd_write_all(fd, text, strlen(text)) || fchmod(fd, mode) != 0)
        abort();
    close(fd);
}

static void make_link(const char *to, const char *name)
{
    if (symlink(to, name) != 0)
        abort();
}

/* An address where nothing is, out of the compiler's sight. */
static void *nowhere(void)
{
    static volatile uintptr_t at = 8;

    return (void *)at;
}

/* Runs argv in a child; its exit code, 128 + signal, or 200 + errno of a failed exec. */
static int spawn(const char *path, char *const argv[])
{
    int status, e;
    int p[2];

    if (pipe2(p, O_CLOEXEC) != 0)
        return 255;
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, argv, (char *[]){"PATH=/usr/bin:/bin", NULL});
        e = errno;
        if (write(p[1], &e, sizeof(e)) < 0)
            _exit(255);
        _exit(0);
    }
    close(p[1]);
    bool failed = read(p[0], &e, sizeof(e)) == sizeof(e);
    close(p[0]);
    waitpid(pid, &status, 0);
    if (failed)
        return 200 + e;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})

static enum outcome no_false(const struct action *a)
{
    return a->verb == VERB_EXEC && memmem(a->resource.p, a->resource.n, "false", 5) != NULL
               ? OUTCOME_DENY
               : OUTCOME_ALLOW;
}

#define SCENARIO(name, traps_, verify_, judge_, ...)                \
    static int agent_##name(void *arg)                              \
    {                                                               \
        (void)arg;                                                  \
        __VA_ARGS__                                                 \
    }                                                               \
    __attribute__((unused)) static struct world *run_##name(void)   \
    {                                                               \
        struct world *w = world_new((traps_), (verify_), (judge_)); \
        if (!world_run(w, agent_##name, NULL)) {                    \
            printf("# no world\n");                                 \
            unit_failed = true;                                     \
        }                                                           \
        if (unit_failed || w->kern_status != -1)                    \
            printf("# %s", w->log);                                 \
        return w;                                                   \
    }

SCENARIO(allowed, TRAP_EXEC, true, no_false,
         { return spawn("/bin/true", ARGV("true", "a", "b c")); })
TEST(exec_allowed)
{
    AUTO_FREE struct world *w = run_allowed();

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    CHECK(world_saw(w, "exec /usr/bin/true execve: true a b c"));
}

SCENARIO(denied, TRAP_EXEC, true, no_false, { return spawn("/bin/false", ARGV("false")); })
TEST(exec_denied)
{
    AUTO_FREE struct world *w = run_denied();

    CHECK_INT(world_code(w), 200 + EACCES);
}

SCENARIO(plain, TRAP_EXEC, false, no_false, {
    return spawn("/bin/false", ARGV("false")) == 200 + EACCES &&
                   spawn("/bin/true", ARGV("true")) == 0
               ? 0
               : 1;
})
TEST(exec_without_verification)
{
    AUTO_FREE struct world *w = run_plain();

    CHECK_INT(world_code(w), 0);
}

/* The kernel's own errors stay what they are. */
SCENARIO(errors, TRAP_EXEC, true, NULL, {
    if (spawn("/nonexistent", ARGV("x")) != 200 + ENOENT)
        return 1;
    if (spawn("/tmp", ARGV("x")) != 200 + EACCES)
        return 2;
    if (spawn("/etc/passwd/x", ARGV("x")) != 200 + ENOTDIR)
        return 3;
    if (spawn("noexec", ARGV("x")) != 200 + EACCES)
        return 4;
    if (spawn("garbage", ARGV("x")) != 200 + ENOEXEC)
        return 5;
    if (spawn(nowhere(), ARGV("x")) != 200 + EFAULT)
        return 6;
    if (spawn("/bin/true", nowhere()) != 200 + EFAULT)
        return 7;
    if (spawn("loop", ARGV("x")) != 200 + ELOOP)
        return 8;
    if (spawn("", ARGV("x")) != 200 + ENOENT)
        return 9;
    /* after all these failures this one still works, in the same process */
    execl("/bin/true", "true", NULL);
    return 10;
})
TEST(exec_errors)
{
    put("noexec", "#!/bin/sh\n", 0600);
    put("garbage", "\177nothing", 0700);
    make_link("loop", "loop");
    AUTO_FREE struct world *w = run_errors();

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

/* A failed exec that was judged and let go on, then another by the same task. */
SCENARIO(again, TRAP_EXEC, true, NULL, {
    for (int i = 0; i < 50; i++)
        if (execl("garbage", "x", NULL) == 0 || errno != ENOEXEC)
            return 1;
    execl("/bin/true", "true", NULL);
    return 2;
})
TEST(exec_failed_then_again)
{
    AUTO_FREE struct world *w = run_again();

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

SCENARIO(script, TRAP_EXEC, true, no_false, { return spawn("./script", ARGV("script", "one")); })
TEST(exec_script)
{
    char line[PATH_MAX + 128];

    put("script", "#!/bin/sh -e\nexit 7\n", 0755);
    AUTO_FREE struct world *w = run_script();
    CHECK_INT(world_code(w), 7);
    (void)snprintf(line, sizeof(line), "exec %s/script execve: script one", dir);
    CHECK(world_saw(w, line));
    CHECK(world_saw(w, "exec /usr/bin/dash interpreter: /bin/sh -e ./script one"));
}

SCENARIO(nested, TRAP_EXEC, true, no_false, { return spawn("./outer", ARGV("outer", "one")); })
TEST(exec_nested_scripts)
{
    char text[PATH_MAX + 128];

    put("script", "#!/bin/sh -e\nexit 7\n", 0755);
    (void)snprintf(text, sizeof(text), "#!%s/script  -x y \n", dir);
    put("outer", text, 0755);
    AUTO_FREE struct world *w = run_nested();
    CHECK_INT(world_code(w), 7);
    (void)snprintf(text, sizeof(text),
                   "exec /usr/bin/dash interpreter: /bin/sh -e %s/script -x y ./outer one", dir);
    CHECK(world_saw(w, text));
}

/* A script's interpreter is a program like any other. */
SCENARIO(interp, TRAP_EXEC, true, no_false, { return spawn("./s", ARGV("s")); })
TEST(exec_interpreter_denied)
{
    put("s", "#!/bin/false\n", 0755);
    AUTO_FREE struct world *w = run_interp();

    CHECK_INT(world_code(w), 200 + EACCES);
}

SCENARIO(loader, TRAP_EXEC, true, no_false, {
    if (spawn("/lib64/ld-linux-x86-64.so.2", ARGV("ld", "/bin/true")) != 0)
        return 1;
    return spawn("/lib64/ld-linux-x86-64.so.2",
                 ARGV("ld", "--library-path", "/x", "--", "/bin/false"));
})
TEST(exec_by_the_dynamic_loader)
{
    if (access("/lib64/ld-linux-x86-64.so.2", X_OK) != 0)
        SKIP("not an x86-64 glibc system");
    AUTO_FREE struct world *w = run_loader();

    CHECK_INT(world_code(w), 200 + EACCES);
    CHECK(world_saw(w, "exec /usr/bin/true loader: /bin/true"));
}

/* Many ways to the same program. */
SCENARIO(ways, TRAP_EXEC, true, no_false, {
    int fd = open("/bin/false", O_RDONLY);
    int top = open("/bin", O_PATH | O_DIRECTORY);
    char *argv[] = {"x", NULL};
    char *envp[] = {NULL};

    if (syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH) == 0 || errno != EACCES)
        return 1;
    if (syscall(SYS_execveat, top, "false", argv, envp, 0) == 0 || errno != EACCES)
        return 2;
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (execve(self, argv, envp) == 0 || errno != EACCES)
        return 3;
    (void)snprintf(self, sizeof(self), "/dev/fd/%d", fd);
    if (execve(self, argv, envp) == 0 || errno != EACCES)
        return 4;
    if (execve("/proc/self/root/bin/false", argv, envp) == 0 || errno != EACCES)
        return 5;
    if (execve("innocent", argv, envp) == 0 || errno != EACCES)
        return 6;
    if (fchdir(top) != 0 || (execve("false", argv, envp) == 0 || errno != EACCES))
        return 7;
    if (execve("/proc/thread-self/cwd/false", argv, envp) == 0 || errno != EACCES)
        return 8;
    return 0;
})
TEST(exec_every_way_is_the_same_program)
{
    make_link("/bin/../bin/false", "innocent");
    AUTO_FREE struct world *w = run_ways();

    CHECK_INT(world_code(w), 0);
}

SCENARIO(self, TRAP_EXEC, true, NULL, {
    static char *argv[] = {"busy", "-c", "exec /proc/self/exe -c 'exit 3'", NULL};
    return spawn("/bin/sh", argv);
})
TEST(exec_proc_self_exe)
{
    AUTO_FREE struct world *w = run_self();

    CHECK_INT(world_code(w), 3);
    CHECK(world_saw(w, "exec /usr/bin/dash execve: /proc/self/exe -c exit 3"));
}

SCENARIO(memfd, TRAP_EXEC, true, NULL, {
    AUTO_BUF struct buf b = {0};
    struct err e;
    char *argv[] = {"x", NULL};
    char *envp[] = {NULL};

    buf_init(&b, 1u << 20);
    if (!fd_read_file("/bin/true", &b, &e))
        return 1;
    int fd = memfd_create("prog", MFD_CLOEXEC);
    if (!fd_write_all(fd, b.p, b.n))
        return 2;
    syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    return errno;
})
TEST(exec_memfd)
{
    AUTO_FREE struct world *w = run_memfd();

    CHECK_INT(world_code(w), 0);
    CHECK(world_saw(w, "exec /memfd:prog (deleted) execve: x"));
}

static void *exec_true(void *arg)
{
    (void)arg;
    execl("/bin/true", "true", NULL);
    return NULL;
}

static void *wait_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

SCENARIO(threads, TRAP_EXEC, true, NULL, {
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            pthread_t t;
            for (int j = 0; j < 3; j++)
                pthread_create(&t, NULL, wait_for_ever, NULL);
            for (int j = 0; j < 3; j++)
                pthread_create(&t, NULL, exec_true, NULL);
            pthread_join(t, NULL);
            _exit(9);
        }
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            return 1;
    }
    return 0;
})
TEST(exec_of_a_multithreaded_process)
{
    AUTO_FREE struct world *w = run_threads();

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

SCENARIO(vforks, TRAP_EXEC, true, NULL, {
    pid_t pid;
    int status;

    for (int i = 0; i < 20; i++) {
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, ARGV("true"), ARGV("A=b")) != 0)
            return 1;
        waitpid(pid, &status, 0);
        if (status != 0)
            return 2;
    }
    if (posix_spawn(&pid, "/nonexistent", NULL, NULL, ARGV("x"), ARGV("A=b")) != ENOENT)
        return 3;
    return system("for i in 1 2 3; do (/bin/true | cat | cat >/dev/null) & done; wait") != 0;
})
TEST(exec_vfork_and_spawn)
{
    AUTO_FREE struct world *w = run_vforks();

    CHECK_INT(world_code(w), 0);
}

static enum outcome ask_sleep(const struct action *a)
{
    return a->verb == VERB_EXEC && memmem(a->resource.p, a->resource.n, "sleep", 5) != NULL
               ? OUTCOME_ASK
               : OUTCOME_ALLOW;
}

SCENARIO(asked, TRAP_EXEC, true, ask_sleep, {
    uint64_t start = world_now();
    pid_t pid = fork();

    if (pid == 0)
        _exit(spawn("/bin/sleep", ARGV("sleep", "0")));
    for (int i = 0; i < 5; i++)
        if (spawn("/bin/true", ARGV("true")) != 0)
            return 1;
    if (world_now() - start > 150)
        return 2; /* the others had to wait for the asked one */
    int status;
    waitpid(pid, &status, 0);
    return status != 0 || world_now() - start < 200;
})
TEST(exec_asked_while_others_go_on)
{
    AUTO_FREE struct world *w = run_asked();

    CHECK_INT(world_code(w), 0);
}

SCENARIO(signals, TRAP_EXEC, true, ask_sleep, {
    int status;
    pid_t pid = fork();

    if (pid == 0)
        execl("/bin/sleep", "sleep", "5", NULL);
    usleep(50000);
    kill(pid, SIGSTOP); /* while held: takes effect when the exec is over */
    usleep(400000);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        return 1;
    kill(pid, SIGCONT);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
})
TEST(exec_signals_arrive)
{
    AUTO_FREE struct world *w = run_signals();

    CHECK_INT(world_code(w), 0);
}

SCENARIO(killed, TRAP_EXEC, true, ask_sleep, {
    int status;
    pid_t pid = fork();

    if (pid == 0)
        execl("/bin/sleep", "sleep", "5", NULL);
    usleep(20000);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    usleep(400000);
    return 0;
})
TEST(exec_killed_while_held_is_cancelled)
{
    struct world *w = world_new(TRAP_EXEC, true, ask_sleep);

    w->hold_ms = 5000;
    CHECK(world_run(w, agent_killed, NULL));
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->cancels, 1);
    free(w);
}

static enum outcome kill_false(const struct action *a)
{
    enum outcome o = no_false(a);

    return o == OUTCOME_DENY ? OUTCOME_KILL : o;
}

SCENARIO(held, TRAP_EXEC, true, kill_false, {
    int status;
    pid_t pid = fork();

    if (pid == 0)
        execl("/bin/false", "false", NULL);
    usleep(900000);
    if (waitpid(pid, &status, WNOHANG) != 0)
        return 1; /* a task that is to be killed must not go on by itself */
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 0;
})
TEST(exec_to_be_killed_is_held)
{
    AUTO_FREE struct world *w = run_held();

    CHECK_INT(world_code(w), 0);
}

SCENARIO(traced, TRAP_EXEC, true, NULL, {
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl("/bin/true", "true", NULL);
        _exit(errno);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == EACCES ? 0 : 1;
})
TEST(exec_traced_by_another_is_refused)
{
    AUTO_FREE struct world *w = run_traced();

    CHECK_INT(world_code(w), 0);
    CHECK(world_saw(w, "note refused: the process is traced by another"));
}

SCENARIO(traced_free, TRAP_EXEC, false, NULL, {
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl("/bin/true", "true", NULL);
        _exit(errno);
    }
    waitpid(pid, &status, 0); /* the SIGTRAP of its exec */
    if (!WIFSTOPPED(status))
        return 1;
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    waitpid(pid, &status, 0);
    return status != 0;
})
TEST(exec_traced_where_no_rule_looks_at_programs)
{
    AUTO_FREE struct world *w = run_traced_free();

    CHECK_INT(world_code(w), 0);
}

/* However much stands before it, a word is found by the rule that looks for it. */
static enum outcome no_needle(const struct action *a)
{
    struct str list = a->field[FIELD_ARGV].str, item;
    struct str command = a->field[FIELD_COMMAND].str;

    while (frame_list_next(&list, &item) == FRAME_OK)
        if (str_is(item, "needle"))
            return OUTCOME_DENY;
    return memmem(command.p, command.n, "a needle inside", 15) != NULL ? OUTCOME_DENY
                                                                       : OUTCOME_ALLOW;
}

static int with_items(size_t before, const char *last, size_t after)
{
    static char *argv[100000];
    size_t n = 0;

    argv[n++] = "true";
    for (size_t i = 0; i < before; i++)
        argv[n++] = "some-padding";
    argv[n++] = (char *)(uintptr_t)last;
    for (size_t i = 0; i < after; i++)
        argv[n++] = "more";
    argv[n] = NULL;
    return spawn("/bin/true", argv);
}

SCENARIO(big, TRAP_EXEC, true, no_needle, {
    static char one[120000];

    for (size_t n = 0; n < 60000; n += 11111) {
        if (with_items(n, "harmless", 100) != 0)
            return 1;
        if (with_items(n, "needle", 3000) != 200 + EACCES)
            return 2;
    }
    for (size_t at = 0; at < sizeof(one) - 100; at += 7777) {
        memset(one, 'x', sizeof(one) - 1);
        if (at == 0 && spawn("/bin/true", ARGV("true", one, "y")) != 0)
            return 3;
        memcpy(one + at, "a needle inside", 15);
        if (spawn("/bin/true", ARGV("true", "-c", one)) != 200 + EACCES)
            return 4;
        if (spawn("/bin/true", ARGV(one, one, one, "last")) != 200 + EACCES)
            return 5;
    }
    static char huge[140000];
    memset(huge, 'x', sizeof(huge) - 1);
    return spawn("/bin/true", ARGV("true", huge)) == 200 + E2BIG ? 0 : 6;
})
TEST(exec_long_arguments)
{
    AUTO_FREE struct world *w = run_big();

    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

SCENARIO(at, TRAP_EXEC, true, no_false, {
    int status;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    int fd = open("script", O_RDONLY);
    char *argv[] = {"script", NULL};
    char *envp[] = {NULL};

    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (i == 0)
                syscall(SYS_execveat, here, "script", argv, envp, 0);
            else
                syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
            _exit(99);
        }
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
            return i + 1;
    }
    return 0;
})
TEST(exec_script_by_descriptor)
{
    put("script", "#!/bin/sh -e\nexit 7\n", 0755);
    AUTO_FREE struct world *w = run_at();

    CHECK_INT(world_code(w), 0);
}

/* Two tasks sharing kern: none blocks when more than it can hold are asked for. */
SCENARIO(crowd, TRAP_EXEC, true, ask_sleep, {
    int again = 0;
    int held = 0;
    pid_t pid[300];

    for (int i = 0; i < 300; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            execl("/bin/sleep", "sleep", "0", NULL);
            _exit(errno == EAGAIN ? 75 : errno == EACCES ? 76 : 77);
        }
    }
    for (int i = 0; i < 300; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        again += WIFEXITED(status) && WEXITSTATUS(status) == 75;
        held += WIFEXITED(status) && WEXITSTATUS(status) != 77;
    }
    return held == 300 && again > 0 ? 0 : 1;
})
TEST(exec_more_than_can_be_held)
{
    struct world *w = world_new(TRAP_EXEC, true, ask_sleep);

    w->hold_ms = 1500;
    CHECK(world_run(w, agent_crowd, NULL));
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    free(w);
}

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

static void clean(void)
{
    char command[PATH_MAX + 16];

    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (chdir("/") != 0 || system(command) != 0)
        printf("# %s could not be removed\n", dir);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT(exec_allowed),
        UNIT(exec_denied),
        UNIT(exec_without_verification),
        UNIT(exec_errors),
        UNIT(exec_failed_then_again),
        UNIT(exec_script),
        UNIT(exec_nested_scripts),
        UNIT(exec_interpreter_denied),
        UNIT(exec_by_the_dynamic_loader),
        UNIT(exec_every_way_is_the_same_program),
        UNIT(exec_proc_self_exe),
        UNIT(exec_memfd),
        UNIT(exec_of_a_multithreaded_process),
        UNIT(exec_vfork_and_spawn),
        UNIT(exec_asked_while_others_go_on),
        UNIT(exec_signals_arrive),
        UNIT(exec_killed_while_held_is_cancelled),
        UNIT(exec_to_be_killed_is_held),
        UNIT(exec_traced_by_another_is_refused),
        UNIT(exec_traced_where_no_rule_looks_at_programs),
        UNIT(exec_long_arguments),
        UNIT(exec_script_by_descriptor),
        UNIT(exec_more_than_can_be_held),
        UNIT(env_is_part_of_the_action),
        UNIT(env_exchanged_while_it_is_judged),
        UNIT(env_is_taken_away),
        UNIT(script_changed_between_yes_and_run),
        UNIT(script_stays_while_it_runs),
    };

    make_dir();
    int code = unit_run(tests, ARRAY_LEN(tests));
    clean();
    return code;
}
