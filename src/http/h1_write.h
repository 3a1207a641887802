/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h1_write.h - writes heads, chunks and trailers of HTTP/1. Heads are sound (conn.h).
 */
#ifndef BELAY_HTTP_H1_WRITE_H
#define BELAY_HTTP_H1_WRITE_H

#include "http/h1_head.h"
#include "http/queue.h"

/* How the body will be framed, and so what the head says. */
enum h1_framing h1_request_framing(const struct http_head *head);
/* `old`: for a client of HTTP/1.0. */
enum h1_framing h1_response_framing(const struct http_head *head, bool to_head, bool old);

void h1_write_request(struct queue *q, const struct http_head *head, enum h1_framing framing);
void h1_write_response(struct queue *q, const struct http_head *head, enum h1_framing framing,
                       bool close);
void h1_write_chunk(struct queue *q, const char *p, size_t n);
void h1_write_last_chunk(struct queue *q, const struct http_field *trailers, size_t n);
/* The answer to what could not be read. */
void h1_write_fault(struct queue *q, enum http_fault fault);

#endif
