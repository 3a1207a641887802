/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/http_door.h"

#include "base/mem.h"
#include "gate/clock.h"
#include "gate/exchange.h"
#include "gate/socket.h"
#include "gate/tls.h"

#include <assert.h>
#include <stdlib.h>

enum { GRACE_MS = 3000 };

static void on_open(void *arg)
{
    struct http_door *d = arg;

    d->h2 = d->link.ssl != NULL && tls_is_h2(d->link.ssl);
    link_speak(&d->link,
               d->h2 ? http2_new(HTTP_SERVER, true, &exchange_down_hooks, d)
                     : http1_new(HTTP_SERVER, d->link.ssl != NULL, &exchange_down_hooks, d));
}

static void on_after(void *arg)
{
    exchange_end_broken(arg);
}

static void on_ended(void *arg, const char *error)
{
    struct http_door *d = arg;
    bool malformed = d->link.http != NULL && http_error(d->link.http) != NULL;
    const struct http_door_end end = {.error = error,
                                      .refused = malformed || d->link.pinned,
                                      .up = d->link.in,
                                      .down = d->link.out};

    link_free(&d->link); /* its exchanges are over by then */
    assert(d->nexchanges == 0);
    d->ended(d->arg, &end);
    free(d);
}

static const struct link_hooks hooks = {on_open, on_after, on_ended};

struct http_door *http_door_new(struct gate *g, const struct upstream_wish *wish, int fd,
                                uint32_t id, http_door_fn *ended, void *arg)
{
    SSL *ssl = wish->tls ? tls_accept(g->tls, fd, wish->host) : NULL;
    struct http_door *d;

    if (wish->tls && ssl == NULL)
        return NULL;
    d = xcalloc(1, sizeof(*d));
    d->gate = g;
    d->wish = *wish;
    d->id = id;
    d->ended = ended;
    d->arg = arg;
    d->waits_since = clock_ms();
    socket_prepare(fd);
    link_start(&d->link, g->base, fd, ssl, true, &hooks, d);
    d->link.meter = &g->meter;
    return d;
}

/* The beginning of a head has come, and not its end. HTTP/2 counts that for itself. */
static bool head_is_late(struct http_door *d, int64_t now)
{
    const int64_t limit = (int64_t)d->gate->limits.head_seconds * 1000;

    if (d->nexchanges > 0 || d->h2 || (d->link.opened && d->link.in == d->served)) {
        d->waits_since = 0;
        return false;
    }
    if (d->waits_since == 0)
        d->waits_since = now;
    return now - d->waits_since >= limit;
}

/* A client that has closed its side may still wait for answers to what was allowed; but nobody is
 * asked on and on for one that may be gone. */
static bool seems_gone(struct http_door *d, int64_t now)
{
    bool judging = false;

    for (const struct exchange *x = d->exchanges; x != NULL; x = x->next)
        judging |= x->state == EXCHANGE_JUDGING;
    if (!d->link.hung_up || !judging) {
        d->closed_since = 0;
        return false;
    }
    if (d->closed_since == 0)
        d->closed_since = now;
    return now - d->closed_since >= GRACE_MS;
}

void http_door_sweep(struct http_door *d, int64_t now)
{
    const struct gate_limits *l = &d->gate->limits;
    int64_t idle = now - d->link.active;

    if (seems_gone(d, now))
        link_close(&d->link, "client went away");
    else if (head_is_late(d, now))
        link_close(&d->link, "the head of a request did not come in time");
    else if (d->nexchanges == 0 && idle >= (int64_t)l->keep_seconds * 1000)
        link_close(&d->link, NULL);
    else if (idle >= (int64_t)l->idle_seconds * 1000)
        link_close(&d->link, "idle for too long");
}

void http_door_reloaded(struct http_door *d)
{
    d->stale = true;
}
