/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - one request of the agent and its answer, from head to end.
 *
 *   checked    is it for the host and port that the connection was allowed to?
 *   JUDGING    may it be made? The judge is asked before anything of it leaves.
 *   WAITING    for a connection to the server (upstream.h), or for the filters to let out the first
 *              bytes of the body: the head is not sent before
 *   SENT       the request is on its way, or has gone; its answer comes, or comes through
 *   ANSWERED   by the gate: a refusal, or what went wrong. Many a client takes an answer for an
 * error that comes while it still sends: a short body is waited for, and dropped.
 *
 * Bodies flow through filters (flow.h). What the server says is passed on as it comes.
 */
#ifndef BELAY_GATE_EXCHANGE_H
#define BELAY_GATE_EXCHANGE_H

#include "base/mem.h"
#include "gate/answer.h"
#include "gate/creds.h"
#include "gate/flow.h"
#include "gate/http_door.h"
#include "gate/upstream.h"

enum exchange_state { EXCHANGE_JUDGING, EXCHANGE_WAITING, EXCHANGE_SENT, EXCHANGE_ANSWERED };

struct exchange {
    struct http_door *door;
    struct exchange *next, *prev; /* of the same door */
    enum exchange_state state;
    struct arena mem;
    struct http_stream *down, *up; /* NULL: not there, or over */
    struct upstream *upstream;     /* valid while `up` is there */
    struct http_head request, response;
    struct str paths[2]; /* the path in its readings (http/target.h), each to be judged */
    unsigned npaths, judged;
    struct str query;
    struct request_question asked;
    struct creds_place place;     /* where it goes, as credentials see it */
    struct creds_finding carries; /* the credential that the head has */
    struct str inject;            /* the one that the verdict puts in; empty: none */
    struct answer late;           /* to be sent once the request is complete */
    bool is_late;
    bool broken;    /* the server broke off: what came is passed on, then the agent is told */
    bool responded; /* the head of a final answer went to the agent */
    bool reused;    /* the server's connection had served before */
    bool plain;     /* the server is not to compress its answer */
    bool sent;      /* it has gone to a server */
    unsigned tries;
    struct flow sending, receiving; /* the request's body; the response's */
    struct filter_context sending_as, receiving_as;
    uint32_t question;
    struct upstream_wait *wait;
    uint32_t id; /* of the action that allowed it, its event */
    uint64_t event;
    uint32_t duties;
    int64_t began;
    const char *error; /* for the note */
};

/* The door has sent what it could: those that broke off in the middle end now. */
void exchange_end_broken(struct http_door *d);

/* Of the streams of doors (argument: the struct http_door) and of upstreams. */
extern const struct http_hooks exchange_down_hooks, exchange_up_hooks;

#endif
