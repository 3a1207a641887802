/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/upstream.h"

#include "base/mem.h"
#include "gate/clock.h"
#include "gate/socket.h"
#include "gate/tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SWEEP_SECONDS = 5 };

struct upstream_wait {
    struct upstream_place *place;
    struct upstream_wait *next;
    upstream_fn *fn;
    void *arg;
};

/* A connection that does not exist yet. */
struct opening {
    struct upstream_place *place;
    struct opening *next;
    struct lookup *lookup;
    struct dial *dial;
    int64_t began;
};

struct upstream_place {
    struct upstreams *all;
    struct upstream_place *next, **link;
    char host[NAME_TEXT_MAX + 1], dialled[ADDR_TEXT_MAX];
    struct upstream_wish wish; /* its strings are the two above */
    bool one_by_one;           /* the server speaks HTTP/1 */
    size_t n, unready, nopening, nwaiting;
    struct upstream *first;
    struct opening *openings;
    struct upstream_wait *waiting, **last;
    struct event serve; /* there may be something to give */
};

struct upstreams {
    struct gate *gate;
    const struct http_hooks *hooks;
    size_t n;
    struct upstream_place *places;
    struct event sweep;
};

static void serve_soon(struct upstream_place *p)
{
    event_active(&p->serve, EV_TIMEOUT, 1);
}

static bool unused(const struct upstream_place *p)
{
    return p->n == 0 && p->nopening == 0 && p->waiting == NULL;
}

static void forget_place(struct upstream_place *p)
{
    event_del(&p->serve);
    *p->link = p->next;
    if (p->next != NULL)
        p->next->link = p->link;
    free(p);
}

static struct upstream_wait *next_waiting(struct upstream_place *p)
{
    struct upstream_wait *w = p->waiting;

    p->waiting = w->next;
    if (p->waiting == NULL)
        p->last = &p->waiting;
    p->nwaiting--;
    return w;
}

/* Everybody who waits now is told. */
static void fail_all(struct upstream_place *p, const struct upstream_failure *why)
{
    for (size_t n = p->nwaiting; n > 0 && p->waiting != NULL; n--) {
        struct upstream_wait *w = next_waiting(p);

        w->fn(w->arg, NULL, why);
        free(w);
    }
}

/* A way that was tried led nowhere. Others may still be open. */
static void failed(struct upstream_place *p, unsigned status, const char *reason)
{
    if (p->nopening == 0 && p->unready == 0)
        fail_all(p, &(struct upstream_failure){status, reason});
    serve_soon(p);
}

static void note(const struct upstream *u)
{
    gate_note(u->all->gate->asker,
              &(struct note){.id = u->id,
                             .event = u->event,
                             .kind = "connection",
                             .text = u->link.error != NULL ? u->link.error : "",
                             .address = u->address,
                             .port = u->place->wish.port,
                             .up = u->link.out,
                             .down = u->link.in,
                             .ms = (uint64_t)(clock_ms() - u->began)});
}

static void on_open(void *arg)
{
    struct upstream *u = arg;
    bool h2 = u->link.ssl != NULL && tls_is_h2(u->link.ssl);

    event_del(&u->patience);
    u->ready = true;
    u->place->unready--;
    if (!h2)
        u->place->one_by_one = true;
    link_speak(&u->link, h2 ? http2_new(HTTP_CLIENT, true, u->all->hooks, u)
                            : http1_new(HTTP_CLIENT, u->link.ssl != NULL, u->all->hooks, u));
    serve_soon(u->place);
}

static void on_after(void *arg)
{
    struct upstream *u = arg;

    if (u->stale && http_streams(u->link.http) == 0)
        link_close(&u->link, NULL);
    if (u->place->waiting != NULL)
        serve_soon(u->place);
}

static void on_ended(void *arg, const char *error)
{
    struct upstream *u = arg;
    struct upstream_place *p = u->place;

    event_del(&u->patience);
    if (u->prev != NULL)
        u->prev->next = u->next;
    else
        p->first = u->next;
    if (u->next != NULL)
        u->next->prev = u->prev;
    p->n--;
    u->all->n--;
    note(u);
    bool was_ready = u->ready;

    if (!was_ready)
        p->unready--;
    link_free(&u->link);
    free(u);
    if (was_ready)
        serve_soon(p);
    else
        failed(p, 502, error != NULL ? error : "the connection was closed");
}

