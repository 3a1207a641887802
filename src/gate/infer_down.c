/* SPDX-License-Identifier: Apache-2.0 */
/* infer_down.c - the answer of a model: metered, its tool uses told, those that are refused
 * replaced. */
#include "gate/inference.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    METER_TOKENS = 1000, /* of output, between two questions about a stream */
    JUDGED_ARGS_MAX = 96 * 1024,
    TEXT_MAX = VERDICT_REASON_MAX + 512
};

struct down {
    struct filter f;
    struct inference *i;
    struct model_reply *reply; /* NULL: compressed, nothing is seen of it */
    bool hold, ending, ended;
    struct buf rest; /* came with a tool use that is being judged */
    size_t rest_at;
    uint32_t question; /* about a tool use */
    char refusal[TEXT_MAX];
    uint32_t metering; /* question about the stream */
    int64_t metered;   /* tokens of output when it was asked last */
    bool spent;
    char reason[TEXT_MAX];
    uint64_t bytes;
};

static void say_verdict(char out[TEXT_MAX], const char *before, const struct verdict *v,
                        const char *after)
{
    snprintf(out, TEXT_MAX, "%s%.*s%s%.*s%s", before, v->nrules > 0 ? (int)v->rules[0].n : 0,
             v->nrules > 0 ? v->rules[0].p : "", v->nrules > 0 ? ": " : "", (int)v->reason.n,
             v->reason.p, after);
}

/* What the provider has told so far, and an estimate of what it has not. */
static struct model_usage usage(const struct down *d)
{
    struct model_usage u = {.output = (int64_t)d->bytes, .estimated = true};

    if (d->reply != NULL)
        u = model_reply_usage(d->reply);
    if (d->ended && u.estimated && u.input + u.cache_read + u.cache_write == 0)
        u.input = model_reader_request(d->i->reader)->input_tokens;
    return u;
}

static void on_metered(void *arg, uint32_t id, const struct verdict *v)
{
    struct down *d = arg;

    (void)id;
    d->metering = 0;
    if (v->outcome == OUTCOME_ALLOW)
        return;
    d->spent = true;
    d->f.verdict_event = v->event;
    say_verdict(d->reason, "[belay ended this answer: ", v,
                ". Trying again will not help; tell the person you work for.]");
}

/* A stream that goes on is judged again from time to time, without waiting for the verdict. */
static void meter(struct down *d)
{
    struct model_usage u;

    if (d->reply == NULL || d->metering != 0 || (d->i->duties & DUTY_METER) == 0)
        return;
    u = usage(d);
    if (u.output - d->metered < METER_TOKENS)
        return;
    d->metered = u.output;
    inference_note(d->i, &u);
    d->metering = inference_ask(d->i, "stream", on_metered, d);
}

static enum filter_result cut(struct down *d, const char *text, struct buf *out)
{
    model_reply_cut(d->reply, str_of(text), out);
    d->f.polite = true;
    d->f.reason = d->reason;
    return FILTER_CUT;
}

static void nobody_waits(void *arg, uint32_t id, const struct verdict *v)
{
    (void)arg;
    (void)id;
    (void)v;
}

/* For what no verdict is needed. NULL: it needs one. */
static const char *unjudged(const struct model_intent *i)
{
    if (i->cut || i->arguments.n > JUDGED_ARGS_MAX)
        return "its arguments are longer than can be judged";
    return i->malformed ? "its arguments are not JSON, or can be read in two ways" : NULL;
}

static void on_call_judged(void *arg, uint32_t id, const struct verdict *v)
{
    struct down *d = arg;
    const struct model_intent *intent = model_reply_intent(d->reply);
    char before[MODEL_NAME_MAX + 64];

    (void)id;
    d->question = 0;
    snprintf(before, sizeof(before), "[belay refused the tool use %.*s: ",
             intent->name.n < MODEL_NAME_MAX ? (int)intent->name.n : MODEL_NAME_MAX,
             intent->name.p);
    d->refusal[0] = '\0';
    if (v->outcome != OUTCOME_ALLOW)
        say_verdict(d->refusal, before, v,
                    ". It did not run. Trying it again will not help; do without it, or ask the "
                    "person you work for to change belay's policy.]");
    filter_resume(&d->f);
}

/* The tool use that waits. True: it was answered at once. */
static bool decide(struct down *d, struct buf *out)
{
    const struct model_intent *intent = model_reply_intent(d->reply);
    const char *why = unjudged(intent);

    if (!d->hold) {
        (void)inference_ask_call(d->i, intent, nobody_waits, NULL);
        model_reply_answer(d->reply, (struct str){NULL, 0}, out);
        return true;
    }
    if (why == NULL)
        d->question = inference_ask_call(d->i, intent, on_call_judged, d);
    if (d->question != 0)
        return false;
    if (why == NULL)
        why = "too many questions wait for a verdict";
    snprintf(d->refusal, sizeof(d->refusal),
             "[belay refused the tool use %.*s: %s. It did not run.]",
             intent->name.n < MODEL_NAME_MAX ? (int)intent->name.n : MODEL_NAME_MAX, intent->name.p,
             why);
    gate_note(d->i->gate->asker,
              &(struct note){.id = d->i->id, .event = d->i->event, .kind = "refused", .text = why});
    model_reply_answer(d->reply, str_of(d->refusal), out);
    return true;
}

