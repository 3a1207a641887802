/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_door.h - a connection of the agent that is opened: the gate is the server that it speaks to.
 *
 * It holds the exchanges (exchange.h) of the connection. Each request is judged; where it goes was
 * judged when the connection was allowed, and is again before the next request when the policy has
 * changed since.
 */
#ifndef BELAY_GATE_HTTP_DOOR_H
#define BELAY_GATE_HTTP_DOOR_H

#include "gate/link.h"
#include "gate/upstream.h"

struct exchange;

/* How it ended; the door is gone when the function returns. */
struct http_door_end {
    const char *error; /* NULL: in order */
    bool refused;      /* the gate ended it for what the client did */
    uint64_t up, down; /* bytes of HTTP */
};
typedef void http_door_fn(void *arg, const struct http_door_end *end);

struct http_door {
    struct link link;
    struct gate *gate;
    struct upstream_wish wish; /* where its requests go; strings are the owner's */
    uint32_t id;     /* of the action that allowed the connection; its event: wish.cause */
    uint32_t duties; /* of its verdict */
    bool h2;
    bool stale;           /* the policy has changed: ask about the connection again */
    uint64_t served;      /* bytes that had come when the last exchange was over */
    int64_t closed_since; /* by the client, while the judge is asked; 0: it is not */
    int64_t waits_since;  /* for the rest of a head, 0: for none */
    struct exchange *exchanges;
    size_t nexchanges;
    http_door_fn *ended;
    void *arg;
};

/* Takes the socket. The wish's strings live as long as the door; `cause` is the event that allowed
 * the connection, `id` its action's. With `tls`, the client begins with a TLS greeting, whose name
 * was checked. NULL: not possible, fd is still the caller's. The caller sets `duties`. */
struct http_door *http_door_new(struct gate *g, const struct upstream_wish *wish, int fd,
                                uint32_t id, http_door_fn *ended, void *arg);
/* From time to time: ends it if it is idle or dawdles. */
void http_door_sweep(struct http_door *d, int64_t now);
/* Another policy holds. */
void http_door_reloaded(struct http_door *d);

#endif