static const struct link_hooks link_hooks = {on_open, on_after, on_ended};

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *u = arg;

    (void)fd;
    (void)what;
    link_close(&u->link, "the server does not answer (TLS)");
}

/* The socket is connected; TLS follows where it is wanted. */
static void connected(struct upstream_place *p, const struct dial_result *r, int64_t began)
{
    struct upstreams *all = p->all;
    const unsigned ms = all->gate->limits.connect_ms;
    const struct timeval patience = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};
    struct upstream *u = xcalloc(1, sizeof(*u));
    const char *why = NULL;
    SSL *ssl = NULL;

    u->all = all;
    u->place = p;
    u->began = began;
    u->id = r->id;
    u->event = r->event;
    addr_text(&r->addr, u->address);
    if (p->wish.tls)
        ssl = tls_connect(all->gate->tls, r->fd, str_of(p->host), p->wish.http1, &why);
    u->next = p->first;
    if (u->next != NULL)
        u->next->prev = u;
    p->first = u;
    p->n++;
    p->unready++;
    all->n++;
    socket_prepare(r->fd);
    event_assign(&u->patience, all->gate->base, -1, 0, on_patience, u);
    event_add(&u->patience, &patience);
    link_start(&u->link, all->gate->base, r->fd, ssl, false, &link_hooks, u);
    if (why != NULL)
        link_close(&u->link, why);
}

static void forget_opening(struct opening *o)
{
    struct opening **at = &o->place->openings;

    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    o->place->nopening--;
    free(o);
}

static void on_dialed(void *arg, const struct dial_result *r)
{
    struct opening *o = arg;
    struct upstream_place *p = o->place;
    int64_t began = o->began;

    forget_opening(o);
    if (r->fd >= 0)
        connected(p, r, began);
    else if (r->refusal[0] != '\0')
        failed(p, 403, r->refusal);
    else
        failed(p, 502, r->error);
}

static void dial(struct opening *o, const struct addr *addrs, size_t n)
{
    const struct upstream_wish *w = &o->place->wish;
    struct dial_target t = {.host = w->host,
                            .named = w->named,
                            .dialled = w->dialled,
                            .cause = w->cause,
                            .port = w->port,
                            .n = n};

    memcpy(t.addrs, addrs, n * sizeof(addrs[0]));
    o->dial = dial_start(o->place->all->gate, &t, on_dialed, o);
}

static void on_lookup(void *arg, const struct addr *addrs, size_t n, const char *error)
{
    struct opening *o = arg;
    struct upstream_place *p = o->place;

    o->lookup = NULL;
    if (n > 0) {
        dial(o, addrs, n);
        return;
    }
    forget_opening(o);
    failed(p, 502, error);
}

static void open_one(struct upstream_place *p)
{
    struct opening *o = xcalloc(1, sizeof(*o));
    struct name name;

    o->place = p;
    o->began = clock_ms();
    o->next = p->openings;
    p->openings = o;
    p->nopening++;
    if (!p->wish.named) {
        dial(o, &p->wish.address, 1);
        return;
    }
    if (name_from_text(p->wish.host, &name))
        o->lookup = lookup_start(p->all->gate->resolver, &name, on_lookup, o);
    if (o->lookup == NULL) {
        forget_opening(o);
        failed(p, 503, "too many lookups at a time");
    }
}

static struct upstream *find_free(const struct upstream_place *p)
{
    for (struct upstream *u = p->first; u != NULL; u = u->next)
        if (u->ready && !u->stale && !u->link.closing && !u->link.eof &&
            http_can_request(u->link.http))
            return u;
    return NULL;
}

/* As many as wait, one for all as long as the server may speak HTTP/2. */
static void open_more(struct upstream_place *p)
{
    const size_t coming = p->nopening + p->unready;
    size_t want = p->nwaiting > coming ? p->nwaiting - coming : 0;

    if (p->wish.tls && !p->wish.http1 && !p->one_by_one)
        want = coming == 0 ? 1 : 0;
    while (want-- > 0 && p->waiting != NULL && p->n + p->nopening < UPSTREAM_EACH_MAX) {
        if (p->all->n >= p->all->gate->limits.connections) {
            failed(p, 503, "too many connections at a time");
            return;
        }
        open_one(p);
    }
}

