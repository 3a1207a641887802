/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each line of refuse.def as a real call: refused inside with the errno of the table, and, as
 * the twin, not with that errno outside where a call with these arguments does no harm. Then
 * what must go on working, and the traps with a supervisor that lets everything go on.
 */
#include "jail/filter.h"
#include "jail/uapi.h"
#include "jail_run.h"

#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Arguments that make a rule hold: every one -1 (a bad pointer, a bad descriptor), so that
 * what is not refused fails in another way, but those that the rule looks at. */
static void arguments(const struct bpf_rule *r, long args[6])
{
    for (int i = 0; i < 6; i++)
        args[i] = -1;
    if (r->nr == SYS_socket)
        args[1] = SOCK_STREAM; /* another line refuses odd types */
    for (size_t i = 0; i < r->ntests; i++) {
        const struct bpf_test *t = &r->test[i];
        if (t->how == BPF_EQ)
            args[t->arg] = (long)t->value;
        else if (t->how == BPF_ANY)
            args[t->arg] = (long)(t->mask & -t->mask);
        else
            args[t->arg] = 0x7f0f & (long)t->mask;
    }
}

static int try_call(const struct filter_refusal *f)
{
    long a[6];

    arguments(&f->rule, a);
    errno = 0;
    return syscall(f->rule.nr, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

/* Inside: prints the lines that were not refused as the table says. */
static int call_all(void)
{
    size_t n;
    const struct filter_refusal *f = filter_refusals(&n);
    int wrong = 0;

    for (size_t i = 0; i < n; i++) {
        int got = try_call(&f[i]);
        if (got == f[i].error)
            continue;
        printf("%s %s: %s\n", f[i].group, f[i].name, strerror(got));
        wrong++;
    }
    printf("%zu calls\n", n);
    return wrong == 0 ? 0 : 1;
}

static void run_inside(const char *what, unsigned traps, struct run *r)
{
    char name[32];
    char *argv[] = {play_self, (char[]){"inside"}, name, NULL};
    struct setup s;

    snprintf(name, sizeof(name), "%s", what);
    setup_init(&s, argv);
    s.plan.traps = traps;
    run_setup(&s, r);
    if (r->status != 0)
        printf("# %s%s\n", r->out, r->e.text);
}

TEST(every_line_is_refused_inside)
{
    struct run r;

    run_inside("refused", 0, &r);
    CHECK_INT(r.status, 0);
    CHECK(has(r.out, " calls"));
}

/* The same call outside must not give the table's answer, or the test above proves nothing.
 * Only calls that cannot change this machine with arguments that are all -1 or as listed. */
TEST(the_twin_is_not_refused_outside)
{
    static const char *const harmless[] = {"clone3",         "unshare",      "setns",
                                           "open_tree",      "move_mount",   "io_uring_enter",
                                           "io_uring_setup", "memfd_secret", "name_to_handle_at",
                                           "socketpair",     "personality",  "ioctl",
                                           "prctl",          "keyctl",       "add_key"};
    size_t n, seen = 0;
    const struct filter_refusal *f = filter_refusals(&n);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_COUNT(harmless); k++) {
            int status;
            pid_t pid;
            if (strcmp(f[i].name, harmless[k]) != 0)
                continue;
            if (strcmp(f[i].name, "prctl") == 0 || strcmp(f[i].name, "move_mount") == 0 ||
                strcmp(f[i].name, "open_tree") == 0 || strcmp(f[i].name, "keyctl") == 0 ||
                strcmp(f[i].name, "add_key") == 0 || strcmp(f[i].name, "setns") == 0 ||
                strcmp(f[i].name, "unshare") == 0)
                if (geteuid() != 0)
                    continue; /* the kernel refuses a user here by itself */
            pid = fork();
            if (pid == 0)
                _exit(try_call(&f[i]) == f[i].error ? 1 : 0);
            CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                printf("# %s %s\n", f[i].group, f[i].name);
            else
                seen++;
        }
    printf("# %zu twins\n", seen);
    CHECK(seen >= 6);
}

/* 32-bit entry: the numbers mean other calls there. Not 1, by which the sanitizers tell of the
 * fault that a kernel without the entry answers with. */
enum { ENTERED = 42 };

static int old_entry(void)
{
#if defined(__x86_64__)
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid of i386 */) : "memory");
    return result > 0 ? ENTERED : 2;
#else
    return 2;
#endif
}

