/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

#include <time.h>

/*
 * What a peer may do without carrying anything: the tokens it has at first, and those that come
 * back each second. nghttp2 has limits of its own for some floods (see h2.c); this one counts all
 * but frames of unknown types, which are skipped and make us do nothing. A frame is one of PING,
 * SETTINGS, PRIORITY, WINDOW_UPDATE, CONTINUATION, and empty DATA.
 */
#define PATIENCE        2000.0
#define PATIENCE_BACK   500.0
#define COST_FRAME      1.0
#define COST_RESET      10.0 /* RST_STREAM: a request was made for nothing */
#define COST_MALFORMED  20.0 /* what makes us reset a stream */
#define CREDIT_FOR_DATA 16.0 /* a frame of data that we send: its receiver sends WINDOW_UPDATE */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Frames that carry nothing cost patience, which comes back with time. False: it is at its end. */
static bool has_patience(struct h2 *h, double cost)
{
    double t = now();

    h->patience += (t - h->patience_at) * PATIENCE_BACK - cost;
    h->patience_at = t;
    if (h->patience > PATIENCE)
        h->patience = PATIENCE;
    return h->patience >= 0;
}

/* What a callback returns that costs this much. */
static int charge(struct h2 *h, double cost)
{
    if (has_patience(h, cost))
        return 0;
    h->c.fault = HTTP_FLOOD;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    struct h2 *h = user;
    double cost = COST_FRAME;

    (void)session;
    if (hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_DATA)
        cost = 0;
    else if (hd->type == NGHTTP2_RST_STREAM)
        cost = COST_RESET;
    return cost > 0 ? charge(h, cost) : 0;
}

/* A stream that cannot be gone on with is reset; the connection only if that is too often. */
static int refuse(struct h2 *h, int32_t id, uint32_t error)
{
    struct h2_stream *s = stream_of(h->session, id);

    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, error);
    if (s != NULL)
        h2_stream_over(h, s, false, HTTP_RESET_PROTOCOL);
    return charge(h, COST_MALFORMED);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;

    (void)session;
    (void)frame;
    h2_block_clear(&h->block);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    struct h2 *h = user;

    (void)session;
    (void)flags;
    if (h2_block_add(&h->block, (struct str){(const char *)name, name_n},
                     (struct str){(const char *)value, value_n}))
        return 0;
    bool large = h->block.fault == HTTP_HEAD_LARGE || h->block.fault == HTTP_FIELDS_MANY;
    int rv =
        refuse(h, frame->hd.stream_id, large ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);

    return rv != 0 ? rv : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* nghttp2 would leave such a field out and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_n, const uint8_t *value,
                             size_t value_n, uint8_t flags, void *user)
{
    int rv = refuse(user, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);

    (void)session;
    (void)name;
    (void)name_n;
    (void)value;
    (void)value_n;
    (void)flags;
    return rv != 0 ? rv : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    (void)session;
    (void)frame;
    (void)error;
    return charge(user, COST_MALFORMED);
}

/* The peer's message is whole. A client does not go on with a request that was answered. */
static void message_whole(struct h2 *h, struct h2_stream *s)
{
    s->in_ended = true;
    if (h->c.side == HTTP_SERVER || s->out_ended)
        return;
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    h2_stream_over(h, s, true, HTTP_RESET_CANCEL);
}

static int request_read(struct h2 *h, int32_t id, bool end)
{
    struct h2_head head;

    if (h->shut || h->live >= HTTP_STREAMS_MAX)
        return nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    if (h2_read_request(&h->block, h->c.tls, end, &head) != HTTP_FINE)
        return refuse(h, id, NGHTTP2_PROTOCOL_ERROR);
    struct h2_stream *s = h2_stream_new(h);

    h2_stream_number(h, s, id);
    s->to_head = str_is(head.head.method, "HEAD");
    s->in_ended = end;
    h->c.hooks->head(h->c.arg, &s->s, &head.head);
    return 0;
}

