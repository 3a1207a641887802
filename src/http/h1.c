/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of HTTP/1. It has one stream at a time: a server does not read a request before
 * the one before it is done, a client does not send one.
 */
#include "base/mem.h"
#include "http/conn.h"
#include "http/h1_body.h"
#include "http/h1_head.h"
#include "http/h1_lines.h"
#include "http/h1_write.h"

#include <assert.h>
#include <stdlib.h>

#define INFORMATIONAL_MAX 100            /* responses before the final one */
#define CHUNK_LEAST       ((size_t)1024) /* room for less is none: it would make tiny chunks */

enum reading {
    READ_NOTHING, /* client: no request is out; server: never */
    READ_HEAD,
    READ_BODY,
    READ_TRAILERS,
    READ_WAIT, /* the peer's message is whole, the stream is not over */
    READ_DROP, /* the connection is over */
};

struct h1 {
    struct http_conn c;
    struct http_stream s; /* `live` says whether there is one */
    struct queue out;
    struct h1_lines lines;
    struct h1_body body;
    enum reading reading;
    enum h1_framing writing; /* how what is sent is framed */
    uint64_t left;           /* of a body with a length, to be sent */
    size_t untaken;          /* bytes that the user has not done with */
    size_t informational;    /* bytes of heads before the final one */
    struct h1_asked asked;   /* the request */
    bool live;
    bool began;     /* server: the final head was sent */
    bool out_ended; /* all of the message was given */
    bool broken;    /* it did not keep to the length that its head gave */
    bool wants_room;
    bool old;  /* the client speaks HTTP/1.0 */
    bool last; /* the connection ends with this stream */
};

static struct h1 *h1_of(struct http_conn *c)
{
    return (struct h1 *)(void *)c; /* its first member */
}

static const struct h1 *h1_of_const(const struct http_conn *c)
{
    return (const struct h1 *)(const void *)c;
}

static bool is_server(const struct h1 *h)
{
    return h->c.side == HTTP_SERVER;
}

static void stream_begin(struct h1 *h)
{
    h->s.arg = NULL;
    h->live = true;
    h->began = h->out_ended = h->broken = h->wants_room = false;
    h->untaken = 0;
    h->informational = 0;
}

static void stream_over(struct h1 *h, bool in_order, enum http_reset why)
{
    if (!in_order)
        h->last = true;
    h->live = false;
    if (h->last)
        h->reading = READ_DROP;
    else
        h->reading = is_server(h) ? READ_HEAD : READ_NOTHING;
    h->c.hooks->over(h->c.arg, &h->s, in_order, why);
}

static void fail(struct h1 *h, enum http_fault fault)
{
    h->c.fault = fault;
    h->last = true;
    if (!is_server(h))
        queue_drop(&h->out, h->out.n);
    else if (h->reading == READ_HEAD || (h->live && !h->began))
        h1_write_fault(&h->out, fault);
    h->reading = READ_DROP;
    h1_lines_clear(&h->lines);
    if (h->live)
        stream_over(h, false, HTTP_RESET_PROTOCOL);
}

/* A stream is over when both messages are whole and what was to be sent is on its way. */
static void settle(struct h1 *h)
{
    if (!h->live || !h->out_ended || h->out.n > 0)
        return;
    if (h->broken) {
        stream_over(h, false, HTTP_RESET_LOST);
        return;
    }
    if (h->reading == READ_WAIT) {
        stream_over(h, true, HTTP_RESET_CANCEL);
    } else if (is_server(h) || h->writing == H1_RAW) {
        h->last = true; /* the rest of the request, or of the websocket, is not waited for */
        stream_over(h, true, HTTP_RESET_CANCEL);
    }
}

/* The peer's message is whole. */
static void message_whole(struct h1 *h)
{
    h->reading = READ_WAIT;
    if (is_server(h) || h->writing == H1_RAW)
        return;
    if (!h->out_ended) { /* the answer came before the whole question */
        h->last = true;
        queue_drop(&h->out, h->out.n);
    }
    stream_over(h, true, HTTP_RESET_CANCEL);
}