TEST(the_entry_of_i386_ends_the_process)
{
#if defined(__x86_64__)
    struct run r;
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(old_entry());
    CHECK(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != ENTERED)
        SKIP("this kernel has no i386 entry");
    run_inside("i386", 0, &r);
    CHECK(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGSYS);
#else
    SKIP("not an x86");
#endif
}

static int x32(void)
{
    return syscall(0x40000000L + SYS_getpid) == -1 && errno == ENOSYS &&
                   syscall(SYS_LAST_KNOWN + 1, 0, 0, 0) == -1 && errno == ENOSYS
               ? 0
               : 1;
}

TEST(x32_and_unknown_numbers_do_not_exist)
{
    struct run r;

    run_inside("x32", 0, &r);
    CHECK_INT(r.status, 0);
}

/* Upper halves of int arguments do not hide a call from the filter. */
static int high_bits(void)
{
    long high = 1L << 40;

    return syscall(SYS_socket, AF_PACKET | high, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT &&
                   syscall(SYS_ioctl, 0, TIOCSTI | high, "x") == -1 && errno == EPERM &&
                   syscall(SYS_socket, AF_INET | high, SOCK_RAW | high, 1) == -1 && errno == EPERM
               ? 0
               : 1;
}

TEST(upper_halves_hide_nothing)
{
    struct run r;

    run_inside("high", 0, &r);
    CHECK_INT(r.status, 0);
}

static void type_into(int fd)
{
    if (ioctl(fd, TIOCSTI, "x") != 0)
        printf("TIOCSTI: %s\n", strerror(errno));
}

/* On the agent's own terminal, where TIOCSTI would be allowed by permissions alone. */
TEST(no_typing_into_the_terminal)
{
    char *argv[] = {play_self, (char[]){"inside"}, (char[]){"type"}, NULL};
    struct setup s;
    struct jail j;
    struct run r = {.status = -1};
    ssize_t n;

    setup_init(&s, argv);
    s.plan.pty_mask = 7;
    CHECK(jail_start(&s.plan, &j, &r.e));
    CHECK(jail_release(&j, &r.e));
    wait_exit(&j, &r);
    n = read(j.pty, r.out, sizeof(r.out) - 1);
    jail_close(&j);
    CHECK(n > 0);
    CHECK(has(r.out, "TIOCSTI: Operation not permitted"));
}

#define WORKS(what)                                                    \
    do {                                                               \
        if (!(what)) {                                                 \
            printf("does not work: %s: %s\n", #what, strerror(errno)); \
            return 1;                                                  \
        }                                                              \
    } while (0)

static bool own_filter(void)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog prog = {1, allow};
    int error;

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
        return false;
    error =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog) < 0
            ? errno
            : 0;
    return error == EPERM;
}

static bool traces_a_child(void)
{
    int status, value = 5, copy = 0;
    struct iovec here = {&copy, sizeof(copy)}, there = {&value, sizeof(value)};
    pid_t pid = fork();
    bool ok;

    if (pid == 0) {
        value = 6;
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return false;
    ok = process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof(copy) && copy == 6;
    return ptrace(PTRACE_CONT, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid && ok;
}

static bool no_process_of_init(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)0x400000, 1};

    return ptrace(PTRACE_SEIZE, 1, NULL, NULL) != 0 && errno == EPERM &&
           process_vm_readv(1, &here, 1, &there, 1, 0) < 0 && errno == EPERM &&
           kill(1, SIGKILL) != 0 && errno == EPERM && open("/proc/1/mem", O_RDWR) < 0;
}

static int works(void)
{
    int sv[2];

    WORKS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) >= 0);
    WORKS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP) >= 0);
    WORKS(socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) >= 0 || errno == EAFNOSUPPORT);
    WORKS(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0);
    WORKS(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
    WORKS(personality(0xffffffff) >= 0);
    WORKS(personality(ADDR_NO_RANDOMIZE) >= 0);
    WORKS(unshare(CLONE_FILES | CLONE_FS) == 0);
    WORKS(mkfifo("fifo", 0600) == 0 && unlink("fifo") == 0);
    WORKS(mknod("plain", S_IFREG | 0600, 0) == 0 && unlink("plain") == 0);
    WORKS(traces_a_child());
    WORKS(no_process_of_init());
    WORKS(own_filter());
    return 0;
}

TEST(ordinary_work_goes_on)
{
    struct run r;

    run_inside("works", 0, &r);
    CHECK_INT(r.status, 0);
}

