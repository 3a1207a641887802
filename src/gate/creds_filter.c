/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/creds_filter.h"

#include "base/mem.h"
#include "gate/creds.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct creds_filter {
    struct filter f;
    struct creds_body_state state;
    bool told; /* people were, of this body */
    char text[256];
};

void creds_alert(struct gate *g, uint32_t id, uint64_t event, const char *text)
{
    gate_note(g->asker, &(struct note){.id = id, .event = event, .kind = "alert", .text = text});
}

static bool is_inference(const struct filter_context *c)
{
    struct str target = c->request->target;
    const char *query = memchr(target.p, '?', target.n);
    struct str rest = {"", 0};

    if (query != NULL)
        rest = (struct str){query + 1, target.n - (size_t)(query + 1 - target.p)};
    return model_recognise(c->request->method, c->place->path, rest).work != MODEL_WORK_NONE;
}

static enum filter_result found(struct creds_filter *x, const char *name)
{
    const struct filter_context *c = x->f.context;
    const struct gate *g = c->gate;
    enum creds_body_fate fate = creds_body(g->creds, name, c->place, is_inference(c));

    if (fate == CREDS_BODY_PASS)
        return FILTER_OK;
    snprintf(x->text, sizeof(x->text),
             "the placeholder of the credential %.64s in the body of a request to %.*s", name,
             (int)(c->host.n < 100 ? c->host.n : 100), c->host.p);
    if (!x->told)
        creds_alert(c->gate, c->id, c->event, x->text);
    x->told = true;
    x->f.reason = x->text;
    return fate == CREDS_BODY_REFUSE ? FILTER_CUT : FILTER_OK;
}

static enum filter_result feed(struct filter *f, const void *in, size_t n, struct buf *out)
{
    struct creds_filter *x = (struct creds_filter *)f;
    const char *name = creds_scan_body(f->context->gate->creds, &x->state, in, n);

    if (name != NULL && found(x, name) != FILTER_OK)
        return FILTER_CUT;
    buf_add(out, in, n);
    return FILTER_OK;
}

static enum filter_result end(struct filter *f, struct buf *out)
{
    (void)f;
    (void)out;
    return FILTER_OK;
}

static void release(struct filter *f)
{
    free(f);
}

/* It never waits. */
static const struct filter_ops ops = {.feed = feed, .end = end, .free = release};

struct filter *creds_filter_make(const struct filter_context *c)
{
    struct creds_filter *x;

    if (c->gate->creds == NULL || c->way != FILTER_UP || c->request->end)
        return NULL;
    x = xcalloc(1, sizeof(*x));
    x->f.ops = &ops;
    return &x->f;
}