static void message_end(struct h1 *h, const struct http_field *trailers, size_t n)
{
    h->reading = READ_WAIT;
    h->c.hooks->end(h->c.arg, &h->s, trailers, n);
    if (h->live && h->reading == READ_WAIT)
        message_whole(h);
}

/* What follows a head that was read. */
static void read_on(struct h1 *h, const struct h1_head *head)
{
    h1_body_start(&h->body, head->framing, head->head.length);
    h->reading = head->framing == H1_NO_BODY ? READ_WAIT : READ_BODY;
}

static void request_read(struct h1 *h, const struct h1_head *head)
{
    stream_begin(h);
    h->asked = (struct h1_asked){str_is(head->head.method, "HEAD"), head->head.websocket};
    h->old = head->old;
    h->last = h->last || head->close;
    read_on(h, head);
    h->c.hooks->head(h->c.arg, &h->s, &head->head);
}

static void response_read(struct h1 *h, const struct h1_head *head)
{
    if (head->head.status < 200 && head->head.status != 101) {
        h->informational += h->lines.text.n;
        if (h->informational > HTTP_HEAD_MAX) {
            fail(h, HTTP_INFORMATIONAL);
            return;
        }
        h->c.hooks->head(h->c.arg, &h->s, &head->head);
        return;
    }
    h->last = h->last || head->close || head->head.websocket;
    if (head->head.websocket) {
        h->writing = H1_RAW;
        h->out_ended = false;
    }
    read_on(h, head);
    h->c.hooks->head(h->c.arg, &h->s, &head->head);
    if (h->live && h->reading == READ_WAIT)
        message_whole(h);
}

static void head_read(struct h1 *h)
{
    struct h1_head head;
    struct queue text = h->lines.text;
    enum http_fault fault = is_server(h)
                                ? h1_read_request(text.p + text.start, text.n, h->c.tls, &head)
                                : h1_read_response(text.p + text.start, text.n, h->asked, &head);

    if (fault != HTTP_FINE)
        fail(h, fault);
    else if (is_server(h))
        request_read(h, &head);
    else
        response_read(h, &head);
    h1_lines_clear(&h->lines);
}

static void trailers_read(struct h1 *h)
{
    struct http_field f[HTTP_FIELDS_MAX];
    struct queue text = h->lines.text;
    size_t n = 0;
    enum http_fault fault = h1_read_trailers(text.p + text.start, text.n, f, &n);

    if (fault != HTTP_FINE)
        fail(h, fault);
    else
        message_end(h, f, n);
    h1_lines_clear(&h->lines);
}

static ssize_t feed_lines(struct h1 *h, const char *p, size_t n)
{
    enum http_fault fault = HTTP_FINE;
    bool whole;
    ssize_t taken = h1_lines_feed(&h->lines, p, n, &whole, &fault);

    if (taken < 0)
        fail(h, fault);
    else if (whole && h->reading == READ_HEAD)
        head_read(h);
    else if (whole)
        trailers_read(h);
    return taken;
}

static ssize_t feed_body(struct h1 *h, const char *p, size_t n)
{
    enum http_fault fault = HTTP_FINE;
    struct str data;
    size_t most = h->untaken < HTTP_WINDOW ? HTTP_WINDOW - h->untaken : 0;
    ssize_t taken = h1_body_feed(&h->body, p, n, most, &data, &fault);

    if (taken < 0) {
        fail(h, fault);
        return taken;
    }
    if (data.n > 0) {
        h->untaken += data.n;
        h->c.hooks->data(h->c.arg, &h->s, data.p, data.n);
    }
    if (!h->live || h->reading != READ_BODY)
        return taken;
    if (h->body.place == H1_IN_TRAILERS)
        h->reading = READ_TRAILERS;
    else if (h->body.place == H1_IN_NOTHING)
        message_end(h, NULL, 0);
    return taken;
}

