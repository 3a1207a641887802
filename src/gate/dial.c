/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/dial.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct attempt {
    struct dial *dial;
    int fd; /* -1: over or not begun */
    uint32_t id;
    uint64_t event;
    uint32_t duties;
    struct event ev;
};

/* What an address leads to, as far as this machine's routes tell. */
enum route { ROUTE_NONE, ROUTE_OUT, ROUTE_SELF };

struct dial {
    struct gate *gate;
    struct dial_target target;
    dial_fn *fn;
    void *arg;
    size_t next;       /* address to ask about next */
    uint32_t question; /* id of the question that waits, 0: none */
    bool itself;       /* it is about the address as a host of its own */
    size_t running;
    struct event stagger;
    struct dial_result result;
    enum route routes[LOOKUP_ADDRS_MAX]; /* of target.addrs */
    struct attempt attempts[DIAL_ADDRS_MAX];
};

static void release(struct dial *d)
{
    gate_ask_cancel(d->gate->asker, d->question);
    event_del(&d->stagger);
    for (size_t i = 0; i < DIAL_ADDRS_MAX; i++)
        if (d->attempts[i].fd >= 0) {
            event_del(&d->attempts[i].ev);
            close(d->attempts[i].fd);
        }
    free(d);
}

void dial_cancel(struct dial *d)
{
    release(d);
}

static void finish(struct dial *d)
{
    d->fn(d->arg, &d->result);
    release(d);
}

static const char *failure(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "connection timed out";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "no route to the address";
    case ECONNRESET:
        return "connection reset";
    case EMFILE:
    case ENFILE:
        return "out of descriptors";
    default:
        return "cannot connect";
    }
}

static void go_on(struct dial *d);

static void ended(struct attempt *a, int error)
{
    struct dial *d = a->dial;

    if (a->fd >= 0) {
        event_del(&a->ev);
        close(a->fd);
        a->fd = -1;
        d->running--;
    }
    d->result.error = failure(error);
    go_on(d);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *a = arg;
    struct dial *d = a->dial;
    int error = 0;
    socklen_t n = sizeof(error);

    if ((what & EV_TIMEOUT) != 0)
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error != 0) {
        ended(a, error);
        return;
    }
    event_del(&a->ev);
    a->fd = -1;
    d->result.fd = fd;
    d->result.error = NULL;
    d->result.addr = d->target.addrs[a - d->attempts];
    d->result.id = a->id;
    d->result.event = a->event;
    d->result.duties = a->duties;
    finish(d);
}

static void begin(struct dial *d, struct attempt *a)
{
    const unsigned ms = d->gate->limits.connect_ms;
    const struct timeval patience = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};
    const struct timeval stagger = {0, DIAL_STAGGER_MS * 1000};
    struct sockaddr_storage ss;
    socklen_t n = addr_sockaddr(&d->target.addrs[a - d->attempts], d->target.port, &ss);

    a->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0) {
        ended(a, errno);
        return;
    }
    d->running++;
    event_assign(&a->ev, d->gate->base, a->fd, EV_WRITE, on_connected, a);
    if (connect(a->fd, (struct sockaddr *)&ss, n) != 0 && errno != EINPROGRESS) {
        ended(a, errno);
        return;
    }
    event_add(&a->ev, &patience);
    event_add(&d->stagger, &stagger);
}

static bool ask_about(struct dial *d, size_t i, bool itself);

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct dial *d = arg;
    struct attempt *a = &d->attempts[d->next - 1];
    bool itself = d->itself;

    d->question = 0;
    if (v->outcome >= OUTCOME_FREEZE || (v->outcome != OUTCOME_ALLOW && !d->target.named))
        d->next = d->target.n; /* the agent is being stopped, or this was all it asked for */
    if (v->outcome != OUTCOME_ALLOW) {
        if (!d->result.allowed)
            refusal_text(d->result.refusal, v);
        go_on(d);
        return;
    }
    if (d->target.named && d->routes[a - d->attempts] == ROUTE_SELF && !itself) {
        if (!ask_about(d, (size_t)(a - d->attempts), true))
            go_on(d);
        return;
    }
    d->result.refusal[0] = '\0';
    a->id = id;
    a->event = v->event;
    a->duties = v->duties;
    d->result.allowed = true;
    d->result.id = id;
    d->result.event = v->event;
    d->result.duties = v->duties;
    d->result.addr = d->target.addrs[a - d->attempts];
    begin(d, a);
}

