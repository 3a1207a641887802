/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h - what a client is told when the gate answers in the server's place.
 *
 * In the form that the client reads: the error of the model API that it speaks, else JSON or plain
 * text as it accepts. It names the rule and the reason, and what can be done.
 */
#ifndef BELAY_GATE_ANSWER_H
#define BELAY_GATE_ANSWER_H

#include "http/http.h"

struct answer {
    unsigned status;   /* 403, 502 ... */
    struct str rule;   /* that decided; empty: none did */
    struct str reason; /* printable */
};

/* Answers the request `head` on its stream, and ends it. */
void answer_send(struct http_stream *s, const struct http_head *head, const struct answer *a);

/* The type and body of it, for those who send by themselves. */
void answer_body(const struct http_head *head, const struct answer *a, const char **type,
                 struct buf *body);

#endif
