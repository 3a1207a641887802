/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1: what comes in pieces is read as what comes at once; what was read can be written, and is
 * then read as the same. The first byte says which side reads, and how small the pieces are.
 */
#include "../unit/http_trace.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_head question = {.method = {"GET", 3},
                                          .scheme = {"http", 4},
                                          .authority = {"a.test", 6},
                                          .target = {"/", 1},
                                          .length = -1,
                                          .end = true};

static struct http_conn *reader(enum http_side side, struct trace *t)
{
    struct http_conn *c = http1_new(side, false, &trace_hooks, t);

    if (side == HTTP_CLIENT)
        assert(http_request(c, &question) != NULL);
    trace_drain(t, c);
    return c;
}

static const char *read_as(enum http_side side, struct trace *t, const uint8_t *p, size_t n,
                           size_t piece)
{
    trace_init(t);
    t->answer = side == HTTP_SERVER ? "hi" : NULL;
    struct http_conn *c = reader(side, t);

    (void)trace_feed(t, c, (const char *)p, n, piece);
    if (http_error(c) == NULL)
        (void)http_feed_end(c);
    trace_drain(t, c);
    trace_line(t);
    buf_puts(&t->log, http_error(c) != NULL ? http_error(c) : "");
    http_conn_free(c);
    return buf_cstr(&t->log);
}

/* Writes on what it reads, as an exchange does. */
struct relay {
    struct http_conn *to;
    struct http_stream *s;
    bool done;
};

static void relay_head(void *arg, struct http_stream *s, const struct http_head *h)
{
    struct relay *r = arg;

    (void)s;
    if (r->done)
        return;
    r->done = h->end;
    r->s = http_request(r->to, h);
    assert(r->s != NULL);
}

static void relay_data(void *arg, struct http_stream *s, const void *p, size_t n)
{
    struct relay *r = arg;

    http_take(s, n);
    if (r->s != NULL && !r->done)
        (void)http_send(r->s, p, n);
}

static void relay_end(void *arg, struct http_stream *s, const struct http_field *f, size_t n)
{
    struct relay *r = arg;

    (void)s;
    if (!r->done)
        http_end(r->s, f, n);
    r->done = true;
}

static void relay_none(void *arg, struct http_stream *s)
{
    (void)arg;
    (void)s;
}

static void relay_over(void *arg, struct http_stream *s, bool in_order, enum http_reset why)
{
    (void)arg;
    (void)s;
    (void)in_order;
    (void)why;
}

static const struct http_hooks relay_hooks = {relay_head, relay_data, relay_end, relay_none,
                                              relay_over};

/* The first request, read, written on, and read again. */
static void relay(const uint8_t *p, size_t n)
{
    struct trace first, unused, second;
    struct relay r = {0};

    trace_init(&first);
    trace_init(&unused);
    trace_init(&second);
    struct http_conn *plain = http1_new(HTTP_SERVER, false, &trace_hooks, &first);
    struct http_conn *in = http1_new(HTTP_SERVER, false, &relay_hooks, &r);

    r.to = http1_new(HTTP_CLIENT, false, &trace_hooks, &unused);
    (void)trace_feed(&first, plain, (const char *)p, n, n);
    (void)http_feed(in, p, n);
    if (r.done) {
        struct http_conn *again = http1_new(HTTP_SERVER, false, &trace_hooks, &second);

        trace_drain(&unused, r.to);
        (void)trace_feed(&second, again, unused.sent.p, unused.sent.n, unused.sent.n);
        assert(http_error(again) == NULL);
        assert(second.heads == 1);
        http_conn_free(again);
    }
    http_conn_free(in);
    http_conn_free(plain);
    http_conn_free(r.to);
    trace_free(&first);
    trace_free(&unused);
    trace_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole, parts;

    if (size < 2 || size > 32768)
        return 0;
    enum http_side side = (data[0] & 1) != 0 ? HTTP_CLIENT : HTTP_SERVER;
    size_t piece = 1 + data[0] / 16;

    data++;
    size--;
    read_as(side, &whole, data, size, size);
    read_as(side, &parts, data, size, piece);
    assert(strcmp(buf_cstr(&whole.log), buf_cstr(&parts.log)) == 0);
    trace_free(&whole);
    trace_free(&parts);
    if (side == HTTP_SERVER)
        relay(data, size);
    return 0;
}
