/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of HTTP/2. nghttp2 reads and makes the frames; here are the bounds that it does
 * not have, and the way between its callbacks and ours.
 */
#include "http/h2.h"

#include <assert.h>
#include <stdlib.h>

#define OUT_FILL          ((size_t)32 * 1024) /* frames made ahead of what the peer reads */
#define CONNECTION_WINDOW (8 * HTTP_WINDOW)   /* of all streams together */

struct h2_stream *h2_stream_new(struct h2 *h)
{
    struct h2_stream *s = xcalloc(1, sizeof(*s));

    s->s.c = &h->c;
    s->left = -1;
    s->next = h->streams;
    if (s->next != NULL)
        s->next->prev = s;
    h->streams = s;
    h->live++;
    return s;
}

void h2_stream_number(struct h2 *h, struct h2_stream *s, int32_t id)
{
    s->id = id;
    nghttp2_session_set_stream_user_data(h->session, id, s);
}

void h2_stream_over(struct h2 *h, struct h2_stream *s, bool in_order, enum http_reset why)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        h->streams = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    h->live--;
    if (s->id > 0) {
        nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
        if (s->untaken > 0)
            (void)nghttp2_session_consume_connection(h->session, s->untaken);
        h->c.hooks->over(h->c.arg, &s->s, in_order, why);
    }
    queue_free(&s->out);
    arena_release(&s->memory);
    free(s);
}

static void all_over(struct h2 *h, enum http_reset why)
{
    while (h->streams != NULL)
        h2_stream_over(h, h->streams, false, why);
}

/* A last frame made by hand: nghttp2 is not asked for more after it failed. */
static void say_goaway(struct h2 *h, uint32_t error)
{
    uint32_t last = (uint32_t)nghttp2_session_get_last_proc_stream_id(h->session);
    const char frame[17] = {0,
                            0,
                            8,
                            NGHTTP2_GOAWAY,
                            [9] = (char)(last >> 24),
                            (char)(last >> 16),
                            (char)(last >> 8),
                            (char)last,
                            (char)(error >> 24),
                            (char)(error >> 16),
                            (char)(error >> 8),
                            (char)error};

    queue_add(&h->out, frame, sizeof(frame));
}

static void die(struct h2 *h, enum http_fault fault)
{
    h->dead = true;
    if (h->c.fault == HTTP_FINE)
        h->c.fault = fault;
    if (h->goaway == NGHTTP2_NO_ERROR)
        say_goaway(h,
                   h->c.fault == HTTP_FLOOD ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    all_over(h, HTTP_RESET_PROTOCOL);
}

/* Makes frames of what is to be sent. */
static void fill(struct h2 *h)
{
    while (!h->dead && h->out.n < OUT_FILL) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(h->session, &p);

        if (n < 0)
            die(h, HTTP_H2);
        if (n <= 0)
            break;
        queue_add(&h->out, p, (size_t)n);
    }
    if (!h->dead && h->goaway != NGHTTP2_NO_ERROR)
        die(h, h->goaway == NGHTTP2_ENHANCE_YOUR_CALM ? HTTP_FLOOD : HTTP_H2);
}

static ssize_t h2_feed(struct http_conn *c, const char *p, size_t n)
{
    struct h2 *h = h2_of(c);

    if (h->dead)
        return (ssize_t)n;
    if (h->out.n >= OUT_FILL)
        return 0; /* who does not read is not read from */
    ssize_t taken = nghttp2_session_mem_recv(h->session, (const uint8_t *)p, n);

    if (taken < 0)
        die(h, taken == NGHTTP2_ERR_FLOODED ? HTTP_FLOOD : HTTP_H2);
    fill(h);
    return c->fault != HTTP_FINE ? -1 : (ssize_t)n;
}

static bool h2_blocked(const struct http_conn *c)
{
    const struct h2 *h = (const struct h2 *)(const void *)c;

    return !h->dead && h->out.n >= OUT_FILL;
}

static bool h2_feed_end(struct http_conn *c)
{
    struct h2 *h = h2_of(c);
    bool idle = h->live == 0;

    if (h->dead)
        return true;
    h->dead = true;
    if (!idle)
        c->fault = HTTP_CUT;
    all_over(h, HTTP_RESET_LOST);
    return idle;
}

static struct str h2_output(struct http_conn *c)
{
    struct h2 *h = h2_of(c);

    fill(h);
    return queue_view(&h->out);
}

