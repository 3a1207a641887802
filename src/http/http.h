/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113) as state machines of one shape: the peer's
 * bytes in, events out; messages in, bytes for the peer out. No I/O, no idea of policy, and no
 * clock but the one by which floods of HTTP/2 frames are counted.
 *
 * The parse is canonical: what two parsers could read differently is an error and ends the
 * connection (a bare LF, obs-fold, blanks before a colon, conflicting or repeated lengths, a length
 * beside chunks, NUL, an absolute form or :authority that differs from Host, more than one Host).
 * What leaves is made anew from what was read, so both ends see the same message.
 *
 * A struct http_conn is one connection with one peer; a struct http_stream is one request with its
 * response on it. Streams belong to their connection and are gone after `over` was called for them.
 * Strings in events are views that live until the hook returns. Hooks may call any function but
 * http_feed, http_feed_end, http_output, http_sent and http_conn_free.
 *
 * Events come out of http_feed, http_feed_end, http_output, http_sent, http_reset and
 * http_conn_free only: http_send, http_end, http_respond, http_request and http_take never call a
 * hook. So after any of those, look at http_output; after http_sent and http_take, look at
 * http_blocked.
 *
 * Memory is bounded: a head by HTTP_HEAD_MAX, what may wait to be sent by HTTP_SEND_MAX for each
 * stream, what was delivered and not yet taken by HTTP_WINDOW for each stream; then the peer is not
 * read from (HTTP/1) or given no window (HTTP/2).
 */
#ifndef BELAY_HTTP_HTTP_H
#define BELAY_HTTP_HTTP_H

#include "base/text.h"

#include <sys/types.h>

#define HTTP_HEAD_MAX    (64u * 1024) /* bytes of a head: lines, or names and values */
#define HTTP_FIELDS_MAX  200
#define HTTP_TARGET_MAX  (16u * 1024)
#define HTTP_SEND_MAX    (64u * 1024)
#define HTTP_WINDOW      (256u * 1024)
#define HTTP_STREAMS_MAX 128 /* at a time on one connection */

struct http_conn;
struct http_stream;

enum http_side {
    HTTP_SERVER, /* the peer is a client: it sends requests */
    HTTP_CLIENT, /* the peer is a server */
};

struct http_field {
    struct str name;  /* lower case, a token */
    struct str value; /* no control characters but tab, no blanks around */
};

/* The head of a request (status 0) or of a response. Fields are end to end: what is about this one
 * connection (connection, keep-alive, transfer-encoding, te, upgrade, host, content-length, expect)
 * was taken out and stands in the members. */
struct http_head {
    struct str method;    /* request: a token, as sent */
    struct str scheme;    /* request: "http" or "https", of the connection */
    struct str authority; /* request: host[:port], lower case, no userinfo */
    struct str target;    /* request: path and query, begins with '/'; "*" for OPTIONS */
    unsigned status;      /* response: 100 to 599 */
    const struct http_field *fields;
    size_t nfields;
    int64_t length; /* of the body, -1 when it is not known before its end; with `end` in a response
                       to HEAD and in a 304, of the body that there would have been */
    bool end;       /* there is no body: no data and no end event follow */
    bool expect;    /* request: the client waits for 100 Continue */
    bool trailers;  /* request: TE: trailers, which gRPC insists on */
    bool websocket; /* request: asks to become one (RFC 6455, HTTP/1.1 only), and has `end`;
                       response (101): it has. Then data goes both ways, also on the request's side,
                       until both have ended. Sec-WebSocket-* are in fields. */
};

enum http_reset {
    HTTP_RESET_CANCEL,   /* whoever asked is gone */
    HTTP_RESET_REFUSED,  /* not processed, may be tried again */
    HTTP_RESET_PROTOCOL, /* malformed */
    HTTP_RESET_LOST,     /* the connection ended in the middle */
};

struct http_hooks {
    /* Server: a request begins on a stream of its own. Client: its response; informational ones
     * (1xx but 101, `end` false) come before the final one. */
    void (*head)(void *arg, struct http_stream *s, const struct http_head *head);
    /* Bytes of the body, or of the websocket. Counted until http_take(). */
    void (*data)(void *arg, struct http_stream *s, const void *p, size_t n);
    /* The message is complete; trailers are fields too. */
    void (*end)(void *arg, struct http_stream *s, const struct http_field *trailers, size_t n);
    /* What waited was sent: there is room for http_send() again. */
    void (*room)(void *arg, struct http_stream *s);
    /* The stream is gone, in order or by a reset of the peer's or one's own. Its last event. */
    void (*over)(void *arg, struct http_stream *s, bool in_order, enum http_reset why);
};

struct http_conn *http1_new(enum http_side side, bool tls, const struct http_hooks *h, void *arg);
struct http_conn *http2_new(enum http_side side, bool tls, const struct http_hooks *h, void *arg);
/* Streams that still live are over first (HTTP_RESET_LOST). */
void http_conn_free(struct http_conn *c);

/* Bytes from the peer. The number that was taken: less than n while delivered bytes wait to be
 * taken or a pipelined request has to wait, offer the rest again later (http_blocked() turns
 * false). -1: the peer broke the protocol; http_error() says how, what http_output() has is still
 * to be sent (a server has an answer there). Once http_closing(), what comes is taken and dropped:
 * so a caller can read on for a moment, and the answer is not lost to a reset of the connection. */
ssize_t http_feed(struct http_conn *c, const void *p, size_t n);
bool http_blocked(const struct http_conn *c);
/* The peer will send no more. False: that was in the middle of something. */
bool http_feed_end(struct http_conn *c);
const char *http_error(const struct http_conn *c); /* printable, static; NULL: none */

/* Bytes for the peer: a view that lives until http_sent(), which says how many of them went. */
struct str http_output(struct http_conn *c);
void http_sent(struct http_conn *c, size_t n);
/* Nothing more will happen: close once http_output() is empty. */
bool http_closing(const struct http_conn *c);
/* No new requests are taken (GOAWAY, Connection: close); what runs goes on. */
void http_shut(struct http_conn *c);
size_t http_streams(const struct http_conn *c); /* alive */

/* Client: can another request begin? Begins it. NULL: it cannot, the head holds what may not be
 * sent, or it asks for a websocket over HTTP/2. */
bool http_can_request(const struct http_conn *c);
struct http_stream *http_request(struct http_conn *c, const struct http_head *head);
/* Server: the response, after any informational ones. False: the head holds what may not be sent
 * (nothing was; another may be tried). */
bool http_respond(struct http_stream *s, const struct http_head *head);
/* Both: the body; not after a head with `end`. How many bytes were taken: the rest after `room`.
 * The body of a response that has none (to HEAD, 204, 304) is taken and dropped. One that does not
 * keep to the length that the head gave is cut off there, and its stream ends as one that was lost.
 */
size_t http_send(struct http_stream *s, const void *p, size_t n);
/* Trailers that may not be sent are left out. A response may end before its request: then the rest
 * of the request is not waited for. */
void http_end(struct http_stream *s, const struct http_field *trailers, size_t n);
/* Ends a stream early; over HTTP/1 that ends the connection. `over` is called before it returns. */
void http_reset(struct http_stream *s, enum http_reset why);
/* `n` bytes that data() delivered are done with. */
void http_take(struct http_stream *s, size_t n);

/* The user's own pointer. */
void http_set_arg(struct http_stream *s, void *arg);
void *http_arg(const struct http_stream *s);

/* The value of the first field of that (lower-case) name; p NULL: there is none. */
struct str http_field(const struct http_head *head, const char *name);

#endif