/* A name may lead to this machine by an address that the judge cannot know for its own. What
 * listens here is for those alone that a rule names, so then the address itself is asked about. */
static bool ask_about(struct dial *d, size_t i, bool itself)
{
    const struct dial_target *t = &d->target;
    char text[ADDR_TEXT_MAX];
    struct action action;

    addr_text(&t->addrs[i], text);
    action_init(&action, VERB_CONNECT, RESOURCE_HOST, itself ? str_of(text) : t->host);
    action_int(&action, FIELD_PORT, t->port);
    action_int(&action, FIELD_NAMED, t->named && !itself ? 1 : 0);
    action_str(&action, FIELD_ADDRESS, str_of(text));
    action.dialled = t->dialled;
    action.cause = t->cause;
    d->itself = itself;
    d->question = gate_ask(d->gate->asker, &action, on_verdict, d);
    if (d->question == 0)
        gate_refuse(d->gate, REFUSAL_PENDING);
    return d->question != 0;
}

/* The next address, if one is left and no question waits; the end, when nothing is left. */
static void go_on(struct dial *d)
{
    if (d->question != 0)
        return;
    if (d->next < d->target.n && d->next < DIAL_ADDRS_MAX) {
        if (ask_about(d, d->next++, false))
            return;
        d->next = d->target.n;
    }
    if (d->running == 0)
        finish(d);
}

static void on_stagger(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    go_on(arg);
}

/* A datagram socket that is connected sends nothing, but has a route and an address; that is the
 * one it is connected to when the machine speaks to itself. The loopback the judge knows. */
static enum route route_to(const struct addr *to, uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t n = addr_sockaddr(to, port, &ss);
    AUTO_CLOSE int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct addr from;

    if (fd < 0 || connect(fd, (struct sockaddr *)&ss, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&ss, &n) != 0 || !addr_from_sockaddr(&ss, &from, &port))
        return ROUTE_NONE;
    return addr_eq(&from, to) && !addr_is_loopback(to) ? ROUTE_SELF : ROUTE_OUT;
}

/* The loopback is one host: who asks for one of its addresses means a service that may listen on
 * the other. A client cannot find that out by itself, since the gate takes its connection before it
 * knows whether the service does. */
static void add_other_loopback(struct dial *d)
{
    static const uint8_t four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
    const struct addr a4 = addr_from_bytes(four, sizeof(four)),
                      a6 = addr_from_bytes(six, sizeof(six));
    const struct addr *asked = &d->target.addrs[0];

    if (d->target.named || d->target.n != 1 || !(addr_eq(asked, &a4) || addr_eq(asked, &a6)))
        return;
    d->routes[1] = ROUTE_OUT;
    d->target.addrs[1] = addr_eq(asked, &a4) ? a6 : a4;
    d->target.n = 2;
}

/* Keeps the addresses that can be tried. A literal one is tried as it is: its failure is what
 * the agent should see. */
static void take_addresses(struct dial *d, const struct dial_target *t)
{
    d->target = *t;
    d->target.n = 0;
    for (size_t i = 0; i < t->n; i++) {
        enum route route = t->named ? route_to(&t->addrs[i], t->port) : ROUTE_OUT;

        if (!addr_usable(&t->addrs[i]) || route == ROUTE_NONE)
            continue;
        d->routes[d->target.n] = route;
        d->target.addrs[d->target.n++] = t->addrs[i];
    }
    add_other_loopback(d);
}

struct dial *dial_start(struct gate *g, const struct dial_target *t, dial_fn *fn, void *arg)
{
    static const struct timeval now = {0, 0};
    struct dial *d = xcalloc(1, sizeof(*d));

    d->gate = g;
    take_addresses(d, t);
    d->fn = fn;
    d->arg = arg;
    d->result.fd = -1;
    d->result.error = d->target.n == 0 ? "no usable address" : "not allowed";
    for (size_t i = 0; i < DIAL_ADDRS_MAX; i++)
        d->attempts[i] = (struct attempt){.dial = d, .fd = -1};
    event_assign(&d->stagger, g->base, -1, 0, on_stagger, d);
    event_add(&d->stagger, &now); /* the first address is asked about from the loop */
    return d;
}
