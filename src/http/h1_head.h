/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h1_head.h - reads heads and trailers of HTTP/1 that were collected whole (RFC 9112).
 *
 * The text is changed where it lies (names into lower case); what is read are views of it.
 */
#ifndef BELAY_HTTP_H1_HEAD_H
#define BELAY_HTTP_H1_HEAD_H

#include "http/fault.h"
#include "http/http.h"

/* How a body is framed. */
enum h1_framing {
    H1_NO_BODY,
    H1_LENGTH,
    H1_CHUNKED,
    H1_UNTIL_CLOSE,
    H1_RAW, /* a websocket */
};

struct h1_head {
    struct http_head head; /* its fields are those below */
    enum h1_framing framing;
    bool old;   /* HTTP/1.0 */
    bool close; /* the connection ends with this message */
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* What a response answers. */
struct h1_asked {
    bool head, websocket;
};

enum http_fault h1_read_request(char *text, size_t n, bool tls, struct h1_head *out);
enum http_fault h1_read_response(char *text, size_t n, struct h1_asked asked, struct h1_head *out);
/* f has room for HTTP_FIELDS_MAX. */
enum http_fault h1_read_trailers(char *text, size_t n, struct http_field *f, size_t *nf);

#endif
