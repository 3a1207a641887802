/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_ask.h - the question whether a request may be made.
 */
#ifndef BELAY_GATE_REQUEST_ASK_H
#define BELAY_GATE_REQUEST_ASK_H

#include "gate/ask.h"
#include "http/http.h"

struct request_question {
    const struct http_head *head;
    struct str host; /* the resource */
    uint16_t port;
    struct str path, query; /* path: canonical */
    struct str credential;  /* as FIELD_CREDENTIAL has it */
    struct str carries;     /* list in frame form */
    struct str dialled;
    uint64_t cause;
    const char *op; /* "head", "body" */
};

/* 0: too many questions wait. */
uint32_t request_ask(struct asker *a, const struct request_question *q, ask_fn *fn, void *arg);

#endif