static void on_serve(evutil_socket_t fd, short what, void *arg)
{
    struct upstream_place *p = arg;
    struct upstream *u;

    (void)fd;
    (void)what;
    while (p->waiting != NULL && (u = find_free(p)) != NULL) {
        struct upstream_wait *w = next_waiting(p);

        w->fn(w->arg, u, NULL);
        free(w);
        link_poke(&u->link);
    }
    if (p->waiting != NULL)
        open_more(p);
    else if (unused(p))
        forget_place(p);
}

static bool same(const struct upstream_place *p, const struct upstream_wish *w)
{
    return str_eq(p->wish.host, w->host) && p->wish.port == w->port && p->wish.tls == w->tls &&
           p->wish.http1 == w->http1 && p->wish.named == w->named &&
           (w->named || addr_eq(&p->wish.address, &w->address));
}

static struct upstream_place *place_of(struct upstreams *all, const struct upstream_wish *w)
{
    struct upstream_place *p = all->places;

    while (p != NULL && !same(p, w))
        p = p->next;
    if (p == NULL) {
        p = xcalloc(1, sizeof(*p));
        p->all = all;
        p->last = &p->waiting;
        p->link = &all->places;
        p->next = all->places;
        if (p->next != NULL)
            p->next->link = &p->next;
        all->places = p;
        event_assign(&p->serve, all->gate->base, -1, 0, on_serve, p);
    }
    p->wish = *w;
    memcpy(p->host, w->host.p, w->host.n);
    p->host[w->host.n] = '\0';
    memcpy(p->dialled, w->dialled.p, w->dialled.n);
    p->dialled[w->dialled.n] = '\0';
    p->wish.host = str_of(p->host);
    p->wish.dialled = str_of(p->dialled);
    return p;
}

struct upstream_wait *upstream_get(struct upstreams *all, const struct upstream_wish *wish,
                                   upstream_fn *fn, void *arg)
{
    struct upstream_place *p = place_of(all, wish);
    struct upstream_wait *w = xcalloc(1, sizeof(*w));

    *w = (struct upstream_wait){.place = p, .fn = fn, .arg = arg};
    *p->last = w;
    p->last = &w->next;
    p->nwaiting++;
    serve_soon(p);
    return w;
}

void upstream_cancel(struct upstream_wait *w)
{
    struct upstream_place *p = w->place;
    struct upstream_wait **at = &p->waiting;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (p->last == &w->next)
        p->last = at;
    p->nwaiting--;
    free(w);
    serve_soon(p);
}

struct http_stream *upstream_request(struct upstream *u, const struct http_head *head)
{
    u->requests++;
    return http_request(u->link.http, head);
}

void upstream_adopt(struct upstreams *all, const struct upstream_wish *w,
                    const struct dial_result *r)
{
    connected(place_of(all, w), r, clock_ms());
}

static void retire(struct upstream *u)
{
    u->stale = true;
    if (u->ready && http_streams(u->link.http) == 0)
        link_close(&u->link, NULL);
}

void upstreams_forget(struct upstreams *all)
{
    for (struct upstream_place *p = all->places; p != NULL; p = p->next)
        for (struct upstream *u = p->first; u != NULL; u = u->next)
            retire(u);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct upstreams *all = arg;
    const int64_t now = clock_ms();

    (void)fd;
    (void)what;
    for (struct upstream_place *p = all->places; p != NULL; p = p->next)
        for (struct upstream *u = p->first; u != NULL; u = u->next)
            if (u->ready && http_streams(u->link.http) == 0 &&
                now - u->link.active >= UPSTREAM_IDLE_MS)
                retire(u);
}

struct upstreams *upstreams_new(struct gate *g, const struct http_hooks *hooks)
{
    const struct timeval period = {SWEEP_SECONDS, 0};
    struct upstreams *all = xcalloc(1, sizeof(*all));

    all->gate = g;
    all->hooks = hooks;
    event_assign(&all->sweep, g->base, -1, EV_PERSIST, on_sweep, all);
    event_add(&all->sweep, &period);
    return all;
}
