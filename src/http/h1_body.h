/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h1_body.h - takes the framing off a body of HTTP/1 (RFC 9112, 6 and 7).
 */
#ifndef BELAY_HTTP_H1_BODY_H
#define BELAY_HTTP_H1_BODY_H

#include "http/fault.h"
#include "http/h1_head.h"

#include <sys/types.h>

enum h1_place {
    H1_IN_DATA,
    H1_IN_SIZE,
    H1_IN_EXTENSION,
    H1_IN_SIZE_LF,
    H1_IN_END_CR,
    H1_IN_END_LF,
    H1_IN_TRAILERS, /* they are next: lines up to an empty one */
    H1_IN_NOTHING,  /* the body is over */
};

struct h1_body {
    enum h1_framing framing;
    enum h1_place place;
    uint64_t left;     /* bytes of the body, or of the chunk */
    unsigned digits;   /* of the chunk's size so far */
    size_t extensions; /* bytes of them in the whole body */
};

void h1_body_start(struct h1_body *b, enum h1_framing framing, int64_t length);

/* Takes bytes, up to and with a piece of the body of at most `most` bytes, or to the end of the
 * framing. How many; *data is the piece, or empty. -1: *fault says what is wrong. */
ssize_t h1_body_feed(struct h1_body *b, const char *p, size_t n, size_t most, struct str *data,
                     enum http_fault *fault);

#endif
