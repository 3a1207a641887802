/* SPDX-License-Identifier: Apache-2.0 */
/* How execs are seen, judged and verified by kern. */
#include "exec_world.h"

#include <dirent.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

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
    };

    make_dir();
    int code = unit_run(tests, ARRAY_LEN(tests));
    clean();
    return code;
}
