/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/jail.h"
#include "base/fd.h"
#include "base/mem.h"
#include "jail/cgroup.h"
#include "jail/clock.h"
#include "jail/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FREEZE_MS 2000
#define ARRIVE_MS 20 /* for tasks that do arrive */
#define COUNT_MS  1000
#define KILL_MS   10000

static void drop_cgroup(struct jail *j)
{
    if (j->cgroup >= 0)
        (void)cgroup_remove(j->cgroup_parent, j->cgroup_name);
    mem_auto_close(&j->cgroup);
    mem_auto_close(&j->cgroup_parent);
}

bool jail_release(struct jail *jail, struct err *e)
{
    bool ok = jail->release >= 0 && fd_write_all(jail->release, "", 1);

    if (!ok)
        err_sys(e, EX_ROLE, "letting the agent go");
    mem_auto_close(&jail->release);
    return ok;
}

struct jail_event jail_next_event(struct jail *jail)
{
    struct jail_event event = {.type = JAIL_EVENT_NONE};
    struct wire_in in;
    enum wire_result r = jail->control < 0 ? WIRE_NOTHING : wire_recv(jail->control, &in, 0);

    if (r == WIRE_GONE)
        event.type = JAIL_EVENT_LOST;
    if (r != WIRE_OK)
        return event;
    wire_close_fds(&in);
    if (in.msg.type == WIRE_EXEC_FAILED) {
        event.type = JAIL_EVENT_EXEC_FAILED;
        event.error = in.msg.value;
    } else if (in.msg.type == WIRE_EXITED) {
        event.type = JAIL_EVENT_EXITED;
        event.status = in.msg.value;
    }
    return event;
}

/* Asks J and waits for its answer; false when it is gone or does not answer in time. */
static bool ask(struct jail *j, enum wire_type request, int ms, int *value)
{
    long long until = now_ms() + ms;

    if (j->requests < 0 || !wire_send(j->requests, request, 0, NULL, NULL, 0))
        return false;
    for (;;) {
        struct wire_in in;
        if (wire_recv(j->requests, &in, left_ms(until)) != WIRE_OK)
            return false;
        wire_close_fds(&in);
        if (in.msg.type == request) {
            *value = in.msg.value;
            return true;
        }
        /* else the late answer to a request that nobody waits for any more */
    }
}

/*
 * The write of cgroup.freeze marks every task at once; none of them returns to its program
 * from then on. cgroup.events follows when all have arrived, but a task that waits in the
 * kernel, for a verdict for example, arrives only after its wait: then it is enough that J
 * sees no process on a processor.
 */
static bool freeze_cgroup(struct jail *j, int *running)
{
    const struct timespec pause = {.tv_nsec = 500000};
    long long begin = now_ms();

    if (!cgroup_set(j->cgroup, "cgroup.freeze", "1"))
        return false;
    j->frozen = true;
    *running = -1;
    while (now_ms() < begin + FREEZE_MS) {
        if (cgroup_frozen(j->cgroup)) {
            *running = 0;
            return true;
        }
        if (now_ms() >= begin + ARRIVE_MS &&
            (!ask(j, WIRE_RUNNING, COUNT_MS, running) || *running == 0))
            return true;
        nanosleep(&pause, NULL);
    }
    return true;
}

bool jail_freeze(struct jail *jail, struct err *e)
{
    int running = 0;

    if (jail->frozen)
        return true;
    if (jail->cgroup < 0 || !freeze_cgroup(jail, &running)) {
        if (!ask(jail, WIRE_FREEZE, FREEZE_MS + 500, &running))
            return err_set(e, EX_ROLE, "the jail's init did not answer the freeze");
        jail->frozen = jail->stopped = true;
    }
    if (running != 0)
        return err_set(e, EX_FAIL, "%d processes of the agent could not be stopped", running);
    return true;
}

