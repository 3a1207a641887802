/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/conn.h"

#include "base/mem.h"
#include "gate/clock.h"
#include "gate/dial.h"
#include "gate/refusal.h"
#include "gate/relay.h"
#include "gate/sni.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SWEEP_SECONDS = 5, KEEPALIVE_IDLE = 60, KEEPALIVE_INTERVAL = 20, KEEPALIVE_PROBES = 4 };

enum conn_state { CONN_ASKING, CONN_LOOKUP, CONN_DIALING, CONN_REFUSING, CONN_RELAY };

struct conn {
    struct conns *all;
    struct conn *prev, *next;
    enum conn_state state;
    int fd;            /* the agent's side until RELAY */
    struct host *host; /* held; NULL for a literal address */
    struct dial_target target;
    char text[ADDR_TEXT_MAX]; /* the address that the agent dialled; target points to it */
    struct event watch, grace;
    uint32_t question;
    struct lookup *lookup;
    struct dial *dial;
    struct relay relay;
    int64_t began, active;
    uint64_t seen;                  /* relay_bytes at the last sweep */
    const char *objection;          /* why the inspection refused */
    char refusal[REFUSAL_TEXT_MAX]; /* what the agent is told while REFUSING */
    /* for the note: the action that allowed it */
    uint32_t id;
    uint64_t event;
    char address[ADDR_TEXT_MAX]; /* "" while there is none */
};

struct conns {
    struct gate *gate;
    void (*room)(void *arg);
    void *arg;
    size_t n;
    struct conn *head;
    struct event sweep;
};

size_t conns_count(const struct conns *c)
{
    return c->n;
}

static void note(struct conn *c, const char *error)
{
    if (c->id == 0)
        return; /* never allowed: the verdict says it all */
    gate_note(c->all->gate->asker,
              &(struct note){.id = c->id,
                             .event = c->event,
                             .kind = c->objection != NULL ? "refused" : "connection",
                             .text = error != NULL ? error : "",
                             .address = c->address[0] != '\0' ? c->address : NULL,
                             .port = c->target.port,
                             .up = c->relay.way[0].total,
                             .down = c->relay.way[1].total,
                             .ms = (uint64_t)(clock_ms() - c->began)});
}

/* Takes it off the books; what it holds open was released before. */
static void forget(struct conn *c)
{
    struct conns *all = c->all;

    if (c->host != NULL)
        pool_release(all->gate->pool, c->host, clock_ms());
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        all->head = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    all->n--;
    free(c);
    all->room(all->arg);
}

/* Before RELAY: the agent's connection is reset. */
static void drop(struct conn *c, const char *error)
{
    assert(c->state != CONN_RELAY);
    event_del(&c->watch);
    event_del(&c->grace);
    gate_ask_cancel(c->all->gate->asker, c->question);
    if (c->lookup != NULL)
        lookup_cancel(c->lookup);
    if (c->dial != NULL)
        dial_cancel(c->dial);
    close_with_reset(c->fd);
    note(c, error);
    forget(c);
}

/* The judge said no: the agent's connection is reset, as soon as it could be told why. */
static void refuse(struct conn *c)
{
    static const struct timeval patience = {0, REFUSAL_WAIT_MS * 1000};

    if (refusal_tell(c->fd, c->refusal)) {
        drop(c, "not allowed");
        return;
    }
    c->state = CONN_REFUSING;
    event_add(&c->grace, &patience); /* also when the client is in its grace already */
}

static void on_relay_done(void *arg, const char *error)
{
    struct conn *c = arg;

    note(c, c->objection != NULL ? c->objection : error);
    forget(c);
}

