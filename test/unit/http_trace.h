/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_trace.h - writes down what a connection says, so that two ways of saying can be compared,
 * and feeds connections.
 */
#ifndef BELAY_TEST_HTTP_TRACE_H
#define BELAY_TEST_HTTP_TRACE_H

#include "http/http.h"

#include <stdlib.h>
#include <string.h>

struct trace {
    struct buf log;
    struct buf sent;       /* all that the connection had for its peer */
    struct http_stream *s; /* the newest that lives */
    const char *answer;    /* body of a 200 that each request is given; NULL: none is */
    bool hold;             /* delivered bytes are not taken */
    size_t held;
    bool in_data; /* the last line of the log is one of data */
    unsigned heads, ends, overs, rooms;
};

static inline void trace_line(struct trace *t)
{
    if (t->in_data)
        buf_puts(&t->log, "\n");
    t->in_data = false;
}

static inline void trace_fields(struct trace *t, const struct http_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_puts(&t->log, " [");
        buf_add(&t->log, f[i].name.p, f[i].name.n);
        buf_puts(&t->log, ": ");
        buf_add_safe(&t->log, f[i].value, 100000);
        buf_puts(&t->log, "]");
    }
    buf_puts(&t->log, "\n");
}

static inline void trace_answer(struct trace *t, struct http_stream *s)
{
    struct str body = str_of(t->answer);
    struct http_head head = {.status = 200, .length = (int64_t)body.n, .end = body.n == 0};

    if (t->answer == NULL)
        return;
    http_respond(s, &head);
    if (body.n == 0)
        return;
    http_send(s, body.p, body.n);
    http_end(s, NULL, 0);
}

static inline void trace_head(void *arg, struct http_stream *s, const struct http_head *h)
{
    struct trace *t = arg;

    trace_line(t);
    t->s = s;
    t->heads++;
    if (h->status > 0)
        buf_printf(&t->log, "head %u", h->status);
    else
        buf_printf(&t->log, "head %.*s %.*s %.*s %.*s", (int)h->method.n, h->method.p,
                   (int)h->scheme.n, h->scheme.p, (int)h->authority.n, h->authority.p,
                   (int)h->target.n, h->target.p);
    if (h->length >= 0)
        buf_printf(&t->log, " length=%lld", (long long)h->length);
    buf_puts(&t->log, h->end ? " end" : "");
    buf_puts(&t->log, h->expect ? " expect" : "");
    buf_puts(&t->log, h->trailers ? " trailers" : "");
    buf_puts(&t->log, h->websocket ? " websocket" : "");
    trace_fields(t, h->fields, h->nfields);
    if (h->status == 0 && h->end)
        trace_answer(t, s);
}

static inline void trace_data(void *arg, struct http_stream *s, const void *p, size_t n)
{
    struct trace *t = arg;

    if (!t->in_data)
        buf_puts(&t->log, "data ");
    t->in_data = true;
    for (size_t i = 0; i < n; i++) { /* byte by byte: a character may come in two pieces */
        char c = ((const char *)p)[i];

        if (c >= ' ' && c < 0x7f)
            buf_add(&t->log, &c, 1);
        else
            buf_printf(&t->log, "\\x%02x", (unsigned char)c);
    }
    if (t->hold)
        t->held += n;
    else
        http_take(s, n);
}

static inline void trace_end(void *arg, struct http_stream *s, const struct http_field *f, size_t n)
{
    struct trace *t = arg;

    trace_line(t);
    t->ends++;
    buf_puts(&t->log, "end");
    trace_fields(t, f, n);
    trace_answer(t, s);
}

static inline void trace_room(void *arg, struct http_stream *s)
{
    struct trace *t = arg;

    (void)s;
    t->rooms++;
}

static inline void trace_over(void *arg, struct http_stream *s, bool in_order, enum http_reset why)
{
    static const char *const names[] = {"cancel", "refused", "protocol", "lost"};
    struct trace *t = arg;

    trace_line(t);
    t->overs++;
    if (t->s == s)
        t->s = NULL;
    buf_printf(&t->log, "over %s\n", in_order ? "in order" : names[why]);
}

static const struct http_hooks trace_hooks = {trace_head, trace_data, trace_end, trace_room,
                                              trace_over};

static inline void trace_init(struct trace *t)
{
    *t = (struct trace){0};
    buf_init(&t->log, 64u << 20);
    buf_init(&t->sent, 64u << 20);
}

static inline void trace_free(struct trace *t)
{
    buf_free(&t->log);
    buf_free(&t->sent);
}

/* Takes what the connection has to send. */
static inline void trace_drain(struct trace *t, struct http_conn *c)
{
    for (struct str out; (out = http_output(c)).n > 0;) {
        buf_add(&t->sent, out.p, out.n);
        http_sent(c, out.n);
    }
}

/* Feeds all, `piece` bytes at a time, and takes what is to be sent. Each piece has memory of its
 * own, so that a sanitizer sees a read beyond. How many bytes were taken; -1: an error. */
static inline ssize_t trace_feed(struct trace *t, struct http_conn *c, const char *p, size_t n,
                                 size_t piece)
{
    size_t i = 0;

    while (i < n) {
        size_t most = n - i < piece ? n - i : piece;
        char *copy = malloc(most);

        memcpy(copy, p + i, most);
        ssize_t taken = http_feed(c, copy, most);
        free(copy);
        trace_drain(t, c);
        if (taken < 0)
            return -1;
        if (taken == 0 && http_blocked(c))
            break;
        i += (size_t)taken;
    }
    trace_line(t);
    return (ssize_t)i;
}

#endif
