/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - what comes in while a session runs: the roles, the jail, signals, the clock. */
#include "keeper/session.h"

#include "base/mem.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS    250
#define WHO_MS     50
#define QUOTA_IDLE 8    /* ticks between two looks where only what the kernel refuses can be told */
#define TERM_MS    5000 /* between a SIGTERM that was passed on and the kill */

static enum phase phase_of(const struct keeper *k)
{
    switch (k->state) {
    case STATE_STARTING:
        return PHASE_START;
    case STATE_RUNNING:
    case STATE_FROZEN:
        return PHASE_RUN;
    case STATE_ENDING:
        return PHASE_END;
    }
    abort();
}

static void on_stop(struct keeper *k, struct frame_in *f)
{
    AUTO_BUF struct buf why = {0};
    struct frame_field x;
    int64_t outcome = -1;

    buf_init(&why, 8192);
    while (frame_next(f, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_KIND && x.kind == FRAME_INT)
            outcome = x.num;
        else if (x.tag == MSG_TAG_TEXT && x.kind == FRAME_BYTES)
            buf_add_safe(&why, x.bytes, 1024);
    }
    if (outcome == OUTCOME_FREEZE) {
        keeper_freeze(k, "judge", buf_cstr(&why));
        people_frozen(k, buf_cstr(&why));
        buf_printf(&why, "; the agent is frozen: 'belay resume %s' or 'belay kill %s'", k->o->id,
                   k->o->id);
    } else { /* kill, and whatever else it may have meant */
        keeper_kill(k, EX_STOPPED, "judge", buf_cstr(&why));
        buf_puts(&why, "; the agent was killed");
    }
    people_alert(k, buf_str(&why));
}

static void on_alert(struct keeper *k, struct frame_in *f)
{
    AUTO_BUF struct buf text = {0};
    struct str error = {"", 0};
    struct frame_field x;
    bool notice = false;

    buf_init(&text, 8192);
    while (frame_next(f, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_KIND && x.kind == FRAME_BYTES)
            notice = str_is(x.bytes, "notice");
        else if (x.tag == MSG_TAG_TEXT && x.kind == FRAME_BYTES)
            buf_add_safe(&text, x.bytes, 2048);
        else if (x.tag == MSG_TAG_ERRNO && x.kind == FRAME_BYTES)
            error = x.bytes;
    }
    if (notice) {
        k->denied++;
        refusals_add(&k->refusals, time(NULL), error, buf_str(&text));
        people_notice(k, buf_cstr(&text));
    } else {
        people_alert(k, buf_str(&text));
    }
}

static void on_reload(struct keeper *k, struct frame_in *f)
{
    AUTO_BUF struct buf why = {0};
    struct frame_field x;

    buf_init(&why, 8192);
    while (frame_next(f, &x) == FRAME_OK)
        if (x.tag == MSG_TAG_TEXT && x.kind == FRAME_BYTES)
            buf_add_safe(&why, x.bytes, ERR_TEXT_MAX);
    people_reloaded(k, why.n > 0 ? buf_cstr(&why) : NULL);
}

static void on_judge(struct keeper *k, struct frame_in *f)
{
    switch (f->type) {
    case MSG_RECORDED:
        keeper_recorded(k, f->id);
        break;
    case MSG_ASK:
        people_asked(k, f);
        break;
    case MSG_ASK_OVER:
        people_ask_over(k, f->id);
        break;
    case MSG_STOP:
        on_stop(k, f);
        break;
    case MSG_ALERT:
        on_alert(k, f);
        break;
    case MSG_RELOAD_IS:
        on_reload(k, f);
        break;
    default:
        break;
    }
}

static struct role_child *role_of(struct keeper *k, int fd, size_t *index)
{
    struct role_child *all[] = {&k->roles->judge, &k->roles->kern, &k->roles->gate};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->sock == fd || all[i]->pidfd == fd) {
            *index = i;
            return all[i];
        }
    abort();
}

static void unwatch(struct event **ev)
{
    if (*ev != NULL)
        event_free(*ev);
    *ev = NULL;
}

static bool ends_within(const struct role_child *r, int ms)
{
    struct pollfd p = {.fd = r->pidfd, .events = POLLIN};

    return r->pid > 0 && poll(&p, 1, ms) == 1;
}

static void forget_role(struct keeper *k, size_t index)
{
    unwatch(&k->role_io[index]);
    unwatch(&k->role_end[index]);
}

static void role_lost(struct keeper *k, struct role_child *r, size_t index)
{
    struct err ignored; /* keeper_fault() kills again, and tells if that fails */
    char how[128];

    forget_role(k, index);
    if (k->state == STATE_ENDING) { /* a judge that has recorded the end may go */
        if (r->role == ROLE_JUDGE)
            keeper_stop_loop(k);
        return;
    }
    (void)jail_kill(&k->jail, &ignored); /* first the agent, then the question who was lost */
    /* kern and the gate end when the judge's socket closes, which is before the judge has ended. */
    if (r->role != ROLE_JUDGE && ends_within(&k->roles->judge, WHO_MS)) {
        r = &k->roles->judge;
        forget_role(k, 0);
    }
    role_obituary(r, how, sizeof(how));
    role_end(r);
    keeper_fault(k, r->role == ROLE_JUDGE ? EX_RECORD : EX_ROLE, "the %s %s", role_name(r->role),
                 how);
}

static void on_role_frame(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;
    size_t index;
    struct role_child *r = role_of(k, fd, &index);

    (void)what;
    enum frame_result got = frame_recv(fd, &k->in, 0);
    if (got == FRAME_AGAIN)
        return;
    if (got == FRAME_OK && message_permitted(r->role, ROLE_KEEPER, phase_of(k), k->in.type))
        on_judge(k, &k->in); /* only the judge may say anything once it is ready */
    else
        role_lost(k, r, index);
}