static void prepare_socket(int fd)
{
    const int on = 1, idle = KEEPALIVE_IDLE, interval = KEEPALIVE_INTERVAL,
              probes = KEEPALIVE_PROBES;

    /* Each is a refinement: the connection works without. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* Looks at the first bytes without taking them: if they are TLS, do they name the host that was
 * judged? */
static enum inspect inspect(void *arg, int fd)
{
    uint8_t first[SNI_HELLO_MAX + 64];
    struct conn *c = arg;
    struct sni sni;
    ssize_t n = recv(fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return INSPECT_MORE;
    switch (sni_parse(first, n > 0 ? (size_t)n : 0, &sni)) {
    case SNI_NOT_TLS:
        return INSPECT_PASS;
    case SNI_MORE:
        return INSPECT_MORE;
    case SNI_OK:
        c->objection = sni_objection(&sni, c->target.host, c->target.named, c->target.port);
        break;
    case SNI_BAD:
        c->objection = "malformed TLS greeting";
        break;
    }
    if (c->objection == NULL)
        return INSPECT_PASS;
    (void)refusal_tell(fd, c->objection);
    return INSPECT_REFUSE;
}

static void on_dialed(void *arg, const struct dial_result *r)
{
    struct conn *c = arg;

    c->dial = NULL;
    if (r->allowed) {
        c->id = r->id;
        c->event = r->event;
        addr_text(&r->addr, c->address);
    }
    if (r->fd < 0 && r->refusal[0] != '\0') {
        memcpy(c->refusal, r->refusal, sizeof(c->refusal));
        refuse(c);
        return;
    }
    if (r->fd < 0) {
        drop(c, r->error);
        return;
    }
    event_del(&c->watch);
    event_del(&c->grace);
    prepare_socket(c->fd);
    prepare_socket(r->fd);
    c->state = CONN_RELAY;
    c->active = clock_ms();
    relay_start(&c->relay, c->all->gate->base, c->fd, r->fd, inspect, on_relay_done, c);
}

static void dial(struct conn *c)
{
    c->state = CONN_DIALING;
    c->dial = dial_start(c->all->gate, &c->target, on_dialed, c);
}

static void on_lookup(void *arg, const struct addr *addrs, size_t n, const char *error)
{
    struct conn *c = arg;

    c->lookup = NULL;
    if (n == 0) {
        drop(c, error);
        return;
    }
    c->target.n = n;
    memcpy(c->target.addrs, addrs, n * sizeof(addrs[0]));
    dial(c);
}

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct conn *c = arg;

    c->question = 0;
    if (v->outcome != OUTCOME_ALLOW) {
        refusal_text(c->refusal, v);
        refuse(c);
        return;
    }
    c->id = id;
    c->event = c->target.cause = v->event;
    c->state = CONN_LOOKUP;
    c->lookup = lookup_start(c->all->gate->resolver, &c->host->name, on_lookup, c);
}

static void ask_by_name(struct conn *c)
{
    struct gate *g = c->all->gate;
    struct action a;

    action_init(&a, VERB_CONNECT, RESOURCE_HOST, c->target.host);
    action_int(&a, FIELD_PORT, c->target.port);
    action_int(&a, FIELD_NAMED, 1);
    a.dialled = c->target.dialled;
    c->question = gate_ask(g->asker, &a, on_verdict, c);
    if (c->question != 0)
        return;
    gate_refuse(g, REFUSAL_PENDING);
    drop(c, NULL);
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    drop(c, c->state == CONN_REFUSING ? "not allowed" : "client went away");
}

/* The agent's side while it is held: an error is its end, a close may be half a close. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval grace = {CONN_GRACE_MS / 1000, CONN_GRACE_MS % 1000 * 1000};
    struct conn *c = arg;
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0)
        drop(c, "client went away");
    else if (c->state == CONN_REFUSING)
        refuse(c);
    else if ((what & EV_CLOSED) != 0 && !event_pending(&c->grace, EV_TIMEOUT, NULL))
        event_add(&c->grace, &grace);
}

static void aim(struct conn *c, const struct addr *to, uint16_t port)
{
    c->target.port = port;
    addr_text(to, c->text);
    c->target.dialled = str_of(c->text);
    if (c->host != NULL) {
        c->target.host = name_str(&c->host->name);
        c->target.named = true;
        return;
    }
    c->target.host = addr_is_loopback(to) ? STR("localhost") : str_of(c->text);
    c->target.n = 1;
    c->target.addrs[0] = *to;
}

void conn_start(struct conns *all, int fd, const struct addr *to, uint16_t port)
{
    struct gate *g = all->gate;
    struct host *host;
    enum pool_class class = pool_classify(g->pool, to, &host);

    if (class == POOL_STALE || class == POOL_RESOLVER) {
        gate_refuse(g, REFUSAL_STALE);
        close_with_reset(fd);
        return;
    }
    struct conn *c = xcalloc(1, sizeof(*c));

    c->all = all;
    c->fd = fd;
    c->began = clock_ms();
    c->next = all->head;
    if (c->next != NULL)
        c->next->prev = c;
    all->head = c;
    all->n++;
    if (host != NULL) {
        pool_hold(g->pool, host);
        c->host = host;
    }
    event_assign(&c->watch, g->base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_watch, c);
    event_assign(&c->grace, g->base, -1, 0, on_grace, c);
    event_add(&c->watch, NULL);
    aim(c, to, port);
    if (host != NULL)
        ask_by_name(c);
    else
        dial(c);
}

/* Connections on which nothing moved for the idle limit are reset. */
static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct conns *all = arg;
    const int64_t now = clock_ms(), limit = (int64_t)all->gate->limits.idle_seconds * 1000;

    (void)fd;
    (void)what;
    for (struct conn *c = all->head, *next; c != NULL; c = next) {
        next = c->next;
        if (c->state != CONN_RELAY)
            continue;
        if (c->seen != relay_bytes(&c->relay)) {
            c->seen = relay_bytes(&c->relay);
            c->active = now;
        } else if (now - c->active >= limit) {
            relay_abort(&c->relay);
            note(c, "idle for too long");
            forget(c);
        }
    }
}

struct conns *conns_new(struct gate *g, void (*room)(void *arg), void *arg)
{
    const struct timeval period = {SWEEP_SECONDS, 0};
    struct conns *all = xcalloc(1, sizeof(*all));

    all->gate = g;
    all->room = room;
    all->arg = arg;
    event_assign(&all->sweep, g->base, -1, EV_PERSIST, on_sweep, all);
    event_add(&all->sweep, &period);
    return all;
}
