/* SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"

#include "http/chars.h"
#include "http/fields.h"
#include "http/target.h"

#include <assert.h>
#include <string.h>

void http_conn_free(struct http_conn *c)
{
    if (c == NULL)
        return;
    assert(!c->busy);
    c->busy = true;
    c->ops->free(c);
}

ssize_t http_feed(struct http_conn *c, const void *p, size_t n)
{
    assert(!c->busy);
    c->busy = true;
    ssize_t taken = c->ops->feed(c, p, n);
    c->busy = false;
    return taken;
}

bool http_feed_end(struct http_conn *c)
{
    assert(!c->busy);
    c->busy = true;
    bool ok = c->ops->feed_end(c);
    c->busy = false;
    return ok;
}

struct str http_output(struct http_conn *c)
{
    assert(!c->busy);
    c->busy = true;
    struct str out = c->ops->output(c);
    c->busy = false;
    return out;
}

void http_sent(struct http_conn *c, size_t n)
{
    assert(!c->busy);
    c->busy = true;
    c->ops->sent(c, n);
    c->busy = false;
}

bool http_blocked(const struct http_conn *c)
{
    return c->ops->blocked(c);
}

const char *http_error(const struct http_conn *c)
{
    return c->fault != HTTP_FINE ? http_fault_text(c->fault) : NULL;
}

bool http_closing(const struct http_conn *c)
{
    return c->ops->closing(c);
}

void http_shut(struct http_conn *c)
{
    c->ops->shut(c);
}

size_t http_streams(const struct http_conn *c)
{
    return c->ops->streams(c);
}

bool http_can_request(const struct http_conn *c)
{
    return c->side == HTTP_CLIENT && c->ops->can_request(c);
}

struct http_stream *http_request(struct http_conn *c, const struct http_head *head)
{
    if (!http_can_request(c) || !http_request_ok(c, head))
        return NULL;
    return c->ops->request(c, head);
}

bool http_respond(struct http_stream *s, const struct http_head *head)
{
    assert(s->c->side == HTTP_SERVER);
    return http_response_ok(head) && s->c->ops->respond(s, head);
}

size_t http_send(struct http_stream *s, const void *p, size_t n)
{
    return n > 0 ? s->c->ops->send(s, p, n) : 0;
}

void http_end(struct http_stream *s, const struct http_field *trailers, size_t n)
{
    s->c->ops->end(s, trailers, n);
}

void http_reset(struct http_stream *s, enum http_reset why)
{
    s->c->ops->reset(s, why);
}

void http_take(struct http_stream *s, size_t n)
{
    s->c->ops->take(s, n);
}

void http_set_arg(struct http_stream *s, void *arg)
{
    s->arg = arg;
}

void *http_arg(const struct http_stream *s)
{
    return s->arg;
}

struct str http_field(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->nfields; i++)
        if (str_is(head->fields[i].name, name))
            return head->fields[i].value;
    return (struct str){NULL, 0};
}

bool http_request_ok(const struct http_conn *c, const struct http_head *head)
{
    struct http_authority parts;
    bool star = str_is(head->target, "*") && str_is(head->method, "OPTIONS");

    return http_is_token(head->method) && !str_is(head->method, "CONNECT") &&
           str_eq(head->scheme, http_scheme(c)) && http_authority_parse(head->authority, &parts) &&
           head->target.n <= HTTP_TARGET_MAX && http_is_target(head->target) &&
           (head->target.p[0] == '/' || star) && fields_can_go(head->fields, head->nfields);
}

bool http_response_ok(const struct http_head *head)
{
    return head->status >= 100 && head->status <= 599 && (head->status != 101 || head->websocket) &&
           fields_can_go(head->fields, head->nfields);
}

bool http_bodiless(unsigned status, bool to_head)
{
    return to_head || status < 200 || status == 204 || status == 304;
}
