/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upstream.h - connections to servers, kept and shared by the requests that go to the same place.
 *
 * A place is a host as it was judged, a port, TLS or not. Each connection was resolved, judged by
 * its address and dialled (dial.h) for its place, and stays with that address. HTTP/2 carries many
 * requests at once, HTTP/1 one after the other; what is idle for UPSTREAM_IDLE_MS is closed.
 */
#ifndef BELAY_GATE_UPSTREAM_H
#define BELAY_GATE_UPSTREAM_H

#include "gate/dial.h"
#include "gate/link.h"
#include "gate/name.h"

#define UPSTREAM_IDLE_MS  60000
#define UPSTREAM_EACH_MAX 256 /* connections to one place */

struct upstreams;
struct upstream_place;

struct upstream {
    struct link link;
    struct upstreams *all;
    struct upstream_place *place;
    struct upstream *next, *prev;
    struct event patience; /* for the handshake */
    bool ready;            /* speaks HTTP */
    bool stale;            /* judged under another policy: for no further request */
    uint64_t requests;     /* begun on it */
    int64_t began;
    uint32_t id; /* of the action that allowed it, and its event */
    uint64_t event;
    char address[ADDR_TEXT_MAX];
};

/* Where a request wants to go. */
struct upstream_wish {
    struct str host; /* as judged */
    bool named;      /* a name; else `address` is all there is */
    struct addr address;
    uint16_t port;
    bool tls;
    bool http1;         /* nothing else will do */
    struct str dialled; /* see action.h */
    uint64_t cause;     /* event of the verdict on the connection */
};

struct upstream_failure {
    unsigned status;    /* 403, 502, 503, 504 */
    const char *reason; /* printable */
};

/* One of the two is NULL. A request must begin at once (upstream_request), or the connection goes
 * to somebody else. */
typedef void upstream_fn(void *arg, struct upstream *u, const struct upstream_failure *why);

struct upstream_wait;

/* `hooks`: of all streams to servers; their connection's argument is the struct upstream. */
struct upstreams *upstreams_new(struct gate *g, const struct http_hooks *hooks);
/* fn is called later, from the loop, exactly once unless cancelled. The wish's strings are copied.
 */
struct upstream_wait *upstream_get(struct upstreams *all, const struct upstream_wish *w,
                                   upstream_fn *fn, void *arg);
void upstream_cancel(struct upstream_wait *w);

/* NULL: not possible (the head cannot be sent as it is). */
struct http_stream *upstream_request(struct upstream *u, const struct http_head *head);

/* The policy is another one: what is connected serves no new request. */
void upstreams_forget(struct upstreams *all);

/* Takes over a connection that was dialled already: the next request to its place has it. */
void upstream_adopt(struct upstreams *all, const struct upstream_wish *w,
                    const struct dial_result *r);

#endif