static ssize_t feed_some(struct h1 *h, const char *p, size_t n)
{
    switch (h->reading) {
    case READ_HEAD:
    case READ_TRAILERS:
        return feed_lines(h, p, n);
    case READ_BODY:
        return feed_body(h, p, n);
    case READ_NOTHING:
        fail(h, HTTP_UNASKED);
        return -1;
    case READ_DROP:
        return (ssize_t)n;
    case READ_WAIT:
        break;
    }
    return 0;
}

static ssize_t h1_feed(struct http_conn *c, const char *p, size_t n)
{
    struct h1 *h = h1_of(c);
    enum http_fault before = c->fault;
    size_t i = 0;

    while (i < n) {
        ssize_t taken = feed_some(h, p + i, n - i);

        if (c->fault != before)
            return -1;
        if (taken == 0)
            break;
        i += (size_t)taken;
    }
    return (ssize_t)i;
}

static bool h1_blocked(const struct http_conn *c)
{
    const struct h1 *h = h1_of_const(c);

    return h->reading == READ_WAIT || (h->reading == READ_BODY && h->untaken >= HTTP_WINDOW);
}

static bool h1_feed_end(struct http_conn *c)
{
    struct h1 *h = h1_of(c);
    bool idle = !h->live && h->lines.text.n == 0;

    h->last = true;
    switch (h->reading) {
    case READ_BODY:
        if (h->body.framing != H1_UNTIL_CLOSE && h->body.framing != H1_RAW)
            break;
        message_end(h, NULL, 0);
        settle(h);
        return true;
    case READ_WAIT: /* the answer is still wanted */
    case READ_DROP:
        return true;
    case READ_NOTHING:
    case READ_HEAD:
    case READ_TRAILERS:
        if (!idle)
            break;
        h->reading = READ_DROP;
        return true;
    }
    h->c.fault = HTTP_CUT;
    h->reading = READ_DROP;
    h1_lines_clear(&h->lines);
    if (h->live)
        stream_over(h, false, HTTP_RESET_LOST);
    return false;
}

static struct str h1_output(struct http_conn *c)
{
    settle(h1_of(c));
    return queue_view(&h1_of(c)->out);
}

static void h1_sent(struct http_conn *c, size_t n)
{
    struct h1 *h = h1_of(c);

    queue_drop(&h->out, n);
    settle(h);
    if (h->live && h->wants_room && h->out.n <= HTTP_SEND_MAX / 2) {
        h->wants_room = false;
        c->hooks->room(c->arg, &h->s);
    }
}

static bool h1_closing(const struct http_conn *c)
{
    return h1_of_const(c)->reading == READ_DROP;
}

static void h1_shut(struct http_conn *c)
{
    struct h1 *h = h1_of(c);

    h->last = true;
    if (!h->live && h->lines.text.n == 0)
        h->reading = READ_DROP;
}

static size_t h1_streams(const struct http_conn *c)
{
    return h1_of_const(c)->live;
}

static bool h1_can_request(const struct http_conn *c)
{
    const struct h1 *h = h1_of_const(c);

    return h->reading == READ_NOTHING && !h->last;
}

static void write_from(struct h1 *h, enum h1_framing framing, int64_t length)
{
    h->writing = framing;
    h->left = framing == H1_LENGTH ? (uint64_t)length : 0;
}

static struct http_stream *h1_request(struct http_conn *c, const struct http_head *head)
{
    struct h1 *h = h1_of(c);
    enum h1_framing framing = h1_request_framing(head);

    stream_begin(h);
    h->asked = (struct h1_asked){str_is(head->method, "HEAD"), head->websocket};
    h->reading = READ_HEAD;
    h1_write_request(&h->out, head, framing);
    write_from(h, framing, head->length);
    h->out_ended = head->end || head->websocket;
    return &h->s;
}