bool jail_resume(struct jail *jail, struct err *e)
{
    int ignored;

    if (!jail->frozen)
        return true;
    if (jail->stopped) {
        if (!ask(jail, WIRE_RESUME, FREEZE_MS, &ignored))
            return err_set(e, EX_ROLE, "the jail's init did not answer the resume");
    } else if (!cgroup_set(jail->cgroup, "cgroup.freeze", "0")) {
        return err_sys(e, EX_FAIL, "resuming the agent's cgroup");
    }
    jail->frozen = jail->stopped = false;
    return true;
}

int jail_count(struct jail *jail)
{
    int n;

    return ask(jail, WIRE_COUNT, COUNT_MS, &n) ? n : -1;
}

bool jail_slow(struct jail *jail)
{
    int failed = 0;

    if (jail->cgroup >= 0 && cgroup_set(jail->cgroup, "cpu.max", "50000 100000"))
        return true;
    return ask(jail, WIRE_SLOW, COUNT_MS, &failed) && failed == 0;
}

/* A stopped fork bomb dies at once; a running one races with its own end for seconds. */
static void stop_before_kill(struct jail *j)
{
    int ignored;

    if (j->cgroup >= 0 && cgroup_set(j->cgroup, "cgroup.freeze", "1")) {
        (void)cgroup_set(j->cgroup, "cgroup.kill", "1");
        return;
    }
    (void)ask(j, WIRE_FREEZE, 100, &ignored);
}

static bool gone_within(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    long long until = now_ms() + ms;
    int n;

    do {
        n = poll(&p, 1, left_ms(until));
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* J's end, or that of its way here, is the word for its guard to end the rest. */
static bool kill_host(struct jail *j, struct err *e)
{
    stop_before_kill(j);
    if (j->init_pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, j->init_pidfd, SIGKILL, NULL, 0);
    mem_auto_close(&j->requests);
    j->requests = -1;
    if (!gone_within(j->gone, KILL_MS))
        return err_set(e, EX_FAIL, "the agent's processes did not end within %d s", KILL_MS / 1000);
    if (j->alone)
        (void)waitpid(j->ancestor_pid, NULL, 0);
    j->init_pid = j->ancestor_pid = 0;
    j->frozen = j->stopped = false;
    drop_cgroup(j);
    return true;
}

bool jail_kill(struct jail *jail, struct err *e)
{
    struct pollfd p = {.fd = jail->init_pidfd, .events = POLLIN};
    long long until = now_ms() + KILL_MS;
    int n = 0;

    if (jail->tier == JAIL_TIER_B)
        return jail->ancestor_pid <= 0 || kill_host(jail, e);
    if (jail->init_pid <= 0)
        return true;
    stop_before_kill(jail);
    if (syscall(SYS_pidfd_send_signal, jail->init_pidfd, SIGKILL, NULL, 0) != 0 && errno != ESRCH)
        return err_sys(e, EX_FAIL, "killing the jail's init");
    do {
        n = poll(&p, 1, left_ms(until));
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return err_set(e, EX_FAIL, "the agent's processes did not end within %d s", KILL_MS / 1000);
    /* pid 1 ends after every other process of its namespace (kernel zap_pid_ns_processes). */
    (void)waitpid(jail->init_pid, NULL, 0);
    jail->init_pid = 0;
    jail->frozen = jail->stopped = false;
    drop_cgroup(jail);
    return true;
}

void jail_close(struct jail *jail)
{
    int *all[] = {&jail->init_pidfd, &jail->requests, &jail->control,  &jail->release,
                  &jail->listener,   &jail->ns_user,  &jail->ns_mount, &jail->tcp4,
                  &jail->tcp6,       &jail->udp4,     &jail->udp6,     &jail->pty,
                  &jail->kept,       &jail->inward,   &jail->gone,     &jail->scope};
    struct err ignored;

    if (jail->init_pid > 0 || jail->ancestor_pid > 0)
        (void)jail_kill(jail, &ignored); /* what it could not end dies when the keeper does */
    drop_cgroup(jail);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        mem_auto_close(all[i]);
}
