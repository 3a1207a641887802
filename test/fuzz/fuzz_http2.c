/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2: nothing that a peer sends breaks it, and each request that is delivered can be written as
 * HTTP/1, where it is one request. The first byte says which side reads, and how small the pieces
 * are.
 */
#include "../unit/http2_frames.h"
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

/* What it says as HTTP/1. */
static void downgrade(const struct http_head *head)
{
    struct trace t, again;
    struct http_head copy = *head;

    copy.end = true;
    copy.length = -1;
    trace_init(&t);
    trace_init(&again);
    struct http_conn *c = http1_new(HTTP_CLIENT, false, &trace_hooks, &t);
    struct http_conn *server = http1_new(HTTP_SERVER, false, &trace_hooks, &again);

    assert(http_request(c, &copy) != NULL);
    trace_drain(&t, c);
    (void)trace_feed(&again, server, t.sent.p, t.sent.n, t.sent.n);
    assert(again.heads == 1 && http_error(server) == NULL);
    http_conn_free(c);
    http_conn_free(server);
    trace_free(&t);
    trace_free(&again);
}

static void on_head(void *arg, struct http_stream *s, const struct http_head *head)
{
    trace_head(arg, s, head);
    if (head->status == 0)
        downgrade(head);
}

static const struct http_hooks hooks = {on_head, trace_data, trace_end, trace_room, trace_over};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace t;
    AUTO_BUF struct buf start = {0};

    if (size < 2 || size > 65536)
        return 0;
    enum http_side side = (data[0] & 1) != 0 ? HTTP_CLIENT : HTTP_SERVER;

    trace_init(&t);
    buf_init(&start, 1000);
    t.answer = side == HTTP_SERVER ? "hi" : NULL;
    struct http_conn *c = http2_new(side, false, &hooks, &t);

    if (side == HTTP_CLIENT)
        assert(http_request(c, &question) != NULL);
    trace_drain(&t, c);
    h2_start(&start, side == HTTP_SERVER);
    (void)trace_feed(&t, c, start.p, start.n, start.n);
    (void)trace_feed(&t, c, (const char *)data + 1, size - 1, 1 + (size_t)data[0] * 8);
    if ((data[0] & 2) != 0)
        (void)http_feed_end(c);
    http_conn_free(c);
    assert(t.overs >= t.heads || side == HTTP_CLIENT);
    assert(side == HTTP_SERVER || t.overs == 1);
    trace_free(&t);
    return 0;
}