static void on_role_end(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;
    size_t index;
    struct role_child *r = role_of(k, fd, &index);

    (void)what;
    /* What it sent before it died still counts: the reason may be in it. */
    while (frame_recv(r->sock, &k->in, 0) == FRAME_OK &&
           message_permitted(r->role, ROLE_KEEPER, phase_of(k), k->in.type))
        on_judge(k, &k->in);
    role_lost(k, r, index);
}

static void on_jail(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;

    (void)fd;
    (void)what;
    for (;;) {
        if (k->state == STATE_ENDING) {
            (void)event_del(k->jail_io);
            return;
        }
        struct jail_event event = jail_next_event(&k->jail);

        switch (event.type) {
        case JAIL_EVENT_NONE:
            return;
        case JAIL_EVENT_EXEC_FAILED:
            k->exec_error = event.error;
            break;
        case JAIL_EVENT_EXITED:
            k->agent_ended = true;
            k->agent_status = event.status;
            keeper_agent_over(k);
            return;
        case JAIL_EVENT_LOST:
            keeper_fault(k, EX_ROLE, "the jail's init is gone");
            return;
        }
    }
}

static void pass_signal(struct keeper *k, int signal)
{
    if (!k->agent_ended && k->agent_pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, k->agent_pidfd, signal, NULL, 0);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;

    (void)fd;
    (void)what;
    keeper_kill(k, 128 + SIGTERM, "keeper", "did not end within 5 s of SIGTERM");
}

static void terminal_gone(struct keeper *k, const char *how)
{
    keeper_kill(k, 128 + SIGHUP, "keeper", how);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct keeper *k = arg;
    struct timeval wait = {TERM_MS / 1000, 0};

    (void)what;
    switch (number) {
    case SIGWINCH:
        if (k->terminal != NULL)
            terminal_resized(k->terminal);
        break;
    case SIGHUP:
        terminal_gone(k, "the terminal went away");
        break;
    case SIGTERM:
        pass_signal(k, SIGTERM);
        (void)event_add(k->deadline, &wait);
        break;
    default:
        pass_signal(k, (int)number);
        break;
    }
}

/* What was found is recorded and told; what tightens is done first. */
static void over_quota(struct keeper *k, const struct quota_finding *f)
{
    if (f->verdict == QUOTA_SLOW && !jail_slow(&k->jail))
        people_notice(k, "the agent cannot be slowed down here");
    keeper_record(k, "limit", "keeper", f->text, f->used, AFTER_NOTHING);
    if (f->verdict == QUOTA_FREEZE) {
        keeper_freeze(k, "keeper", f->text);
        people_frozen(k, f->text);
    } else if (f->verdict == QUOTA_KILL) {
        keeper_kill(k, EX_STOPPED, "keeper", f->text);
    }
    people_alert(k, str_of(f->text));
}

static void check_quotas(struct keeper *k)
{
    struct quota_finding f;

    if (!quotas_any(&k->quotas) && ++k->idle_ticks % QUOTA_IDLE != 0)
        return;
    usage_read(&k->jail, &k->quotas.usage);
    while (k->state == STATE_RUNNING && quotas_check(&k->quotas, asks_now() - k->running_since, &f))
        over_quota(k, &f);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;
    int64_t limit = k->o->settings->watch_processes;

    (void)fd;
    (void)what;
    if (k->state != STATE_RUNNING)
        return;
    check_quotas(k);
    if (k->state != STATE_RUNNING || limit == 0)
        return;
    int n = jail_count(&k->jail);
    if (n >= limit && k->processes_seen < limit)
        keeper_record(k, "processes", "keeper", "", n, AFTER_NOTHING);
    k->processes_seen = n;
}

static struct event *watch_fd(struct keeper *k, int fd, event_callback_fn callback)
{
    struct event *ev = event_new(k->base, fd, EV_READ | EV_PERSIST, callback, k);

    if (ev == NULL || event_add(ev, NULL) != 0)
        abort();
    return ev;
}

void keeper_watch(struct keeper *k)
{
    static const int signals[] = {SIGWINCH, SIGHUP, SIGTERM, SIGINT, SIGQUIT};
    struct role_child *roles[] = {&k->roles->judge, &k->roles->kern, &k->roles->gate};
    struct timeval tick = {0, TICK_MS * 1000};

    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (roles[i]->pid == 0)
            continue;
        k->role_io[i] = watch_fd(k, roles[i]->sock, on_role_frame);
        k->role_end[i] = watch_fd(k, roles[i]->pidfd, on_role_end);
    }
    k->jail_io = watch_fd(k, k->jail.control, on_jail);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        k->signals[i] = evsignal_new(k->base, signals[i], on_signal, k);
        if (k->signals[i] == NULL || event_add(k->signals[i], NULL) != 0)
            abort();
    }
    k->tick = event_new(k->base, -1, EV_PERSIST, on_tick, k);
    k->deadline = event_new(k->base, -1, 0, on_deadline, k);
    if (k->tick == NULL || k->deadline == NULL || event_add(k->tick, &tick) != 0)
        abort();
}

void keeper_unwatch(struct keeper *k)
{
    for (size_t i = 0; i < ARRAY_LEN(k->role_io); i++) {
        unwatch(&k->role_io[i]);
        unwatch(&k->role_end[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(k->signals); i++)
        unwatch(&k->signals[i]);
    unwatch(&k->jail_io);
    unwatch(&k->tick);
    unwatch(&k->deadline);
}
