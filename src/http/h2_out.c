/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

#include "http/fields.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NV_MAX (HTTP_FIELDS_MAX + 8)

/* The fields of a message as nghttp2 takes them. It copies what they point to. */
struct fields {
    nghttp2_nv nv[NV_MAX];
    size_t n;
    char length[24];
};

static void put(struct fields *f, struct str name, struct str value)
{
    assert(f->n < NV_MAX);
    f->nv[f->n++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name.p, (uint8_t *)(uintptr_t)value.p,
                                 name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

static void put_all(struct fields *f, const struct http_field *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(f, from[i].name, from[i].value);
}

static void put_length(struct fields *f, int64_t length)
{
    int n = snprintf(f->length, sizeof(f->length), "%lld", (long long)length);

    put(f, STR("content-length"), (struct str){f->length, (size_t)n});
}

/* Moves what was given into a frame of data. */
static ssize_t read_data(nghttp2_session *session, int32_t id, uint8_t *to, size_t most,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    struct fields f;

    (void)source;
    (void)user;
    if (s == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* over; its reset is on the way */
    size_t n = s->out.n < most ? s->out.n : most;

    if (n == 0 && !s->out_ended) {
        s->waits = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0) {
        memcpy(to, queue_view(&s->out).p, n);
        queue_drop(&s->out, n);
    }
    if (!s->out_ended || s->out.n > 0)
        return (ssize_t)n;
    if (s->broken)
        return n > 0 ? (ssize_t)n : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* a reset */
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->ntrailers > 0) {
        f.n = 0;
        put_all(&f, s->trailers, s->ntrailers);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, f.nv, f.n) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)n;
}

static const nghttp2_data_provider provider = {.read_callback = read_data};

struct http_stream *h2_request(struct http_conn *c, const struct http_head *head)
{
    struct h2 *h = h2_of(c);
    struct fields f;

    if (head->websocket)
        return NULL;
    f.n = 0;
    put(&f, STR(":method"), head->method);
    put(&f, STR(":scheme"), head->scheme);
    put(&f, STR(":authority"), head->authority);
    put(&f, STR(":path"), head->target);
    put_all(&f, head->fields, head->nfields);
    if (head->length >= 0)
        put_length(&f, head->end ? 0 : head->length);
    if (head->expect && !head->end)
        put(&f, STR("expect"), STR("100-continue"));
    if (head->trailers)
        put(&f, STR("te"), STR("trailers"));
    struct h2_stream *s = h2_stream_new(h);
    int32_t id =
        nghttp2_submit_request(h->session, NULL, f.nv, f.n, head->end ? NULL : &provider, s);

    if (id < 0) {
        h2_stream_over(h, s, false, HTTP_RESET_REFUSED);
        return NULL;
    }
    s->id = id;
    s->to_head = str_is(head->method, "HEAD");
    s->out_ended = head->end;
    s->left = head->length;
    return &s->s;
}

static void put_response(struct fields *f, const struct http_head *head, bool bodiless,
                         char status[4])
{
    snprintf(status, 4, "%u", head->status % 1000);
    f->n = 0;
    put(f, STR(":status"), (struct str){status, 3});
    put_all(f, head->fields, head->nfields);
    if (head->length >= 0 && head->status >= 200 && head->status != 204)
        put_length(f, head->end && !bodiless ? 0 : head->length);
}

bool h2_respond(struct http_stream *st, const struct http_head *head)
{
    struct h2_stream *s = h2_stream_of(st);
    struct h2 *h = h2_of(st->c);
    struct fields f;
    char status[4];
    bool bodiless = http_bodiless(head->status, s->to_head), end = head->end || bodiless;

    assert(!s->began);
    if (head->websocket)
        return false;
    put_response(&f, head, bodiless, status);
    if (head->status < 200)
        return nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, s->id, NULL, f.nv, f.n,
                                      NULL) == 0;
    if (nghttp2_submit_response(h->session, s->id, f.nv, f.n, end ? NULL : &provider) != 0)
        return false;
    s->began = true;
    s->bodiless = bodiless;
    s->out_ended = end;
    s->left = head->length;
    return true;
}

/* nghttp2 is to ask for data again. */
static void resume(struct h2_stream *s)
{
    if (!s->waits)
        return;
    s->waits = false;
    (void)nghttp2_session_resume_data(h2_of(s->s.c)->session, s->id);
}

size_t h2_send(struct http_stream *st, const char *p, size_t n)
{
    struct h2_stream *s = h2_stream_of(st);
    size_t room = s->out.n < HTTP_SEND_MAX ? HTTP_SEND_MAX - s->out.n : 0;

    if (s->bodiless)
        return n;
    assert(!s->out_ended);
    if (room < n) {
        s->wants_room = true;
        n = room;
    }
    if (n == 0)
        return 0;
    size_t fits = n;

    if (s->left >= 0) {
        fits = (int64_t)n < s->left ? n : (size_t)s->left;
        s->broken = s->broken || fits < n;
        s->left -= (int64_t)fits;
    }
    queue_add(&s->out, p, fits);
    resume(s);
    return n;
}

void h2_end(struct http_stream *st, const struct http_field *trailers, size_t n)
{
    struct h2_stream *s = h2_stream_of(st);

    if (s->bodiless)
        return;
    assert(!s->out_ended);
    s->broken = s->broken || s->left > 0;
    s->out_ended = true;
    if (n > 0)
        s->trailers = arena_alloc(&s->memory, n * sizeof(*trailers));
    for (size_t i = 0; i < n; i++) {
        const struct http_field *f = &trailers[i];

        if (!field_trails(f->name) || !fields_can_go(f, 1) || s->ntrailers == HTTP_FIELDS_MAX)
            continue;
        s->trailers[s->ntrailers++] =
            (struct http_field){{arena_strndup(&s->memory, f->name.p, f->name.n), f->name.n},
                                {arena_strndup(&s->memory, f->value.p, f->value.n), f->value.n}};
    }
    resume(s);
}
