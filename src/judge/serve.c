/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - the role: sockets, clock and loop around core.c. */
#include "judge/core.h"

#include "base/fd.h"
#include "base/mem.h"
#include "jail/confine.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TURN_MAX  512                /* frames of one peer in one turn: more than a socket holds */
#define QUEUE_MAX (8u * 1024 * 1024) /* bytes that a peer may leave unread */
#define SLOW      (64u * 1024)       /* from here on notices are held back */

/* A packet that did not fit into the socket. */
struct packet {
    struct packet *next;
    size_t n;
    unsigned char data[];
};

struct link {
    int fd; /* -1: there is none, or it has ended */
    struct event *readable, *writable;
    struct packet *first, **last;
    size_t queued;
};

struct serve {
    struct judge *judge;
    struct event_base *base;
    struct event *due;
    struct link link[PEER_COUNT];
    int gate_fd; /* -1: this session has no gate */
    struct frame_in in;
    int code; /* exit code, valid when `done` */
    bool done;
};

static int64_t now_ms(void *arg)
{
    struct timespec t;

    (void)arg;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void finish(struct serve *s, int code)
{
    s->done = true;
    s->code = code;
    (void)event_base_loopbreak(s->base);
}

static void fail(struct serve *s, const struct err *e)
{
    if (!s->done)
        judge_fail(s->judge, e);
    finish(s, e->code);
}

/* The other end is gone. Losing kern or the gate is the keeper's to see: it ends the session. */
static void link_end(struct serve *s, enum judge_peer p)
{
    struct link *l = &s->link[p];

    if (l->fd < 0)
        return;
    event_free(l->readable);
    event_free(l->writable);
    mem_auto_close(&l->fd);
    while (l->first != NULL) {
        struct packet *next = l->first->next;

        free(l->first);
        l->first = next;
    }
    l->last = &l->first;
    l->queued = 0;
}

/* True: sent. False: it has to wait. A link that breaks is ended. */
static bool transmit(struct serve *s, enum judge_peer p, const void *data, size_t n)
{
    ssize_t k;

    do {
        k = send(s->link[p].fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (k < 0 && errno == EINTR);
    if (k >= 0)
        return true;
    if (errno == EAGAIN || errno == ENOBUFS)
        return false;
    link_end(s, p);
    if (p == PEER_KEEPER) /* with it goes the session */
        finish(s, judge_over(s->judge) ? EX_OK : EX_ROLE);
    return true;
}

static void on_send(void *arg, enum judge_peer p, const void *data, size_t n)
{
    struct serve *s = arg;
    struct link *l = &s->link[p];

    if (l->fd < 0 || (l->first == NULL && transmit(s, p, data, n)))
        return;
    if (l->queued + n > QUEUE_MAX) {
        finish(s, EX_ROLE); /* it does not read: the session cannot go on */
        return;
    }
    struct packet *k = xcalloc(1, sizeof(*k) + n);
    k->n = n;
    memcpy(k->data, data, n);
    *l->last = k;
    l->last = &k->next;
    l->queued += n;
    (void)event_add(l->writable, NULL);
}

static bool is_slow(void *arg, enum judge_peer p)
{
    const struct serve *s = arg;

    return s->link[p].queued > SLOW;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct serve *s = arg;
    enum judge_peer p = PEER_KEEPER;

    (void)what;
    while (s->link[p].fd != fd)
        p++;
    struct link *l = &s->link[p];
    while (l->first != NULL && transmit(s, p, l->first->data, l->first->n)) {
        if (l->first == NULL)
            return; /* transmit ended the link */
        struct packet *sent = l->first;

        l->first = sent->next;
        l->queued -= sent->n;
        free(sent);
        if (l->first == NULL)
            l->last = &l->first;
    }
    if (l->first != NULL)
        (void)event_add(l->writable, NULL);
}

static void keeper_gone(struct serve *s)
{
    struct err e;

    if (judge_over(s->judge)) {
        finish(s, EX_OK);
        return;
    }
    err_set(&e, EX_ROLE, "the keeper is gone");
    fail(s, &e);
}

/* One frame of a peer; false when there is none for now. */
static bool take_one(struct serve *s, enum judge_peer p)
{
    struct err e;

    if (s->done || s->link[p].fd < 0)
        return false;
    switch (frame_recv(s->link[p].fd, &s->in, p == PEER_KEEPER ? 1 : 0)) {
    case FRAME_AGAIN:
        return false;
    case FRAME_EOF:
        link_end(s, p);
        if (p == PEER_KEEPER)
            keeper_gone(s);
        return false;
    case FRAME_BAD:
        err_set(&e, EX_ROLE, "a frame that cannot be read came from role %d", (int)p);
        fail(s, &e);
        return false;
    case FRAME_OK:
        break;
    }
    bool ok = s->in.nfds <= message_fds((enum message)s->in.type) ||
              err_set(&e, EX_ROLE, "descriptors came with a message that carries none");
    ok = ok && judge_frame(s->judge, p, &s->in, &e);
    frame_close_fds(&s->in);
    if (ok)
        return true;
    fail(s, &e);
    return false;
}

static void take_kern(struct serve *s)
{
    for (int i = 0; i < TURN_MAX && take_one(s, PEER_KERN); i++)
        continue;
}

static void arm(struct serve *s)
{
    int64_t due = judge_due(s->judge);

    if (due == INT64_MAX) {
        (void)event_del(s->due);
        return;
    }
    int64_t wait = due - now_ms(NULL);
    wait = wait < 0 ? 0 : wait;
    const struct timeval t = {wait / 1000, wait % 1000 * 1000};
    (void)event_add(s->due, &t);
}

/* Records what was taken, answers, and sees to the clock. */
static void settle(struct serve *s)
{
    struct err e;

    if (s->done)
        return;
    if (!judge_tick(s->judge, &e) || !judge_commit(s->judge, &e)) {
        fail(s, &e);
        return;
    }
    if (judge_over(s->judge)) {
        link_end(s, PEER_KERN);
        link_end(s, PEER_GATE);
    }
    arm(s);
}

/* What kern saw of a connection comes before what the gate asks about it. */
static void take_gate(struct serve *s)
{
    take_kern(s);
    for (int i = 0; i < TURN_MAX && take_one(s, PEER_GATE); i++)
        take_kern(s);
}

static void on_kern(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    take_kern(arg);
    settle(arg);
}

static void on_gate(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    take_gate(arg);
    settle(arg);
}

/* The keeper comes last: when it says that the agent has ended, all that the adapters had said
 * by then is recorded. */
static void on_keeper(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    take_gate(arg);
    for (int i = 0; i < TURN_MAX && take_one(arg, PEER_KEEPER); i++)
        continue;
    settle(arg);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    settle(arg);
}

static bool link_start(struct serve *s, enum judge_peer p, int fd, struct err *e)
{
    static const event_callback_fn readers[PEER_COUNT] = {on_keeper, on_kern, on_gate};
    struct link *l = &s->link[p];

    l->last = &l->first;
    l->fd = -1;
    if (fd < 0)
        return true;
    if (!fd_set_nonblock(fd) || !fd_set_cloexec(fd, true))
        return err_sys(e, EX_ROLE, "the socket of role %d", (int)p);
    l->fd = fd;
    l->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, readers[p], s);
    l->writable = event_new(s->base, fd, EV_WRITE, on_writable, s);
    if (l->readable == NULL || l->writable == NULL || event_add(l->readable, NULL) != 0)
        return err_set(e, EX_ROLE, "the event loop cannot be set up");
    return true;
}

static struct policy *read_policy(int fd, char digest[DIGEST_HEX], struct err *e)
{
    AUTO_BUF struct buf b = {0};
    unsigned char hash[DIGEST_SIZE];

    buf_init(&b, POLICY_PACK_MAX);
    if (!fd_read_all(fd, &b, "the packed policy", e))
        return NULL;
    digest_bytes(buf_str(&b), hash);
    digest_hex(hash, digest);
    return policy_unpack(buf_str(&b), e);
}

static bool confine(struct err *e)
{
    static const struct bpf_rule rules[] = {CALL(fallocate)};
    const struct confine c = {.name = "belay-judge",
                              .rules = rules,
                              .nrules = ARRAY_LEN(rules),
                              .landlock = CONFINE_FILES | CONFINE_TCP | CONFINE_SCOPES};

    return confine_role(&c, e);
}

/* Everything that is needed, before anything hostile is read. */
static bool set_up(struct serve *s, struct judge_config *c, struct policy **policy, struct err *e)
{
    char digest[DIGEST_HEX];

    *policy = read_policy(c->policy, digest, e);
    if (*policy == NULL)
        return false;
    mem_auto_close(&c->policy);
    const struct record_setup r = {.fd = fd_take(&c->record),
                                   .head_fd = fd_take(&c->head),
                                   .session = c->session,
                                   .policy_digest = str_of(digest)};
    struct record *record = record_start(&r, e);
    if (record == NULL)
        return false;
    const struct judge_setup setup = {
        .policy = *policy, .config = c, .record = record, .hooks = {s, now_ms, on_send, is_slow}};
    s->judge = judge_new(&setup);
    s->base = event_base_new();
    s->due = s->base != NULL ? event_new(s->base, -1, 0, on_due, s) : NULL;
    if (s->due == NULL)
        return err_set(e, EX_ROLE, "the event loop cannot be set up");
    return link_start(s, PEER_KEEPER, ROLE_FD_KEEPER, e) &&
           link_start(s, PEER_KERN, ROLE_FD_JUDGE_KERN, e) &&
           link_start(s, PEER_GATE, s->gate_fd, e) && confine(e);
}

static bool say(enum message m, const char *text, int code)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    frame_start(f, (uint16_t)m, 0);
    if (text != NULL)
        frame_put_cstr(f, MSG_TAG_TEXT, text);
    if (code != EX_OK)
        frame_put_int(f, MSG_TAG_COUNT, code);
    return frame_send(ROLE_FD_KEEPER, f, NULL, 0);
}

int judge_main(void)
{
    struct serve *s = xcalloc(1, sizeof(*s));
    struct judge_config c;
    struct policy *policy = NULL;
    struct err e = {0};

    /* Looked at before anything else is opened, which would take the number of a missing gate. */
    s->gate_fd = fd_set_cloexec(ROLE_FD_JUDGE_GATE, true) ? ROLE_FD_JUDGE_GATE : -1;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the record */
    if (!judge_config_recv(ROLE_FD_KEEPER, &c, &e) || !set_up(s, &c, &policy, &e)) {
        (void)say(MSG_FAILED, e.text, e.code);
        return e.code;
    }
    if (!say(MSG_READY, NULL, EX_OK))
        return EX_ROLE;
    (void)event_base_dispatch(s->base);
    return s->code;
}