static bool h1_respond(struct http_stream *s, const struct http_head *given)
{
    struct h1 *h = h1_of(s->c);
    struct http_head head = *given;
    bool none = http_bodiless(head.status, h->asked.head);
    enum h1_framing framing = h1_response_framing(&head, h->asked.head, h->old);

    assert(h->live && !h->began);
    if (head.status < 200 && head.status != 101) {
        if (!h->old)
            h1_write_response(&h->out, &head, H1_NO_BODY, false);
        return true;
    }
    if (head.websocket && !h->asked.websocket)
        return false;
    if (head.end && !none)
        head.length = 0;
    h->began = true;
    if (head.websocket) {
        h->reading = READ_BODY;
        h1_body_start(&h->body, H1_RAW, -1);
    }
    h->last = h->last || framing == H1_UNTIL_CLOSE;
    h1_write_response(&h->out, &head, framing, h->last && framing != H1_RAW);
    write_from(h, framing, head.length);
    h->out_ended = head.end;
    return true;
}

static size_t h1_send(struct http_stream *s, const char *p, size_t n)
{
    struct h1 *h = h1_of(s->c);
    size_t room = h->out.n < HTTP_SEND_MAX ? HTTP_SEND_MAX - h->out.n : 0;

    assert(h->live && !h->out_ended);
    if (h->writing == H1_NO_BODY)
        return n;
    if (room < n) {
        h->wants_room = true;
        if (room < CHUNK_LEAST)
            return 0;
        n = room;
    }
    if (h->writing == H1_CHUNKED) {
        h1_write_chunk(&h->out, p, n);
        return n;
    }
    size_t fits = n;

    if (h->writing == H1_LENGTH) {
        fits = n < h->left ? n : (size_t)h->left;
        h->broken = h->broken || fits < n;
        h->left -= fits;
    }
    queue_add(&h->out, p, fits);
    return n;
}

static void h1_end(struct http_stream *s, const struct http_field *trailers, size_t n)
{
    struct h1 *h = h1_of(s->c);

    assert(h->live && !h->out_ended);
    h->broken = h->broken || h->left > 0;
    if (h->writing == H1_CHUNKED)
        h1_write_last_chunk(&h->out, trailers, n);
    h->out_ended = true;
}

static void h1_reset(struct http_stream *s, enum http_reset why)
{
    struct h1 *h = h1_of(s->c);

    assert(h->live);
    if (!is_server(h))
        queue_drop(&h->out, h->out.n);
    h->last = true;
    stream_over(h, false, why);
}

static void h1_take(struct http_stream *s, size_t n)
{
    struct h1 *h = h1_of(s->c);

    assert(n <= h->untaken);
    h->untaken -= n;
}

static void h1_free(struct http_conn *c)
{
    struct h1 *h = h1_of(c);

    if (h->live)
        stream_over(h, false, HTTP_RESET_LOST);
    queue_free(&h->out);
    h1_lines_free(&h->lines);
    free(h);
}

static const struct http_ops h1_ops = {
    .free = h1_free,
    .feed = h1_feed,
    .blocked = h1_blocked,
    .feed_end = h1_feed_end,
    .output = h1_output,
    .sent = h1_sent,
    .closing = h1_closing,
    .shut = h1_shut,
    .streams = h1_streams,
    .can_request = h1_can_request,
    .request = h1_request,
    .respond = h1_respond,
    .send = h1_send,
    .end = h1_end,
    .reset = h1_reset,
    .take = h1_take,
};

struct http_conn *http1_new(enum http_side side, bool tls, const struct http_hooks *hooks,
                            void *arg)
{
    struct h1 *h = xcalloc(1, sizeof(*h));

    h->c = (struct http_conn){&h1_ops, hooks, arg, side, tls, false, HTTP_FINE};
    h->s.c = &h->c;
    h->reading = side == HTTP_SERVER ? READ_HEAD : READ_NOTHING;
    return &h->c;
}
