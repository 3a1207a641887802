/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - what the parts of the gate share: one of it, made by gate.c, lives to the end. */
#ifndef BELAY_GATE_STATE_H
#define BELAY_GATE_STATE_H

#include "gate/ask.h"
#include "gate/creds.h"
#include "gate/gate.h"
#include "gate/hostcfg.h"
#include "gate/lookup.h"
#include "gate/meter.h"
#include "gate/pool.h"

struct doors;
struct scanner;
struct tls;
struct upstreams;

/* What the gate turns away by itself, without a question to the judge. Counted, and told to the
 * judge at most once a second each. REFUSAL(symbol, words for the record) */
#define REFUSALS(X)                                                 \
    X(NAME_FORM, "DNS question for something that is no host name") \
    X(NAME_RATE, "more new names than the limit allows")            \
    X(NAME_ROOM, "no address left for another name")                \
    X(PENDING, "too many questions wait for a verdict")             \
    X(STALE, "connection to an address that stands for no name")    \
    X(ORIGIN, "connection whose destination is not known")          \
    X(BYTES, METER_OVER)                                            \
    X(DNS_SESSIONS, "too many DNS connections")                     \
    X(DNS_FORM, "malformed DNS question")

enum refusal {
#define X(sym, words) REFUSAL_##sym,
    REFUSALS(X)
#undef X
        REFUSAL_COUNT
};

struct gate {
    struct event_base *base;
    struct gate_limits limits;
    struct meter meter; /* of all connections */
    bool ipv6; /* the agent's network has it */
    struct hostcfg hostcfg;
    struct asker *asker;
    struct pool *pool;
    struct resolver *resolver;
    struct tls *tls; /* NULL: the policy opens nothing */
    struct doors *doors;
    struct scanner *scanner;
    struct upstreams *upstreams;     /* connections to servers of what is opened */
    size_t requests;                 /* of opened connections, alive */
    struct creds *creds;             /* NULL: none are configured */
    struct inferences *inferences;   /* requests to models, alive (inference.h) */
    const char *prices;              /* lines of belay.yaml; NULL: none */
    uint64_t refused[REFUSAL_COUNT]; /* since they were told last */
    struct event *tell;
};

/* Counts it, and sees that the judge is told. */
void gate_refuse(struct gate *g, enum refusal why);

#endif
