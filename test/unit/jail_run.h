/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail_run.h - for tests of the jail: a folder to play in, and a command run in a jail.
 *
 * The test program copies itself to the folder and runs there again as "self inside NAME
 * ARGUMENTS...", so what happens inside is C of the test itself. As root, the same tests run a
 * second time as an ordinary user with --as-user.
 */
#ifndef BELAY_TEST_JAIL_RUN_H
#define BELAY_TEST_JAIL_RUN_H

#include "jail/jail.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_UID 65534

static char play[64];      /* the folder */
static char play_self[96]; /* this program, in it */
static char play_ws[96];   /* the workspace */
static char *play_env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

struct run {
    char out[32768]; /* what it wrote to 1 and 2 */
    int status;      /* of the agent, as waitpid() has it; -1 if it did not start */
    int exec_error;
    struct err e;
};

struct setup {
    struct jail_mount mounts[48];
    struct jail_plan plan;
    int out[2];
};

__attribute__((unused)) static const char *in_ws(const char *name)
{
    static char path[16][256];
    static unsigned next;
    char *p = path[next++ % 16];

    snprintf(p, 256, "%s/%s", play_ws, name);
    return p;
}

__attribute__((unused)) static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

__attribute__((unused)) static void setup_add(struct setup *s, const char *path,
                                              enum jail_access access)
{
    s->mounts[s->plan.nmounts++] = (struct jail_mount){path, access};
}

__attribute__((unused)) static void setup_init(struct setup *s, char *const *argv)
{
    static const char *const system[] = {"/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc"};

    *s = (struct setup){.out = {-1, -1}};
    s->plan = (struct jail_plan){.session = "test",
                                 .mounts = s->mounts,
                                 .cwd = play_ws,
                                 .argv = argv,
                                 .envp = play_env,
                                 .stdio = {-1, -1, -1}};
    for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
        setup_add(s, system[i], JAIL_READ);
    setup_add(s, play, JAIL_READ);
    setup_add(s, play_ws, JAIL_WRITE);
}

/* Output goes to a pipe; the read end is s->out[0]. */
__attribute__((unused)) static bool setup_start(struct setup *s, struct jail *j, struct err *e)
{
    bool ok;

    if (pipe2(s->out, O_CLOEXEC) != 0)
        abort();
    s->plan.stdio[1] = s->plan.stdio[2] = s->out[1];
    ok = jail_start(&s->plan, j, e);
    close(s->out[1]);
    if (!ok)
        close(s->out[0]);
    return ok;
}

/* Waits for the agent's end, at most 20 s. */
__attribute__((unused)) static void wait_exit(struct jail *j, struct run *r)
{
    for (;;) {
        struct pollfd p = {.fd = j->control, .events = POLLIN};
        struct jail_event v = jail_next_event(j);
        if (v.type == JAIL_EVENT_NONE && poll(&p, 1, 20000) <= 0)
            return;
        if (v.type == JAIL_EVENT_EXEC_FAILED)
            r->exec_error = v.error;
        if (v.type == JAIL_EVENT_EXITED)
            r->status = v.status;
        if (v.type == JAIL_EVENT_EXITED || v.type == JAIL_EVENT_LOST)
            return;
    }
}

__attribute__((unused)) static void run_setup(struct setup *s, struct run *r)
{
    struct jail j;
    size_t n = 0;
    ssize_t got;

    memset(r, 0, sizeof(*r));
    r->status = -1;
    if (!setup_start(s, &j, &r->e))
        return;
    if (jail_release(&j, &r->e))
        wait_exit(&j, r);
    if (!jail_kill(&j, &r->e))
        r->status = -1;
    while (n < sizeof(r->out) - 1 &&
           (got = read(s->out[0], r->out + n, sizeof(r->out) - 1 - n)) > 0)
        n += (size_t)got;
    close(s->out[0]);
    jail_close(&j);
}

/* A shell script in the plain jail. */
__attribute__((unused)) static void run_script(const char *script, struct run *r)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    struct setup s;

    setup_init(&s, argv);
    run_setup(&s, r);
    free(argv[2]);
}

__attribute__((unused)) static bool has(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        return true;
    printf("# no \"%s\" in: %.2000s\n", part, text);
    return false;
}

__attribute__((unused)) static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static bool copy_self(void)
{
    char buf[65536];
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(play_self, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    ssize_t n;

    while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0)
        if (write(out, buf, (size_t)n) != n)
            return false;
    close(in);
    return out >= 0 && close(out) == 0;
}

static bool become_user(void)
{
    return chown(play_ws, TEST_UID, TEST_UID) == 0 && setgroups(0, NULL) == 0 &&
           setresgid(TEST_UID, TEST_UID, TEST_UID) == 0 &&
           setresuid(TEST_UID, TEST_UID, TEST_UID) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_play(void)
{
    if (nftw(play, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fprintf(stderr, "%s is left behind\n", play);
}

/* `inside`: what runs in the jail, NULL when the test has nothing of its own there. */
__attribute__((unused)) static int jail_tests(int argc, char **argv, const struct unit_test *tests,
                                              size_t n, int (*inside)(int, char **))
{
    int status;
    pid_t pid;

    if (argc > 2 && strcmp(argv[1], "inside") == 0)
        return inside(argc - 2, argv + 2);
    umask(022);
    strcpy(play, "/tmp/belay-test-XXXXXX");
    if (mkdtemp(play) == NULL || chmod(play, 0755) != 0)
        return 1;
    snprintf(play_self, sizeof(play_self), "%s/self", play);
    snprintf(play_ws, sizeof(play_ws), "%s/ws", play);
    if (mkdir(play_ws, 0755) != 0 || !copy_self())
        return 1;
    pid = fork(); /* so that root can clean up after the user's run */
    if (pid == 0) {
        bool user = argc > 1 && strcmp(argv[1], "--as-user") == 0;
        if (user && (geteuid() != 0 || !become_user())) {
            printf("1..0 # SKIP only root can become another user\n");
            _exit(0);
        }
        status = unit_run(tests, n);
        fflush(stdout);
        _exit(status);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        status = 1;
    remove_play();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#define JAIL_MAIN(inside, ...)                                                          \
    int main(int argc, char **argv)                                                     \
    {                                                                                   \
        static const struct unit_test tests[] = {__VA_ARGS__};                          \
        return jail_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]), inside); \
    }

#endif