static int response_read(struct h2 *h, struct h2_stream *s, bool end)
{
    struct h2_head head;
    int32_t id = s->id;

    if (h2_read_response(&h->block, end, &head) != HTTP_FINE)
        return refuse(h, id, NGHTTP2_PROTOCOL_ERROR);
    s->began = head.head.status >= 200;
    if (!s->began) {
        s->informational += h->block.text.n;
        if (s->informational > HTTP_HEAD_MAX)
            return refuse(h, id, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    h->c.hooks->head(h->c.arg, &s->s, &head.head);
    s = stream_of(h->session, id); /* the hook may have reset it */
    if (s != NULL && end)
        message_whole(h, s);
    return 0;
}

static int message_end(struct h2 *h, struct h2_stream *s, const struct http_head *trailers)
{
    int32_t id = s->id;

    s->in_ended = true;
    h->c.hooks->end(h->c.arg, &s->s, trailers != NULL ? trailers->fields : NULL,
                    trailers != NULL ? trailers->nfields : 0);
    s = stream_of(h->session, id);
    if (s != NULL)
        message_whole(h, s);
    return 0;
}

static int trailers_read(struct h2 *h, struct h2_stream *s, bool end)
{
    struct h2_head head;

    if (!end || h2_read_trailers(&h->block, &head) != HTTP_FINE)
        return refuse(h, s->id, NGHTTP2_PROTOCOL_ERROR);
    return message_end(h, s, &head.head);
}

static int on_headers(struct h2 *h, const nghttp2_frame *frame)
{
    struct h2_stream *s = stream_of(h->session, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return request_read(h, frame->hd.stream_id, end);
    if (s == NULL)
        return 0;
    if (h->c.side == HTTP_CLIENT && !s->began)
        return response_read(h, s, end);
    return trailers_read(h, s, end);
}

static int on_data_frame(struct h2 *h, const nghttp2_frame *frame)
{
    struct h2_stream *s = stream_of(h->session, frame->hd.stream_id);

    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        return s != NULL ? message_end(h, s, NULL) : 0;
    return frame->hd.length > frame->data.padlen ? 0 : charge(h, COST_FRAME);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        return on_headers(user, frame);
    return frame->hd.type == NGHTTP2_DATA ? on_data_frame(user, frame) : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = stream_of(session, id);

    (void)flags;
    if (s == NULL)
        return nghttp2_session_consume_connection(session, n);
    s->untaken += n;
    h->c.hooks->data(h->c.arg, &s->s, p, n);
    return 0;
}

static enum http_reset reason(uint32_t error)
{
    switch (error) {
    case NGHTTP2_REFUSED_STREAM:
        return HTTP_RESET_REFUSED;
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_CANCEL:
        return HTTP_RESET_CANCEL;
    case NGHTTP2_INTERNAL_ERROR:
        return HTTP_RESET_LOST;
    default:
        return HTTP_RESET_PROTOCOL;
    }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = stream_of(session, id);

    if (s == NULL)
        return 0;
    bool whole = h->c.side == HTTP_SERVER ? s->out_ended && s->out.n == 0 : s->in_ended;

    h2_stream_over(h, s, whole && error == NGHTTP2_NO_ERROR, reason(error));
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    uint8_t type = frame->hd.type;

    if (type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        h->goaway = frame->goaway.error_code;
    if (type == NGHTTP2_DATA)
        (void)has_patience(h, -CREDIT_FOR_DATA);
    if (h->c.side == HTTP_CLIENT || (type != NGHTTP2_DATA && type != NGHTTP2_HEADERS) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    struct h2_stream *s = stream_of(session, frame->hd.stream_id);

    /* answered before it was whole: the rest is not wanted (RFC 9113, 8.1) */
    if (s != NULL && !s->in_ended)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

void h2_in_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
}
