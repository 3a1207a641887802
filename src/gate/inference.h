/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inference.h - inside of infer.h: one request to a model, known to the filter of its body and to
 * that of its answer.
 */
#ifndef BELAY_GATE_INFERENCE_H
#define BELAY_GATE_INFERENCE_H

#include "gate/filter.h"
#include "gate/state.h"
#include "model/price.h"

#define INFER_NAME_MAX (256 + MODEL_NAME_MAX) /* "PROVIDER/MODEL"; a provider may be a host */

struct inference {
    struct inference *next; /* of the gate */
    struct gate *gate;
    uint64_t request; /* event of the verdict on the request: tells it apart */
    unsigned users;
    struct model_call call;
    struct model_reader *reader;
    char name[INFER_NAME_MAX];
    size_t provider; /* bytes of it */
    struct price price;
    uint32_t id; /* of the action; its event */
    uint64_t event;
    uint32_t duties;
    bool answered; /* an answer has begun, or a refusal of the server's */
    struct {
        int64_t input, output, cached, cost;
    } noted; /* was told to the judge */
};

/* What the gate knows of models; made with the first request to one. */
struct inferences {
    struct inference *first;
    struct price_table prices;
};

/* What the request asks of a model API. */
struct model_call inference_call(const struct http_head *request);

/* A new one, or that which the request's filter made; NULL: none did. Release each. */
struct inference *inference_new(const struct filter_context *c, const struct model_call *call);
struct inference *inference_find(const struct filter_context *c);
void inference_release(struct inference *i);

/* Once the body was read: its name and price. */
void inference_name(struct inference *i, struct str host, struct str model);

/* Asks the judge; 0: too many questions wait. */
uint32_t inference_ask(struct inference *i, const char *op, ask_fn *fn, void *arg);
uint32_t inference_ask_call(struct inference *i, const struct model_intent *intent, ask_fn *fn,
                            void *arg);

/* Tells what was used since it was told last. */
void inference_note(struct inference *i, const struct model_usage *u);

/* The two makers. */
struct filter *infer_up(const struct filter_context *c, struct inference *i);
struct filter *infer_down(const struct filter_context *c, struct inference *i);

#endif
