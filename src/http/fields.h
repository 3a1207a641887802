/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - what fields say about the message and the connection, taken out of those that go from
 * end to end. The same for both versions of HTTP.
 */
#ifndef BELAY_HTTP_FIELDS_H
#define BELAY_HTTP_FIELDS_H

#include "http/fault.h"
#include "http/http.h"

struct field_facts {
    struct str host; /* p NULL: none */
    int64_t length;  /* -1: none */
    bool chunked, expect, trailers;
    /* HTTP/1 only, and not from end to end */
    bool close, keep_alive, websocket;
};

/* Sorts the n fields of a head: what is about the message or the connection goes into *out, the
 * rest stays, in order, and *n is how many there are. Names are lower-case tokens already. */
enum http_fault fields_sort(struct http_field *f, size_t *n, bool h2, struct field_facts *out);

/* May this be a trailer? What frames, routes, authorizes or describes the message may not. */
bool field_trails(struct str name);
/* May this stand in the fields of a head that is given to be sent? What the members of struct
 * http_head say may not. */
bool field_sends(struct str name);
/* All of them can be written as they are, and none is in the way of what the codec writes. */
bool fields_can_go(const struct http_field *f, size_t n);

/* host[:port], put into lower case at *s. */
bool authority_lower(char *p, size_t n);

#endif
