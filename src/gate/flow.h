/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - the body of one message on its way from one stream to another, through its filters.
 *
 * What comes is passed on at once if it can be; what cannot is kept, and not taken from where it
 * came, so that at most HTTP_WINDOW waits here (and what filters keep back). The flow only moves
 * bytes: who owns it begins and ends the messages, and pokes the links.
 */
#ifndef BELAY_GATE_FLOW_H
#define BELAY_GATE_FLOW_H

#include "gate/filter.h"

struct flow {
    struct http_stream *from, *to; /* NULL: not there yet, or gone */
    struct filter_chain chain;
    bool waiting; /* a filter is */
    bool cut;     /* a filter cut it: what is in `out` is the last */
    bool ended;   /* all came in, and went through the filters once `through` */
    bool through;
    bool done;      /* the end was passed on */
    struct buf in;  /* came while a filter waited or `out` could not leave */
    struct buf out; /* filtered, not yet taken by `to` */
    size_t owed;    /* bytes filtered, not yet given back to `from` */
    uint64_t total; /* that came in */
    const struct http_field *trailers;
    size_t ntrailers;
};

void flow_init(struct flow *f, struct http_stream *from);
void flow_free(struct flow *f);

/* It came: bytes; or the end, whose trailers must live as long as the flow. */
void flow_data(struct flow *f, const void *p, size_t n);
void flow_end(struct flow *f, const struct http_field *trailers, size_t n);

/* Does all that can be done now. With `to` NULL it only fills `out`. */
void flow_run(struct flow *f);
/* A filter that waited can go on. */
void flow_resume(struct flow *f);
/* Something to send (or the end) has come out of the filters. */
bool flow_has_output(const struct flow *f);

#endif
