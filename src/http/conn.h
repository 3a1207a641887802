/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - what both versions of HTTP have in common, and the table of what each does its own way.
 */
#ifndef BELAY_HTTP_CONN_H
#define BELAY_HTTP_CONN_H

#include "http/fault.h"
#include "http/http.h"

struct http_ops {
    void (*free)(struct http_conn *c);
    ssize_t (*feed)(struct http_conn *c, const char *p, size_t n);
    bool (*blocked)(const struct http_conn *c);
    bool (*feed_end)(struct http_conn *c);
    struct str (*output)(struct http_conn *c);
    void (*sent)(struct http_conn *c, size_t n);
    bool (*closing)(const struct http_conn *c);
    void (*shut)(struct http_conn *c);
    size_t (*streams)(const struct http_conn *c);
    bool (*can_request)(const struct http_conn *c);
    struct http_stream *(*request)(struct http_conn *c, const struct http_head *head);
    bool (*respond)(struct http_stream *s, const struct http_head *head);
    size_t (*send)(struct http_stream *s, const char *p, size_t n);
    void (*end)(struct http_stream *s, const struct http_field *trailers, size_t n);
    void (*reset)(struct http_stream *s, enum http_reset why);
    void (*take)(struct http_stream *s, size_t n);
};

/* The first member of each version's own. */
struct http_conn {
    const struct http_ops *ops;
    const struct http_hooks *hooks;
    void *arg;
    enum http_side side;
    bool tls;
    bool busy; /* in a function that no hook may call */
    enum http_fault fault;
};

struct http_stream {
    struct http_conn *c;
    void *arg;
};

/* The scheme of the connection. */
static inline struct str http_scheme(const struct http_conn *c)
{
    return c->tls ? STR("https") : STR("http");
}

/* Heads that are given to be sent: can what is in them be written? */
bool http_request_ok(const struct http_conn *c, const struct http_head *head);
bool http_response_ok(const struct http_head *head);
/* A response to this has no body, whatever it says. */
bool http_bodiless(unsigned status, bool to_head);

#endif