static struct h2_stream *has_room(struct h2 *h)
{
    for (struct h2_stream *s = h->streams; s != NULL; s = s->next)
        if (s->wants_room && s->out.n <= HTTP_SEND_MAX / 2)
            return s;
    return NULL;
}

static void h2_sent(struct http_conn *c, size_t n)
{
    struct h2 *h = h2_of(c);
    struct h2_stream *s;

    queue_drop(&h->out, n);
    while ((s = has_room(h)) != NULL) {
        s->wants_room = false;
        c->hooks->room(c->arg, &s->s);
    }
}

static bool h2_closing(const struct http_conn *c)
{
    const struct h2 *h = (const struct h2 *)(const void *)c;

    if (h->dead || (h->shut && h->live == 0))
        return true;
    return nghttp2_session_want_read(h->session) == 0 &&
           nghttp2_session_want_write(h->session) == 0;
}

static void h2_shut(struct http_conn *c)
{
    struct h2 *h = h2_of(c);

    if (h->shut || h->dead)
        return;
    h->shut = true;
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

static size_t h2_streams(const struct http_conn *c)
{
    return ((const struct h2 *)(const void *)c)->live;
}

static bool h2_can_request(const struct http_conn *c)
{
    const struct h2 *h = (const struct h2 *)(const void *)c;
    uint32_t most =
        nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    return !h->dead && !h->shut && h->live < most && h->live < HTTP_STREAMS_MAX &&
           nghttp2_session_check_request_allowed(h->session) != 0;
}

static void h2_reset(struct http_stream *st, enum http_reset why)
{
    struct h2_stream *s = h2_stream_of(st);
    struct h2 *h = h2_of(st->c);
    uint32_t error = why == HTTP_RESET_REFUSED    ? NGHTTP2_REFUSED_STREAM
                     : why == HTTP_RESET_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR
                     : why == HTTP_RESET_LOST     ? NGHTTP2_INTERNAL_ERROR
                                                  : NGHTTP2_CANCEL;

    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, error);
    h2_stream_over(h, s, false, why);
}

static void h2_take(struct http_stream *st, size_t n)
{
    struct h2_stream *s = h2_stream_of(st);

    assert(n <= s->untaken);
    s->untaken -= n;
    (void)nghttp2_session_consume(h2_of(st->c)->session, s->id, n);
}

static void h2_free(struct http_conn *c)
{
    struct h2 *h = h2_of(c);

    all_over(h, HTTP_RESET_LOST);
    nghttp2_session_del(h->session);
    queue_free(&h->out);
    h2_block_free(&h->block);
    free(h);
}

static const struct http_ops h2_ops = {
    .free = h2_free,
    .feed = h2_feed,
    .blocked = h2_blocked,
    .feed_end = h2_feed_end,
    .output = h2_output,
    .sent = h2_sent,
    .closing = h2_closing,
    .shut = h2_shut,
    .streams = h2_streams,
    .can_request = h2_can_request,
    .request = h2_request,
    .respond = h2_respond,
    .send = h2_send,
    .end = h2_end,
    .reset = h2_reset,
    .take = h2_take,
};

static nghttp2_option *options(void)
{
    nghttp2_option *o;

    if (nghttp2_option_new(&o) != 0)
        abort();
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_reserved_remote_streams(o, 0);
    nghttp2_option_set_max_outbound_ack(o, 100);
    nghttp2_option_set_max_settings(o, 32);
    nghttp2_option_set_max_continuations(o, 8);
    nghttp2_option_set_max_send_header_block_length(o, (size_t)2 * HTTP_HEAD_MAX);
    return o;
}

static void introduce(struct h2 *h)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP_STREAMS_MAX},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };

    /* a server has no say about push */
    if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                ARRAY_LEN(settings) - (h->c.side == HTTP_SERVER)) != 0 ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0)
        abort();
}

struct http_conn *http2_new(enum http_side side, bool tls, const struct http_hooks *hooks,
                            void *arg)
{
    struct h2 *h = xcalloc(1, sizeof(*h));
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *o = options();

    h->c = (struct http_conn){&h2_ops, hooks, arg, side, tls, false, HTTP_FINE};
    h2_block_init(&h->block);
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort();
    h2_in_callbacks(callbacks);
    int rv = side == HTTP_SERVER ? nghttp2_session_server_new2(&h->session, callbacks, h, o)
                                 : nghttp2_session_client_new2(&h->session, callbacks, h, o);

    if (rv != 0)
        abort(); /* out of memory */
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(o);
    introduce(h);
    return &h->c;
}
