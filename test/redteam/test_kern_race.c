/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races against kern. In each, threads of the agent (or a process beside it) exchange what a
 * call means while the call is judged: the path's memory, the arguments, the descriptor or
 * working directory that it starts from, a symbolic link on the way, the script. A win is an
 * open of a file, or a run of a program, that the judge refused by name.
 *
 * Every attack runs twice: against kern, where no try may win, and against a control that
 * finds and judges the same things but then lets the call go on (SECCOMP_USER_NOTIF_FLAG_
 * CONTINUE), as many supervisors do. The control must lose, or the attack proves nothing.
 */
#include "../unit/kern_world.h"
#include "../unit/unit.h"

#include "kern/resolve.h"
#include "kern/tracee.h"

#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#ifdef __clang__
#pragma GCC diagnostic ignored "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#endif

#define OPENS   4000
#define EXECS   1000
#define SECONDS 12 /* for one attack; fewer tries are made on a slow machine */

struct score {
    atomic_int tries, wins, good, refused;
};

static struct score *score;
static char dir[512];
static atomic_bool stop;
static uint64_t deadline;
static bool is_control;

/* The control has lost once it has lost a few times; kern must hold for all tries. */
static bool more(int limit)
{
    bool enough = is_control ? score->wins >= 5 : score->tries >= limit;

    return !enough && world_now() < deadline;
}

static void count_open(int fd)
{
    char c = '?';

    score->tries++;
    if (fd < 0) {
        score->refused++;
        return;
    }
    if (pread(fd, &c, 1, 0) == 1 && c == 'B')
        score->wins++;
    else
        score->good++;
    close(fd);
}

/* attacks: opens */

static volatile char shared_path[64];

static void set_path(const char *s)
{
    for (size_t i = 0;; i++) {
        shared_path[i] = s[i];
        if (s[i] == '\0')
            return;
    }
}

static void *flip_path(void *arg)
{
    (void)arg;
    while (!stop) {
        set_path("good/file");
        set_path("bad//file");
    }
    return NULL;
}

static void with_thread(void *(*flip)(void *), void *arg, void (*tries)(void *))
{
    pthread_t t;

    stop = false;
    pthread_create(&t, NULL, flip, arg);
    tries(arg);
    stop = true;
    pthread_join(t, NULL);
}

static void try_path(void *arg)
{
    (void)arg;
    while (more(OPENS))
        count_open(open((const char *)(uintptr_t)shared_path, O_RDWR));
}

static int attack_path(void *arg)
{
    with_thread(flip_path, arg, try_path);
    return 0;
}

static int slot = -1, good_dir = -1, bad_dir = -1;

static void *flip_dirfd(void *arg)
{
    (void)arg;
    while (!stop) {
        dup2(good_dir, slot);
        dup2(bad_dir, slot);
    }
    return NULL;
}

static void try_dirfd(void *arg)
{
    (void)arg;
    while (more(OPENS))
        count_open(openat(slot, "file", O_RDWR));
}

static int attack_dirfd(void *arg)
{
    good_dir = open("good", O_RDONLY | O_DIRECTORY);
    bad_dir = open("bad", O_RDONLY | O_DIRECTORY);
    slot = dup(good_dir);
    with_thread(flip_dirfd, arg, try_dirfd);
    return 0;
}

static void *flip_cwd(void *arg)
{
    (void)arg;
    while (!stop)
        if (fchdir(good_dir) != 0 || fchdir(bad_dir) != 0)
            break;
    return NULL;
}

static void try_cwd(void *arg)
{
    (void)arg;
    while (more(OPENS))
        count_open(open("file", O_RDWR));
}

static int attack_cwd(void *arg)
{
    good_dir = open("good", O_RDONLY | O_DIRECTORY);
    bad_dir = open("bad", O_RDONLY | O_DIRECTORY);
    with_thread(flip_cwd, arg, try_cwd);
    return 0;
}

/* openat2's flags are in memory: a harmless O_RDONLY may become O_RDWR. */
static volatile struct open_how shared_how;

static void *flip_how(void *arg)
{
    (void)arg;
    while (!stop) {
        shared_how.flags = O_RDONLY;
        shared_how.flags = O_RDWR;
    }
    return NULL;
}

static void try_how(void *arg)
{
    (void)arg;
    while (more(OPENS)) {
        int fd = (int)syscall(SYS_openat2, AT_FDCWD, "bad/file", &shared_how, sizeof(shared_how));

        if (fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
            score->tries++;
            score->good++;
            close(fd);
        } else {
            count_open(fd);
        }
    }
}

static int attack_how(void *arg)
{
    with_thread(flip_how, arg, try_how);
    return 0;
}

/* A process beside the agent turns the link `turn` between good and bad. */
static void try_link(void)
{
    while (more(OPENS))
        count_open(open("turn/file", O_RDWR));
}

static int attack_link(void *arg)
{
    (void)arg;
    try_link();
    return 0;
}

