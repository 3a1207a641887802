/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/roles.h"

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEERS_MAX 4

/*
 * Executes the role's program. The gate's lies beside belay's own, or where it is installed, seen
 * from there: whoever could put another one there could put another belay there as well.
 */
static void execute(enum role role, char **argv)
{
    static const char *const places[] = {"belay-gate", "../libexec/belay/belay-gate"};
    char *envp[] = {NULL};
    char path[PATH_MAX];
    ssize_t n;

    if (role != ROLE_GATE) {
        execve("/proc/self/exe", argv, envp);
        return;
    }
    n = readlink("/proc/self/exe", path, sizeof(path));
    if (n <= 0 || n == sizeof(path))
        return;
    path[n] = '\0';
    char *name = strrchr(path, '/') + 1;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const size_t size = strlen(places[i]) + 1;

        if (size > sizeof(path) - (size_t)(name - path))
            continue;
        memcpy(name, places[i], size);
        execve(path, argv, envp);
    }
    dprintf(STDERR_FILENO, "belay: there is no belay-gate beside belay; is it installed whole?\n");
}

static _Noreturn void child(enum role role, int keeper, const int *peers, size_t npeers,
                            pid_t parent)
{
    int moved[1 + PEERS_MAX];
    size_t n = npeers + 1;
    char name[32], option[32];
    char *argv[] = {name, option, NULL};

    /* The keeper may have died between fork and prctl. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(EX_ROLE);
    (void)snprintf(name, sizeof(name), "belay-%s", role_name(role));
    (void)snprintf(option, sizeof(option), "--role=%s", role_name(role));

    /* Out of the way of the fixed numbers first, then into place. */
    for (size_t i = 0; i < n; i++) {
        int fd = i == 0 ? keeper : peers[i - 1];

        moved[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 64);
        if (fd >= 0 && moved[i] < 0)
            _exit(EX_ROLE);
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        _exit(EX_ROLE);
    for (size_t i = 0; i < n; i++) {
        int number = ROLE_FD_KEEPER + (int)i;

        if (moved[i] < 0)
            (void)close(number);
        else if (dup2(moved[i], number) < 0)
            _exit(EX_ROLE);
    }
    (void)close_range((unsigned)(ROLE_FD_KEEPER + (int)n), ~0u, 0);

    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid(); /* Ctrl-C on the user's terminal is not for the roles */
    execute(role, argv);
    _exit(EX_ROLE);
}

bool role_start(struct role_child *r, enum role role, const int *peers, size_t npeers,
                struct err *e)
{
    int sv[2];
    pid_t parent = getpid();

    assert(npeers <= PEERS_MAX);
    *r = (struct role_child){.role = role, .pidfd = -1, .sock = -1};
    if (!frame_pair(sv, e))
        return false;
    pid_t pid = fork();
    if (pid == 0)
        child(role, sv[1], peers, npeers, parent);
    (void)close(sv[1]);
    if (pid < 0) {
        (void)close(sv[0]);
        return err_sys(e, EX_ROLE, "the %s cannot be started", role_name(role));
    }
    r->pid = pid;
    r->sock = sv[0];
    r->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (r->pidfd < 0) {
        err_sys(e, EX_ROLE, "the %s cannot be watched", role_name(role));
        role_end(r);
        return false;
    }
    (void)fd_set_cloexec(r->pidfd, true);
    return true;
}

bool role_seat_make(struct role_seat *s, enum role role, int peer, struct err *e)
{
    *s = (struct role_seat){.role = role, .parent = getpid(), .keeper = {-1, -1}, .peer = peer};
    return frame_pair(s->keeper, e);
}

void role_become(const struct role_seat *s)
{
    child(s->role, s->keeper[1], &s->peer, 1, s->parent);
}

bool role_seat_taken(struct role_seat *s, struct role_child *r, pid_t pid, struct err *e)
{
    *r = (struct role_child){.role = s->role, .pidfd = -1, .sock = -1};
    mem_auto_close(&s->keeper[1]);
    if (pid <= 0) {
        mem_auto_close(&s->keeper[0]);
        return true;
    }
    r->pid = pid;
    r->sock = fd_take(&s->keeper[0]);
    r->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (r->pidfd < 0)
        return err_sys(e, EX_ROLE, "the %s cannot be watched", role_name(s->role));
    return fd_set_cloexec(r->pidfd, true);
}

/* Why it failed, and the exit code that fits, if it names one. */
static int failed_text(struct frame_in *f, struct buf *text)
{
    struct frame_field x;
    int code = EX_ROLE;

    while (frame_next(f, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_TEXT && x.kind == FRAME_BYTES)
            buf_add_safe(text, x.bytes, ERR_TEXT_MAX / 2);
        else if (x.tag == MSG_TAG_COUNT && x.kind == FRAME_INT && x.num >= EX_POLICY &&
                 x.num <= EX_ROLE)
            code = (int)x.num;
    }
    return code;
}

bool role_await_ready(struct role_child *r, int timeout_ms, struct err *e)
{
    struct pollfd p = {.fd = r->sock, .events = POLLIN};
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));
    AUTO_BUF struct buf text = {0};
    char how[128];
    int n;

    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return err_set(e, EX_ROLE, "the %s did not become ready within %d ms", role_name(r->role),
                       timeout_ms);
    if (n < 0 || frame_recv(r->sock, f, 0) != FRAME_OK ||
        !message_permitted(r->role, ROLE_KEEPER, PHASE_START, f->type)) {
        role_obituary(r, how, sizeof(how));
        return err_set(e, EX_ROLE, "the %s %s before it was ready", role_name(r->role), how);
    }
    if (f->type == MSG_READY)
        return true;
    buf_init(&text, ERR_TEXT_MAX);
    int code = failed_text(f, &text);
    return err_set(e, code, "the %s cannot serve: %s", role_name(r->role), buf_cstr(&text));
}

