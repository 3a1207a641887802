/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2.h - what the parts of HTTP/2 share: a connection around a session of nghttp2, and its streams.
 */
#ifndef BELAY_HTTP_H2_H
#define BELAY_HTTP_H2_H

#include "base/mem.h"
#include "http/conn.h"
#include "http/h2_block.h"
#include "http/queue.h"

#include <nghttp2/nghttp2.h>

struct h2_stream {
    struct http_stream s;
    struct h2_stream *prev, *next;
    int32_t id;
    struct queue out;
    int64_t left;   /* of a body with a length, to be given; -1: it has none */
    size_t untaken; /* bytes that the user has not done with */
    size_t informational;
    struct arena memory; /* of the trailers */
    struct http_field *trailers;
    size_t ntrailers;
    bool to_head;   /* the request is HEAD */
    bool began;     /* the final head came (client) or was given (server) */
    bool bodiless;  /* what is given of a body is dropped */
    bool out_ended; /* all of the message was given */
    bool in_ended;  /* the peer's message is whole */
    bool broken;    /* it did not keep to the length that its head gave */
    bool waits;     /* nghttp2 waits for http_send() */
    bool wants_room;
};

struct h2 {
    struct http_conn c;
    nghttp2_session *session;
    struct h2_stream *streams;
    size_t live;
    struct queue out;
    struct h2_block block; /* of the one frame of fields that is coming in */
    double patience;       /* what frames that carry nothing may still cost */
    double patience_at;    /* when that was so, in seconds */
    uint32_t goaway;       /* the error that nghttp2 said goodbye with */
    bool shut;             /* no new requests */
    bool dead;             /* nothing is read and made any more */
};

static inline struct h2 *h2_of(struct http_conn *c)
{
    return (struct h2 *)(void *)c; /* its first member */
}

static inline struct h2_stream *h2_stream_of(struct http_stream *s)
{
    return (struct h2_stream *)(void *)s; /* its first member */
}

struct h2_stream *h2_stream_new(struct h2 *h);
/* Binds it to the number that nghttp2 knows it by. */
void h2_stream_number(struct h2 *h, struct h2_stream *s, int32_t id);
/* Its last event; frees it. */
void h2_stream_over(struct h2 *h, struct h2_stream *s, bool in_order, enum http_reset why);

/* h2_in.c: what nghttp2 calls for what comes. */
void h2_in_callbacks(nghttp2_session_callbacks *cb);

/* h2_out.c: what is sent. */
struct http_stream *h2_request(struct http_conn *c, const struct http_head *head);
bool h2_respond(struct http_stream *s, const struct http_head *head);
size_t h2_send(struct http_stream *s, const char *p, size_t n);
void h2_end(struct http_stream *s, const struct http_field *trailers, size_t n);

#endif