/* Keeps what was not taken. */
static enum filter_result wait(struct down *d, const char *p, size_t n)
{
    if (d->rest.p != NULL && p >= d->rest.p && p <= d->rest.p + d->rest.n) {
        d->rest_at = (size_t)(p - d->rest.p);
    } else {
        buf_clear(&d->rest);
        d->rest_at = 0;
        buf_add(&d->rest, p, n);
    }
    return FILTER_WAIT;
}

static enum filter_result run(struct down *d, const char *p, size_t n, struct buf *out)
{
    for (size_t took = 0;; took = 0) {
        if (d->spent && n > 0)
            return cut(d, d->reason, out);
        if (n > 0)
            took = model_reply_feed(d->reply, p, n, out);
        p += took;
        n -= took;
        if (n == 0 && d->ending && model_reply_state(d->reply) == MODEL_GOING)
            model_reply_end(d->reply, out);
        if (model_reply_state(d->reply) == MODEL_BROKEN)
            break;
        if (model_reply_state(d->reply) == MODEL_ASKING) {
            if (!decide(d, out))
                return wait(d, p, n);
            continue;
        }
        if (n == 0)
            return FILTER_OK;
    }
    snprintf(d->reason, sizeof(d->reason), "[belay ended this answer: %s.]",
             model_reply_why(d->reply));
    return cut(d, d->reason, out);
}

static enum filter_result down_feed(struct filter *f, const void *in, size_t n, struct buf *out)
{
    struct down *d = (struct down *)f;
    enum filter_result r;

    d->bytes += n;
    if (d->reply == NULL && d->hold) {
        f->reason = "the answer of a model is compressed, so its tool uses cannot be judged";
        return FILTER_CUT;
    }
    if (d->reply == NULL) {
        buf_add(out, in, n);
        return FILTER_OK;
    }
    r = run(d, in, n, out);
    if (r != FILTER_CUT)
        meter(d);
    return r;
}

static void finish(struct down *d)
{
    const struct model_usage u = (d->ended = true, usage(d));

    inference_note(d->i, &u);
}

static enum filter_result ended(struct down *d, enum filter_result r)
{
    if (r != FILTER_WAIT && d->ending && !d->ended)
        finish(d);
    return r;
}

static enum filter_result down_go_on(struct filter *f, struct buf *out)
{
    struct down *d = (struct down *)f;
    const struct str refusal = d->refusal[0] != '\0' ? str_of(d->refusal) : (struct str){NULL, 0};

    model_reply_answer(d->reply, refusal, out);
    if (model_reply_state(d->reply) == MODEL_ASKING && !decide(d, out))
        return FILTER_WAIT;
    return ended(d, run(d, d->rest.p + d->rest_at, d->rest.n - d->rest_at, out));
}

static enum filter_result down_end(struct filter *f, struct buf *out)
{
    struct down *d = (struct down *)f;

    d->ending = true;
    return ended(d, d->reply != NULL ? run(d, "", 0, out) : FILTER_OK);
}

static void down_free(struct filter *f)
{
    struct down *d = (struct down *)f;

    if (d->question != 0)
        gate_ask_cancel(d->i->gate->asker, d->question);
    if (d->metering != 0)
        gate_ask_cancel(d->i->gate->asker, d->metering);
    if (!d->ended) /* the client left, or the server: what came has been paid for */
        finish(d);
    inference_release(d->i);
    model_reply_free(d->reply);
    buf_free(&d->rest);
    free(d);
}

struct filter *infer_down(const struct filter_context *c, struct inference *i)
{
    static const struct filter_ops ops = {down_feed, down_go_on, down_end, down_free};
    struct str encoding = http_field(c->response, "content-encoding");
    bool plain = encoding.p == NULL || encoding.n == 0 || str_is(encoding, "identity");
    struct down *d;

    i->answered = true;
    if (i->reader == NULL || c->response->status < 200 || c->response->status > 299) {
        inference_release(i);
        return NULL;
    }
    d = xcalloc(1, sizeof(*d));
    d->f.ops = &ops;
    d->i = i;
    d->hold = (c->duties & DUTY_CALLS) != 0;
    d->f.changes = d->hold || model_reader_request(i->reader)->streaming;
    buf_init(&d->rest, FILTER_HOLD_MAX);
    if (plain)
        d->reply = model_reply_new(&i->call, NULL, d->hold);
    return &d->f;
}
