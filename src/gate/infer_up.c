/* SPDX-License-Identifier: Apache-2.0 */
/* infer_up.c - the body of a request to a model: read, kept, judged, let go. */
#include "gate/inference.h"

#include "base/mem.h"
#include "model/unpack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_MAX = 4 << 20 };
static_assert(HELD_MAX <= FILTER_HOLD_MAX, "what a filter may keep");

struct up {
    struct filter f;
    struct inference *i;
    struct unpack *unpack; /* NULL: the body is as it is */
    struct buf held;
    bool late; /* too long to be kept: all has gone on but the last byte */
    bool allowed, answered;
    uint32_t question;
    char reason[VERDICT_REASON_MAX + 160];
};

static enum filter_result refuse(struct up *u, const char *fmt, const char *what)
{
    /* the format is one of this file's own */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(u->reason, sizeof(u->reason), fmt, what);
#pragma GCC diagnostic pop
    u->f.reason = u->reason;
    return FILTER_CUT;
}

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct up *u = arg;

    u->question = 0;
    u->answered = true;
    u->allowed = v->outcome == OUTCOME_ALLOW;
    u->i->id = id;
    u->i->event = v->event;
    u->i->duties = v->duties;
    if (!u->allowed) {
        u->f.verdict_event = v->event;
        snprintf(u->reason, sizeof(u->reason), "%.*s%s%.*s", v->nrules > 0 ? (int)v->rules[0].n : 0,
                 v->nrules > 0 ? v->rules[0].p : "", v->nrules > 0 ? ": " : "", (int)v->reason.n,
                 v->reason.p);
    }
    filter_resume(&u->f);
}

static enum filter_result ask(struct up *u, const char *op)
{
    u->question = inference_ask(u->i, op, on_verdict, u);
    return u->question != 0 ? FILTER_WAIT
                            : refuse(u, "%s", "too many questions wait for a verdict");
}

static bool on_unpacked(void *arg, const void *p, size_t n)
{
    return model_reader_feed(arg, p, n);
}

static bool read_body(struct up *u, const void *p, size_t n)
{
    return u->unpack != NULL ? unpack_feed(u->unpack, p, n) : model_reader_feed(u->i->reader, p, n);
}

static enum filter_result unreadable(struct up *u)
{
    const char *why = model_reader_why(u->i->reader);

    return refuse(u, "the request to a model cannot be read in one way: %s",
                  why != NULL ? why : "its compression is broken, or hides too much");
}

/* All but one byte goes on. */
static void let_all_but_one(struct up *u, struct buf *out)
{
    char last = u->held.p[u->held.n - 1];

    buf_add(out, u->held.p, u->held.n - 1);
    buf_clear(&u->held);
    buf_add(&u->held, &last, 1);
}

static enum filter_result up_feed(struct filter *f, const void *in, size_t n, struct buf *out)
{
    struct up *u = (struct up *)f;

    if (u->answered) {
        buf_add(out, in, n);
        return FILTER_OK;
    }
    buf_add(&u->held, in, n);
    if (u->i->call.work == MODEL_WORK_BULK)
        return ask(u, "bulk");
    if (!read_body(u, in, n))
        return unreadable(u);
    u->late = u->late || u->held.n > HELD_MAX;
    if (u->late && u->held.n > 0)
        let_all_but_one(u, out);
    return FILTER_OK;
}

static enum filter_result up_go_on(struct filter *f, struct buf *out)
{
    struct up *u = (struct up *)f;

    if (!u->allowed) {
        f->reason = u->reason;
        return FILTER_CUT;
    }
    buf_add(out, u->held.p, u->held.n);
    buf_free(&u->held);
    return FILTER_OK;
}

static enum filter_result up_end(struct filter *f, struct buf *out)
{
    struct up *u = (struct up *)f;
    const struct model_request *q;

    (void)out;
    if (u->answered)
        return FILTER_OK;
    if (u->i->call.work == MODEL_WORK_BULK)
        return ask(u, "bulk");
    if ((u->unpack != NULL && !unpack_end(u->unpack)) || !model_reader_end(u->i->reader))
        return unreadable(u);
    q = model_reader_request(u->i->reader);
    if (q->nserver_tools == MODEL_TOOLS_MAX)
        return refuse(u, "%s", "the request asks for more tools than are looked at");
    inference_name(u->i, f->context->host, str_of(q->model));
    return ask(u, "request");
}

static void up_free(struct filter *f)
{
    struct up *u = (struct up *)f;

    if (u->question != 0)
        gate_ask_cancel(u->i->gate->asker, u->question);
    /* whoever hangs up before the answer has had it read all the same */
    if (u->allowed && *f->context->sent && !u->i->answered && u->i->reader != NULL) {
        const struct model_usage read = {.input = model_reader_request(u->i->reader)->input_tokens,
                                         .estimated = true};

        inference_note(u->i, &read);
    }
    inference_release(u->i);
    unpack_free(u->unpack);
    buf_free(&u->held);
    free(u);
}

/* A body that is compressed in a way that is not known. */
static enum filter_result up_feed_encoded(struct filter *f, const void *in, size_t n,
                                          struct buf *out)
{
    (void)in;
    (void)n;
    (void)out;
    return refuse(
        (struct up *)f, "%s",
        "the request to a model is compressed in a way that cannot be read; send it as it "
        "is, or by gzip or zstd");
}

static enum filter_result up_end_encoded(struct filter *f, struct buf *out)
{
    return up_feed_encoded(f, NULL, 0, out);
}

struct filter *infer_up(const struct filter_context *c, struct inference *i)
{
    static const struct filter_ops ops = {up_feed, up_go_on, up_end, up_free};
    static const struct filter_ops encoded = {up_feed_encoded, up_go_on, up_end_encoded, up_free};
    struct str encoding = http_field(c->request, "content-encoding");
    struct up *u = xcalloc(1, sizeof(*u));
    bool plain = encoding.p == NULL || encoding.n == 0 || str_is(encoding, "identity");

    if (!plain && i->call.work == MODEL_WORK_INFER)
        u->unpack = unpack_new(encoding, on_unpacked, i->reader);
    u->f.ops = plain || u->unpack != NULL || i->call.work == MODEL_WORK_BULK ? &ops : &encoded;
    u->i = i;
    buf_init(&u->held, (size_t)HELD_MAX + FILTER_HOLD_MAX);
    if (i->call.work == MODEL_WORK_BULK)
        inference_name(i, c->host, STR("bulk"));
    else
        *c->plain = true;
    return &u->f;
}