/* A descriptor's own name, turned by dup2. */
static void try_magic(void *arg)
{
    char path[64];

    (void)arg;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", slot);
    while (more(OPENS))
        count_open(open(path, O_RDWR));
}

static int attack_magic(void *arg)
{
    good_dir = open("good/file", O_RDONLY);
    bad_dir = open("bad/file", O_RDONLY);
    slot = dup(good_dir);
    with_thread(flip_dirfd, arg, try_magic);
    return 0;
}

/* attacks: execs. `[ B = X ]` and false end with 1: wins. */

static volatile char shared_word[2] = "A";
static char *test_argv[] = {"test", "A", "=", (char *)(uintptr_t)shared_word, NULL};

static void *flip_word(void *arg)
{
    (void)arg;
    while (!stop) {
        shared_word[0] = 'A';
        shared_word[0] = 'B';
    }
    return NULL;
}

static void *flip_program(void *arg)
{
    (void)arg;
    while (!stop) {
        set_path("/bin/true");
        set_path("bad//prog");
    }
    return NULL;
}

/* In a child with a thread that flips: the race must be on its memory. */
static void exec_tries(void *(*flip)(void *), const char *program, char *const argv[])
{
    while (more(EXECS)) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            pthread_t t;

            stop = false;
            if (flip != NULL)
                pthread_create(&t, NULL, flip, NULL);
            usleep(50);
            execve(program, argv, (char *[]){NULL});
            _exit(77);
        }
        waitpid(pid, &status, 0);
        score->tries++;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
            score->wins++;
        else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            score->good++;
        else
            score->refused++;
    }
}

static int attack_argv(void *arg)
{
    (void)arg;
    exec_tries(flip_word, "/usr/bin/test", test_argv);
    return 0;
}

static int attack_program(void *arg)
{
    (void)arg;
    set_path("/bin/true");
    exec_tries(flip_program, (const char *)(uintptr_t)shared_path, (char *[]){"x", NULL});
    return 0;
}

static int attack_program_link(void *arg)
{
    (void)arg;
    exec_tries(NULL, "turn/prog", (char *[]){"x", NULL});
    return 0;
}

static int attack_script(void *arg)
{
    (void)arg;
    exec_tries(NULL, "turn/script", (char *[]){"x", NULL});
    return 0;
}

/* the judge: nothing in a folder `bad` may be written or executed, nor false, nor "B" */

static bool is_bad(const char *path, size_t n)
{
    return memmem(path, n, "/bad/", 5) != NULL || memmem(path, n, "/false", 6) != NULL;
}

static enum outcome judge(const struct action *a)
{
    struct str command = a->has[FIELD_COMMAND] ? a->field[FIELD_COMMAND].str : STR("");

    if (a->verb != VERB_READ && is_bad(a->resource.p, a->resource.n))
        return OUTCOME_DENY;
    return str_is(command, "test A = B") ? OUTCOME_DENY : OUTCOME_ALLOW;
}

/* the control: finds and judges the same, and lets the call go on */

struct control {
    struct view view;
    struct mem mem;
    int listener;
};

static bool control_allows(struct control *c, const struct seccomp_notif *n)
{
    char path[PATH_MAX], real[PATH_MAX], word[8] = "";
    struct status ids = {0};
    bool at = n->data.nr == SYS_openat || n->data.nr == SYS_openat2;
    bool exec = n->data.nr == SYS_execve;
    uint64_t flags = 0, item, a[6];

    for (int i = 0; i < 6; i++)
        a[i] = n->data.args[i];
    mem_start(&c->mem, (pid_t)n->pid);
    if (mem_string(&c->mem, a[at ? 1 : 0], path, sizeof(path)) < 0)
        return true;
    if (n->data.nr == SYS_openat2 && mem_read(&c->mem, a[2], &flags, sizeof(flags)) == 0 &&
        (flags & O_ACCMODE) == O_RDONLY)
        return true;
    struct walker w = {&c->view, (pid_t)n->pid, &ids};
    AUTO_CLOSE int fd = resolve_object(&w, at ? (int)a[0] : AT_FDCWD, path, 0, 0);
    if (fd < 0 || view_path(&c->view, fd, real) < 0)
        return true;
    if (exec && mem_read(&c->mem, a[1] + 24, &item, sizeof(item)) == 0 && item != 0)
        (void)mem_string(&c->mem, item, word, sizeof(word));
    char head[64] = "";
    AUTO_CLOSE int script = exec ? view_reopen(&c->view, fd, O_RDONLY) : -1;
    if (script >= 0 && pread(script, head, sizeof(head) - 1, 0) > 2 && head[0] == '#' &&
        strstr(head, "/false") != NULL)
        return false;
    return !is_bad(real, strlen(real)) && strcmp(word, "B") != 0;
}

