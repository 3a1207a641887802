/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/serve.h"

#include "base/fd.h"
#include "kern/ask.h"
#include "kern/canary.h"
#include "kern/measure.h"
#include "kern/plan.h"
#include "kern/uapi.h"
#include "kern/undo.h"
#include "kern/verify.h"
#include "policy/message.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TICK_MS   250 /* how soon a task that died while it waited is noticed */
#define RETRY_MS  5   /* a call that would block is tried again after so long */
#define FREEZE_MS 500 /* time for the keeper to freeze the agent before the refusal arrives */
#define HELD_EVER UINT64_MAX

bool serve_fail(struct kern *k, const char *fmt, ...)
{
    char text[256];
    va_list args;

    if (k->failed)
        return false;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    k->failed = true;
    (void)event_base_loopbreak(k->base);
    return err_set(k->err, EX_ROLE, "%s", text);
}

static void tick_soon(struct kern *k, unsigned ms)
{
    struct timeval t = {.tv_sec = 0, .tv_usec = (suseconds_t)ms * 1000};

    if (ms < TICK_MS || !event_pending(k->on_tick, EV_TIMEOUT, NULL))
        (void)event_add(k->on_tick, &t);
}

static void run_act(struct request *r);

/* May this request wait, with what it holds in memory? An agent must not fill the host's. */
static bool affordable(const struct request *r)
{
    size_t large = 0;

    if (r->arena.used <= LARGE_BYTES)
        return true;
    for (size_t i = 0; i < r->kern->top; i++)
        large += r->kern->requests[i].state != REQUEST_FREE &&
                 r->kern->requests[i].arena.used > LARGE_BYTES;
    return large <= LARGE_MAX;
}

/* One prepare and what follows from it. */
static enum step prepare_once(struct request *r)
{
    enum step s = r->trap->plan->prepare(r);

    if (s != STEP_JUDGE)
        return s;
    if (!request_valid(r)) { /* what was read may be another task's */
        request_end(r);
        return STEP_DONE;
    }
    if (r->nchecks > 0 && r->who.tgid == 0)
        return answer_error(r, ESRCH);
    if (r->outside)
        return answer_error(r, EACCES);
    if (!affordable(r))
        return answer_error(r, EAGAIN);
    if (r->nchecks == 0) {
        run_act(r);
        return STEP_DONE;
    }
    ask_start(r);
    tick_soon(r->kern, TICK_MS);
    return STEP_DONE;
}

static void run_prepare(struct request *r)
{
    while (prepare_once(r) == STEP_AGAIN) {
        if (++r->round >= ROUNDS_MAX) {
            (void)answer_error(r, EAGAIN);
            return;
        }
        request_clear(r);
    }
}

static void run_act(struct request *r)
{
    if (!request_valid(r)) {
        request_end(r);
        return;
    }
    switch (r->trap->plan->act(r)) {
    case STEP_AGAIN:
        if (++r->round >= ROUNDS_MAX) {
            (void)answer_error(r, EAGAIN);
            return;
        }
        request_clear(r);
        run_prepare(r);
        return;
    case STEP_LATER:
        r->state = REQUEST_LATER;
        r->due = now_ms() + RETRY_MS * (r->tries < 20 ? 1 : 10);
        r->tries++;
        tick_soon(r->kern, RETRY_MS);
        return;
    case STEP_JUDGE:
    case STEP_DONE:
        return;
    }
}

void serve_allowed(struct request *r)
{
    int error = undo_take(r);

    if (error != 0) {
        (void)answer_error(r, -error);
        return;
    }
    run_act(r);
}

/* The keeper freezes and kills; kern only keeps the task where it is until that is done. */
void serve_denied(struct request *r)
{
    enum outcome worst = r->worst;

    if (worst == OUTCOME_DENY) {
        (void)answer_error(r, EACCES);
        return;
    }
    ask_cancel(r);
    r->state = REQUEST_HELD;
    r->due = worst == OUTCOME_KILL ? HELD_EVER : now_ms() + FREEZE_MS;
    tick_soon(r->kern, TICK_MS);
}

static struct request *free_request(struct kern *k)
{
    while (k->top > 0 && k->requests[k->top - 1].state == REQUEST_FREE)
        k->top--;
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (k->requests[i].state != REQUEST_FREE)
            continue;
        if (k->top <= i)
            k->top = i + 1;
        return &k->requests[i];
    }
    return NULL;
}

