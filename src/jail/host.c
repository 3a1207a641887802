/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/host.h"
#include "base/fd.h"
#include "base/mem.h"
#include "jail/confine.h"
#include "jail/guard.h"
#include "jail/landlock.h"
#include "jail/rules.h"
#include "jail/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCOPE_MAX (32u << 20)

/* J finds the agent's processes in /proc. */
static bool check_proc(struct err *e)
{
    AUTO_BUF struct buf mounts = {0};
    AUTO_CLOSE int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

    buf_init(&mounts, 1u << 20);
    if (fd < 0 || !fd_read_all(fd, &mounts, "/proc/self/mountinfo", e))
        return err_set(e, EX_HOST, "tier B: /proc/self/mountinfo cannot be read");
    if (strstr(buf_cstr(&mounts), "hidepid=") != NULL)
        return err_set(e, EX_HOST,
                       "tier B: /proc is mounted with hidepid, so belay could not see whether "
                       "every process of the agent stands still; mount it without");
    return true;
}

static bool check_host(const struct jail_plan *plan, struct err *e)
{
    int abi = ll_abi();

    if (abi < JAIL_TIER_B_LANDLOCK)
        return err_set(e, EX_HOST,
                       "tier B: this kernel has Landlock ABI %d, and %d is needed to keep signals "
                       "and sockets in (Linux 6.12, with landlock among the lsm= of the boot)",
                       abi, JAIL_TIER_B_LANDLOCK);
    if (plan->stage.path != NULL)
        return err_set(e, EX_HOST, "tier B: staged work needs mounts of its own (--stage)");
    if (plan->nfiles > 0 || plan->kept != NULL)
        return err_set(e, EX_HOST, "tier B: no file can be shown in the place of the host's own");
    return check_proc(e);
}

static bool make_terminal(struct host *h, struct err *e)
{
    int unlocked = 0;
    unsigned number = 0;

    h->terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (h->terminal < 0 || ioctl(h->terminal, TIOCSPTLCK, &unlocked) != 0 ||
        ioctl(h->terminal, TIOCGPTN, &number) != 0)
        return err_sys(e, EX_HOST, "opening a terminal for the agent");
    snprintf(h->slave, sizeof(h->slave), "/dev/pts/%u", number);
    return true;
}

/* On the loopback of the host: who else connects is turned away by the gate. */
static int open_listener(int family)
{
    const struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    const struct sockaddr_in four = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *at =
        family == AF_INET ? (const struct sockaddr *)&four : (const struct sockaddr *)&six;
    socklen_t n = family == AF_INET ? sizeof(four) : sizeof(six);
    const int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, at, n) != 0 || listen(fd, 4096) != 0)
        mem_auto_close(&fd);
    return fd;
}

static bool make_listeners(struct jail *j, struct err *e)
{
    j->tcp4 = open_listener(AF_INET);
    if (j->tcp4 < 0)
        return err_sys(e, EX_HOST, "listening for the agent's connections on 127.0.0.1");
    j->tcp6 = open_listener(AF_INET6); /* a host without IPv6 has none */
    return true;
}

static char letter_of(const struct node *n)
{
    switch (n->kind) {
    case NODE_BIND:
        return n->access == JAIL_WRITE ? 'W' : n->access == JAIL_READ ? 'R' : 'H';
    case NODE_PROC:
    case NODE_RESOLVER:
        return 'R';
    case NODE_EMPTY:
    case NODE_FOLDER:
    case NODE_SCRATCH:
    case NODE_DEV:
    case NODE_FILE:
    case NODE_STAGE:
        break;
    }
    return 'H';
}

static void put_entry(struct buf *b, char letter, const char *path)
{
    buf_add(b, &letter, 1);
    buf_add(b, path, strlen(path) + 1);
}

static bool make_scope(const struct host *h, const struct jail_plan *plan, struct jail *j,
                       struct err *e)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, SCOPE_MAX);
    for (size_t i = 0; i < h->tree.n; i++)
        put_entry(&b, letter_of(&h->tree.nodes[i]), h->tree.nodes[i].path);
    if (plan->scratch != NULL)
        put_entry(&b, 'W', plan->scratch);
    j->scope = fd_memfd("scope", b.p, b.n, e);
    return j->scope >= 0;
}

bool jail_hides_inside(const struct jail_plan *plan, bool *hides, struct err *e)
{
    struct rules_names x;
    struct tree t;

    if (!tree_make(&t, plan, e))
        return false;
    rules_find_names(&t, &x);
    *hides = x.leave_hidden;
    rules_names_release(&x);
    tree_release(&t);
    return true;
}

bool host_prepare(struct host *h, const struct jail_plan *plan, struct jail *j, struct err *e)
{
    int ways[2];

    *h = (struct host)HOST_NONE;
    if (!check_host(plan, e) || !tree_make(&h->tree, plan, e))
        return false;
    for (size_t i = 0; i < h->tree.n; i++) {
        mem_auto_close(&h->tree.nodes[i].source);
        h->tree.nodes[i].source = -1;
    }
    rules_find_names(&h->tree, &h->names);
    if (pipe2(ways, O_CLOEXEC) != 0)
        return err_sys(e, EX_FAIL, "a pipe");
    j->gone = ways[0];
    h->gone = ways[1];
    if ((plan->pty_mask != 0 && !make_terminal(h, e)) || (plan->net && !make_listeners(j, e)) ||
        !make_scope(h, plan, j, e))
        return false;
    if (h->terminal >= 0)
        j->pty = fcntl(h->terminal, F_DUPFD_CLOEXEC, 0);
    return h->terminal < 0 || j->pty >= 0 || err_sys(e, EX_FAIL, "the agent's terminal");
}

void host_release(struct host *h)
{
    mem_auto_close(&h->terminal);
    mem_auto_close(&h->gone);
    rules_names_release(&h->names);
    tree_release(&h->tree);
    h->terminal = h->gone = -1;
}

static void give_up(const struct start *s, const struct err *e) __attribute__((noreturn));
static void give_up(const struct start *s, const struct err *e)
{
    (void)wire_send(s->control, WIRE_ERROR, e->code, e->text, NULL, 0);
    _exit(EX_FAIL);
}

/* Without a supervisor to become: a parent that waits. */
static void wait_for_all(void) __attribute__((noreturn));
static void wait_for_all(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    _exit(EX_OK);
}

static void ancestor_main(const struct start *s, pid_t parent) __attribute__((noreturn));
static void ancestor_main(const struct start *s, pid_t parent)
{
    struct err e = {0};
    pid_t guard;

    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* J and A must be found by the supervisor */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(EX_FAIL);
    if (!confine_drop_caps(0, &e) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        !rules_enter_host(s->host, s->plan, RULES_ANCESTOR, &e))
        give_up(s, &e);
    guard = fork();
    if (guard == 0)
        guard_main(s);
    if (guard < 0) {
        err_sys(&e, EX_HOST, "starting the jail's guard");
        give_up(s, &e);
    }
    if (s->plan->become != NULL) {
        s->plan->become(s->plan->become_arg); /* all that is the jail's closes as it executes */
        _exit(EX_ROLE);
    }
    fd_close_from(0, NULL, 0);
    wait_for_all();
}

pid_t host_fork(const struct start *s)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0)
        ancestor_main(s, parent);
    return pid;
}