static _Noreturn void control_serve(int listener)
{
    static struct control c;
    AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

    c.listener = listener;
    if (view_open(&c.view, proc) != 0)
        _exit(1);
    for (;;) {
        struct seccomp_notif n = {0};
        struct pollfd p = {.fd = listener, .events = POLLIN};

        if (poll(&p, 1, -1) < 0 || (p.revents & POLLIN) == 0)
            _exit(0);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0)
            continue;
        bool yes = control_allows(&c, &n);
        struct seccomp_notif_resp resp = {.id = n.id,
                                          .error = yes ? 0 : -EACCES,
                                          .flags = yes ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};
        (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
    }
}

static bool control_run(struct world *w, int (*run)(void *))
{
    int agent[2], status;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, agent) != 0)
        return false;
    pid_t a = fork();
    if (a == 0) {
        close(agent[0]);
        world_agent(w, agent[1], run, NULL);
    }
    int listener = world_recv_fd(agent[0]);
    pid_t k = fork();
    if (k == 0) {
        close(agent[0]);
        close(agent[1]);
        control_serve(listener);
    }
    close(listener);
    close(agent[1]);
    bool ok = listener >= 0 && write(agent[0], "g", 1) == 1;
    waitpid(a, &w->status, 0);
    kill(k, SIGKILL);
    waitpid(k, &status, 0);
    close(agent[0]);
    return ok;
}

/* the ground */

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    if (fd < 0 || !fd_write_all(fd, text, strlen(text)) || fchmod(fd, mode) != 0)
        abort();
    close(fd);
}

static void make_ground(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/kern-race-XXXXXX");
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        abort();
    must(mkdir("good", 0700));
    must(mkdir("bad", 0700));
    put("good/file", "A", 0600);
    put("bad/file", "B", 0600);
    must(system("cp /bin/true good/prog && cp /bin/false bad/prog"));
    put("good/script", "#!/bin/true\n", 0700);
    put("bad/script", "#!/bin/false\n", 0700);
    must(symlink("good", "turn"));
    must(symlink("bad", "turn2"));
    score = mmap(NULL, sizeof(*score), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (score == MAP_FAILED)
        abort();
}

static void remove_ground(void)
{
    char command[600];

    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    must(chdir("/"));
    must(system(command));
}

static pid_t start_turning(void)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        (void)syscall(SYS_renameat2, AT_FDCWD, "turn", AT_FDCWD, "turn2", RENAME_EXCHANGE);
        usleep(20);
    }
}

static void begin(bool control)
{
    is_control = control;
    memset(score, 0, sizeof(*score));
    deadline = world_now() + SECONDS * 1000;
}

static void tell(const char *who)
{
    printf("# %s: %d tries, %d won, %d as judged, %d refused or killed\n", who, score->tries,
           score->wins, score->good, score->refused);
}

static void race(int (*attack)(void *), unsigned traps, bool turning)
{
    AUTO_FREE struct world *w = world_new(traps, true, judge);
    int status;

    make_ground();
    pid_t pid = turning ? start_turning() : -1;
    begin(true);
    bool ran = control_run(w, attack);
    tell("control");
    int lost = score->wins;
    begin(false);
    ran = ran && world_run(w, attack, NULL);
    tell("kern");
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    remove_ground();
    CHECK(ran);
    CHECK_INT(w->kern_status, -1);
    CHECK(lost > 0);
    CHECK_INT(score->wins, 0);
    CHECK(score->tries > 100 && score->good > 0);
    munmap(score, sizeof(*score));
}

TEST(path_memory)
{
    race(attack_path, TRAP_EXEC | TRAP_WRITE, false);
}

TEST(directory_descriptor)
{
    race(attack_dirfd, TRAP_EXEC | TRAP_WRITE, false);
}

TEST(working_directory)
{
    race(attack_cwd, TRAP_EXEC | TRAP_WRITE, false);
}

TEST(open_how_memory)
{
    race(attack_how, TRAP_EXEC | TRAP_WRITE, false);
}

TEST(symbolic_link)
{
    race(attack_link, TRAP_EXEC | TRAP_WRITE, true);
}

TEST(descriptor_name)
{
    race(attack_magic, TRAP_EXEC | TRAP_WRITE, false);
}

TEST(exec_arguments)
{
    race(attack_argv, TRAP_EXEC, false);
}

TEST(exec_path_memory)
{
    race(attack_program, TRAP_EXEC, false);
}

TEST(exec_symbolic_link)
{
    race(attack_program_link, TRAP_EXEC, true);
}

TEST(exec_script)
{
    race(attack_script, TRAP_EXEC, true);
}

UNIT_MAIN(UNIT(path_memory), UNIT(directory_descriptor), UNIT(working_directory),
          UNIT(open_how_memory), UNIT(symbolic_link), UNIT(descriptor_name), UNIT(exec_arguments),
          UNIT(exec_path_memory), UNIT(exec_symbolic_link), UNIT(exec_script))