static void request_init(struct request *r, struct kern *k, const struct seccomp_notif *call)
{
    memset(r, 0, sizeof(*r));
    r->kern = k;
    r->call = *call;
    r->trap = plan_find(call->data.nr);
    r->held = -1;
    place_init(&r->at);
    place_init(&r->to);
}

/* What is asked of every call before its plan sees it. */
static int admit(struct request *r)
{
    struct kern *k = r->kern;
    pid_t tid = (pid_t)r->call.pid;

    if (r->trap == NULL || tid <= 0)
        return EPERM; /* trapped, and nobody knows why */
    mem_start(&k->mem, tid);
    return view_same_root(&k->view, tid) ? 0 : EPERM;
}

static void start(struct kern *k, const struct seccomp_notif *call)
{
    struct request *r = free_request(k);
    struct request spare;

    if (r == NULL) {
        request_init(&spare, k, call);
        (void)answer_error(&spare, EAGAIN);
        return;
    }
    request_init(r, k, call);
    r->state = REQUEST_LATER; /* taken */
    int error = admit(r);
    if (error != 0)
        (void)answer_error(r, error);
    else
        run_prepare(r);
}

static void on_call(evutil_socket_t fd, short what, void *arg)
{
    struct kern *k = arg;
    union {
        struct seccomp_notif call;
        unsigned char room[512]; /* newer kernels may write more; see open_listener */
    } u;

    struct pollfd now = {.fd = fd, .events = POLLIN};

    (void)what;
    /* Without a call to receive, RECV would wait; the end of the last task looks like one. */
    if (poll(&now, 1, 0) != 1 || (now.revents & POLLIN) == 0) {
        if ((now.revents & (POLLHUP | POLLERR)) != 0)
            (void)event_del(k->on_call);
        return;
    }
    memset(&u, 0, sizeof(u));
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &u) == 0) {
        start(k, &u.call);
        return;
    }
    if (errno != EINTR && errno != ENOENT) /* ENOENT: the task died before we looked */
        serve_fail(k, "kern: the listener failed: %s", strerror(errno));
}

static void on_keeper(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    /* The keeper sends nothing after CONFIG: this is its end. */
    serve_fail(arg, "kern: the keeper is gone");
}

static void on_judge(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)ask_read(arg);
}

static void on_judge_room(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ask_go_on(arg);
}

static void on_child(evutil_socket_t fd, short what, void *arg)
{
    struct signalfd_siginfo info[8];

    (void)what;
    ssize_t n = read(fd, info, sizeof(info)); /* what happened, waitpid says */
    if (n > 0)
        verify_events(arg);
}

/* A held call whose time is over, or a try again. */
static void tick_request(struct request *r, uint64_t now)
{
    if (r->state == REQUEST_TRACED)
        return;
    if (!request_valid(r)) {
        request_end(r);
    } else if (r->state == REQUEST_LATER && now >= r->due) {
        mem_start(&r->kern->mem, (pid_t)r->call.pid);
        run_act(r);
    } else if (r->state == REQUEST_HELD && now >= r->due) {
        (void)answer_error(r, EACCES);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct kern *k = arg;
    uint64_t now = now_ms();
    unsigned next = 0;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < k->top; i++) {
        struct request *r = &k->requests[i];

        if (r->state == REQUEST_FREE)
            continue;
        tick_request(r, now);
        if (r->state == REQUEST_LATER)
            next = RETRY_MS;
        else if (r->state != REQUEST_FREE && next == 0)
            next = TICK_MS;
    }
    if (next != 0)
        tick_soon(k, next);
}

static bool open_listener(struct kern *k, struct err *e)
{
    struct seccomp_notif_sizes sizes;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
        return err_sys(e, EX_HOST, "kern: seccomp notifications");
    if (sizes.seccomp_notif > 512 || sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp))
        return err_set(e, EX_HOST,
                       "kern: this kernel's seccomp notifications are larger than "
                       "belay knows");
    /* Linux 6.6: the judged task and kern take turns on one processor. Older ones say EINVAL. */
    (void)ioctl(k->config.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    return true;
}

static bool open_signals(struct kern *k, struct err *e)
{
    sigset_t set;

    (void)signal(SIGIO, SIG_IGN); /* somebody waits for a lease: measure.c has it for a moment */
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    k->signals = sigprocmask(SIG_BLOCK, &set, NULL) == 0
                     ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)
                     : -1;
    return k->signals >= 0 || err_sys(e, EX_FAIL, "kern: SIGCHLD");
}