/* A supervisor that answers "go on" to everything and counts. */
static int serve(int listener, int control, int counts[SYS_LAST_KNOWN + 1])
{
    int n = 0;

    for (;;) {
        struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = control, .events = POLLIN}};
        struct seccomp_notif ask = {0};
        struct seccomp_notif_resp answer = {0};
        if (poll(p, 2, 10000) <= 0)
            return -1;
        if ((p[0].revents & POLLIN) == 0)
            return n;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask) != 0)
            continue;
        n++;
        counts[ask.data.nr]++;
        answer.id = ask.id;
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

static bool trap_script(unsigned traps, const char *script, int counts[SYS_LAST_KNOWN + 1])
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    struct setup s;
    struct jail j;
    struct run r = {.status = -1};
    int n;

    memset(counts, 0, sizeof(int) * (SYS_LAST_KNOWN + 1));
    setup_init(&s, argv);
    s.plan.traps = traps;
    if (!setup_start(&s, &j, &r.e) || j.listener < 0 || !jail_release(&j, &r.e)) {
        printf("# %s\n", r.e.text);
        return false;
    }
    n = serve(j.listener, j.control, counts);
    wait_exit(&j, &r);
    jail_close(&j);
    close(s.out[0]);
    free(argv[2]);
    return n > 0 && r.status == 0;
}

TEST(only_execs_are_trapped)
{
    int counts[SYS_LAST_KNOWN + 1];

    CHECK(trap_script(TRAP_EXEC, "ls > a; cat a > /dev/null; rm a", counts));
    CHECK_INT(counts[SYS_execve], 4);
    CHECK_INT(counts[SYS_openat], 0);
    CHECK_INT(counts[SYS_unlinkat], 0);
}

TEST(writes_are_trapped_and_reads_are_not)
{
    int counts[SYS_LAST_KNOWN + 1], written, read_too;

    CHECK(trap_script(TRAP_WRITE, "echo x > a; cat a > /dev/null; mkdir d; mv a d/; rm -r d",
                      counts));
    CHECK_INT(counts[SYS_execve], 0);
    CHECK(counts[SYS_openat] >= 2);
    CHECK(counts[SYS_unlinkat] >= 2);
    written = counts[SYS_openat];
    CHECK(trap_script(TRAP_WRITE | TRAP_READ,
                      "echo x > a; cat a > /dev/null; mkdir d; mv a d/; rm -r d", counts));
    read_too = counts[SYS_openat];
    CHECK(read_too > written + 8);
}

/* With nobody to answer, a trapped call waits: nothing runs before the supervisor is there. */
TEST(nothing_runs_before_the_supervisor)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"echo x > ran"}, NULL};
    struct setup s;
    struct jail j;
    struct err e = {0};

    setup_init(&s, argv);
    s.plan.traps = TRAP_EXEC;
    CHECK(setup_start(&s, &j, &e));
    CHECK(jail_release(&j, &e));
    sleep_ms(60);
    CHECK(access(in_ws("ran"), F_OK) != 0);
    CHECK_INT(jail_count(&j), 1);
    CHECK(jail_freeze(&j, &e)); /* held in the kernel counts as frozen */
    CHECK(jail_kill(&j, &e));
    jail_close(&j);
    close(s.out[0]);
}

TEST(a_second_belay_says_so)
{
    struct run r;

    run_inside("nested", 0, &r);
    CHECK_INT(r.status, 0);
    CHECK(has(r.out, "already running around this command"));
}

static int nested(void)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct setup s;
    struct jail j;
    struct err e = {0};

    strcpy(play_ws, "/tmp");
    setup_init(&s, argv);
    if (jail_start(&s.plan, &j, &e) || e.code != EX_HOST)
        return 1;
    puts(e.text);
    return 0;
}

static int inside(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } all[] = {{"refused", call_all}, {"i386", old_entry}, {"x32", x32},
               {"high", high_bits},   {"works", works},    {"nested", nested}};

    if (argc == 1 && strcmp(argv[0], "type") == 0)
        type_into(0);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        if (argc == 1 && strcmp(argv[0], all[i].name) == 0)
            return all[i].run();
    return 9;
}

JAIL_MAIN(inside, UNIT(every_line_is_refused_inside), UNIT(the_twin_is_not_refused_outside),
          UNIT(the_entry_of_i386_ends_the_process), UNIT(x32_and_unknown_numbers_do_not_exist),
          UNIT(upper_halves_hide_nothing), UNIT(no_typing_into_the_terminal),
          UNIT(ordinary_work_goes_on), UNIT(only_execs_are_trapped),
          UNIT(writes_are_trapped_and_reads_are_not), UNIT(nothing_runs_before_the_supervisor),
          UNIT(a_second_belay_says_so))