void role_obituary(struct role_child *r, char *text, size_t size)
{
    int status = 0;

    if (r->pid <= 0) {
        (void)snprintf(text, size, "had not been started");
        return;
    }
    /* It may be about to end: its socket closes before it can be reaped. */
    for (int i = 0; i < 100 && waitpid(r->pid, &status, WNOHANG) == 0; i++) {
        if (i == 99) {
            (void)snprintf(text, size, "broke the protocol");
            return;
        }
        (void)poll(NULL, 0, 2);
    }
    r->pid = 0;
    if (WIFSIGNALED(status))
        (void)snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status),
                       sigdescr_np(WTERMSIG(status)));
    else
        (void)snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

/* The sockets between the roles; the keeper holds them only until the roles have theirs. */
struct links {
    int judge_kern, kern_judge, judge_gate, gate_judge;
};

static void links_close(struct links *l)
{
    mem_auto_close(&l->judge_kern);
    mem_auto_close(&l->kern_judge);
    mem_auto_close(&l->judge_gate);
    mem_auto_close(&l->gate_judge);
}

static bool links_make(struct links *l, struct err *e)
{
    int sv[2];

    *l = (struct links){-1, -1, -1, -1};
    if (!frame_pair(sv, e))
        return false;
    l->judge_kern = sv[0];
    l->kern_judge = sv[1];
    if (!frame_pair(sv, e))
        return false;
    l->judge_gate = sv[0];
    l->gate_judge = sv[1];
    return true;
}

bool roles_start(struct roles *r, struct err *e)
{
    __attribute__((cleanup(links_close))) struct links l;
    struct role_child none = {.pidfd = -1, .sock = -1};

    *r = (struct roles){none, none, none, -1};
    if (links_make(&l, e) &&
        role_start(&r->judge, ROLE_JUDGE, (int[]){l.judge_kern, l.judge_gate}, 2, e) &&
        role_start(&r->kern, ROLE_KERN, &l.kern_judge, 1, e) &&
        role_start(&r->gate, ROLE_GATE, &l.gate_judge, 1, e)) {
        r->kern_judge = fd_take(&l.kern_judge);
        return true;
    }
    roles_end(r);
    return false;
}

void roles_end(struct roles *r)
{
    struct role_child *all[] = {&r->gate, &r->kern, &r->judge};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) /* all at once, then one after the other */
        if (all[i]->pid > 0)
            (void)kill(all[i]->pid, SIGKILL);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        role_end(all[i]);
    mem_auto_close(&r->kern_judge);
}

void role_end(struct role_child *r)
{
    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        r->pid = 0;
    }
    mem_auto_close(&r->pidfd);
    mem_auto_close(&r->sock);
}