static struct event *watch(struct kern *k, int fd, short what, event_callback_fn f)
{
    return event_new(k->base, fd, what, f, k);
}

static bool open_events(struct kern *k, struct err *e)
{
    k->base = event_base_new();
    if (k->base == NULL)
        return err_set(e, EX_FAIL, "kern: no event loop");
    k->on_call = watch(k, k->config.listener, EV_READ | EV_PERSIST, on_call);
    k->on_keeper = watch(k, k->keeper, EV_READ | EV_PERSIST, on_keeper);
    k->on_judge = watch(k, k->judge, EV_READ | EV_PERSIST, on_judge);
    k->on_judge_room = watch(k, k->judge, EV_WRITE | EV_PERSIST, on_judge_room);
    k->on_child = watch(k, k->signals, EV_READ | EV_PERSIST, on_child);
    k->on_tick = watch(k, -1, 0, on_tick);
    struct event *all[] = {k->on_call, k->on_keeper, k->on_judge, k->on_child};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] == NULL || event_add(all[i], NULL) != 0)
            return err_set(e, EX_FAIL, "kern: no event loop");
    if (k->on_judge_room == NULL || k->on_tick == NULL)
        return err_set(e, EX_FAIL, "kern: no event loop");
    return true;
}

static void close_all(struct kern *k)
{
    struct event *all[] = {k->on_call,  k->on_keeper, k->on_judge, k->on_judge_room,
                           k->on_child, k->on_tick,   k->on_canary};

    measures_close(k->measures);
    undo_close(k->undo);
    for (size_t i = 0; i < k->top; i++)
        if (k->requests[i].state != REQUEST_FREE)
            request_end(&k->requests[i]);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] != NULL)
            event_free(all[i]);
    if (k->base != NULL)
        event_base_free(k->base);
    if (k->inotify >= 0)
        (void)close(k->inotify);
    if (k->signals >= 0)
        (void)close(k->signals);
    view_close(&k->view);
    scope_release(&k->scope);
}

static bool open_host(struct kern *k, struct err *e)
{
    const struct kern_config *c = &k->config;

    if (c->gate >= 0 && !fd_set_nonblock(c->gate))
        return err_sys(e, EX_FAIL, "kern: the gate's socket");
    k->net.gate = c->gate;
    k->net.door4 = c->door4;
    k->net.door6 = c->door6;
    k->net.ports = c->ports;
    k->net.nports = c->nports;
    return scope_load(&k->scope, c->scope, e);
}

static void on_canary(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    canary_events(arg);
}

static bool watch_canaries(struct kern *k, struct err *e)
{
    if (!canary_open(k, e) || k->inotify < 0)
        return k->inotify < 0 && e->code == 0;
    k->on_canary = watch(k, k->inotify, EV_READ | EV_PERSIST, on_canary);
    return (k->on_canary != NULL && event_add(k->on_canary, NULL) == 0) ||
           err_set(e, EX_FAIL, "kern: no event loop");
}

static bool open_all(struct kern *k, struct err *e)
{
    int error = view_open(&k->view, k->config.proc);

    if (error != 0) {
        errno = -error;
        return err_sys(e, EX_HOST, "kern: its view of the agent");
    }
    if (!fd_set_nonblock(k->judge))
        return err_sys(e, EX_FAIL, "kern: the judge's socket");
    if (k->config.host && !open_host(k, e))
        return false;
    return open_listener(k, e) && open_signals(k, e) && open_events(k, e) && watch_canaries(k, e);
}

int kern_serve(const struct kern_config *c, int keeper, int judge,
               bool (*ready)(void *ctx, struct err *e), void *ctx, struct err *e)
{
    AUTO_FREE struct kern *k = xcalloc(1, sizeof(*k));
    AUTO_FREE struct canary *canaries = xcalloc(KERN_CANARIES_MAX, sizeof(*canaries));
    AUTO_FREE struct measures *measures = xcalloc(1, sizeof(*measures));
    struct undo undo;

    k->config = *c;
    k->measures = measures;
    k->undo = &undo;
    k->canaries = canaries;
    k->inotify = -1;
    k->keeper = keeper;
    k->judge = judge;
    k->err = e;
    k->signals = k->view.self_fd = k->view.root = -1;
    k->net.gate = -1;
    k->next_id = 1;
    bool ok =
        undo_open(&undo, c) && open_all(k, e) && ready(ctx, e) && event_base_dispatch(k->base) >= 0;
    close_all(k);
    return ok && !k->failed ? EX_OK : EX_ROLE;
}
