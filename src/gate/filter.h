/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - what looks at a body on its way through the gate: detectors, model streams.
 *
 * An exchange (exchange.h) has a chain of filters for each direction. Bytes of the message go in at
 * the first, and what comes out of the last goes on to the peer. A filter may keep bytes back,
 * change them, wait for a verdict of the judge, or cut the message off.
 *
 *   feed    takes all of in[0..n) and appends to `out` what may go on. It may keep bytes back, at
 *           most FILTER_HOLD_MAX; more is FILTER_CUT.
 *   go_on   after WAIT, once the filter has called filter_resume(): appends what is let go.
 *   end     the message is complete: appends what is left. It is called once, after the last feed
 * (and never while the filter waits). free    the exchange is over, whatever the filter was doing:
 * it cancels its questions.
 *
 * WAIT: what is in `out` goes on, the filter is not fed until it has called filter_resume() (from
 * the event loop, not from within one of these); the peer feels that as back-pressure. CUT: what is
 * in `out` still goes on, then the message is over: `reason` says why and, if a verdict did,
 * `verdict_event` which. The head of a request is not sent before the first byte of its body comes
 * out of the chain (or its end), so a request that is cut before is answered with the refusal;
 * later its stream is reset. `polite`: out holds a proper end (a last event of a stream), so the
 * message ends in order instead.
 */
#ifndef BELAY_GATE_FILTER_H
#define BELAY_GATE_FILTER_H

#include "gate/request_ask.h"
#include "gate/state.h"
#include "http/http.h"

#define FILTER_HOLD_MAX (8u << 20) /* bytes that one filter may keep back */

enum filter_result { FILTER_OK, FILTER_WAIT, FILTER_CUT };

enum filter_way {
    FILTER_UP,  /* the request's body, on its way to the server */
    FILTER_DOWN /* the response's, on its way to the agent */
};

struct creds_place;

/* The exchange, as its filters see it. Lives as long as they do. */
struct filter_context {
    struct gate *gate;
    enum filter_way way;
    struct str host; /* canonical name, or the text of an address: the resource that was judged */
    uint16_t port;
    const struct http_head *request;
    const struct http_head *response; /* NULL for FILTER_UP */
    uint64_t event;  /* of the verdict that allowed the request: the cause of what comes of it */
    uint32_t duties; /* of that verdict */
    uint32_t id;     /* of that action */
    /* The question that was asked, to ask it again with more in it: for each reading of the path.
     */
    const struct request_question *asked;
    const struct str *paths;
    unsigned npaths;
    const struct creds_place *place; /* where the request goes; lives as long as this */
    /* Set by a maker of FILTER_UP: it will want to read the response, so the server is asked not to
     * compress it. */
    bool *plain;
    const bool *sent; /* the request's head has gone to the server */
};

struct filter;

struct filter_ops {
    enum filter_result (*feed)(struct filter *f, const void *in, size_t n, struct buf *out);
    enum filter_result (*go_on)(struct filter *f, struct buf *out);
    enum filter_result (*end)(struct filter *f, struct buf *out);
    void (*free)(struct filter *f);
};

/* First member of each filter's own struct. */
struct filter {
    const struct filter_ops *ops;
    const struct filter_context *context;
    bool changes;           /* what comes out may have another length than what went in */
    bool polite;            /* with CUT, see above */
    const char *reason;     /* with CUT: printable, lives as long as the filter */
    uint64_t verdict_event; /* with CUT: 0 when no verdict did it */
    /* The rest is the chain's. */
    struct filter *next;
    struct filter_chain *chain;
    struct buf pending; /* came while it waited */
    bool waits, resumed, end_called;
};

/* Looks at the context and gives a filter, or NULL when it has nothing to look at. */
typedef struct filter *filter_maker(const struct filter_context *c);

/* After WAIT: the filter can go on. The last thing its caller does: the filter may be gone
 * afterwards. */
void filter_resume(struct filter *f);

/* The chain: what the exchange sees. */

struct filter_chain {
    struct filter *first;
    bool changes; /* one of them does */
    bool ending;  /* the message is complete */
    const struct filter *cutter;
    void (*resume)(void *arg); /* a filter that waited can go on: call filter_chain_go_on() */
    void *arg;
};

/* Makes the filters for this context, which must live as long. */
void filter_chain_make(struct filter_chain *c, const struct filter_context *context,
                       void (*resume)(void *arg), void *arg);
void filter_chain_free(struct filter_chain *c);

/* OK: all that could go on is in `out`. WAIT: so is what could; do not feed before go_on. CUT:
 * `out` is the last of it; see c->cutter. */
enum filter_result filter_chain_feed(struct filter_chain *c, const void *in, size_t n,
                                     struct buf *out);
enum filter_result filter_chain_go_on(struct filter_chain *c, struct buf *out);
enum filter_result filter_chain_end(struct filter_chain *c, struct buf *out);

#endif
