/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/flow.h"

#include "base/mem.h"

#include <string.h>

/* What filters kept back may come out at once. */
enum { OUT_MAX = 4 * FILTER_HOLD_MAX, IN_MAX = 4 * HTTP_WINDOW };

void flow_init(struct flow *f, struct http_stream *from)
{
    *f = (struct flow){.from = from};
    buf_init(&f->in, IN_MAX);
    buf_init(&f->out, OUT_MAX);
}

void flow_free(struct flow *f)
{
    filter_chain_free(&f->chain);
    buf_free(&f->in);
    buf_free(&f->out);
}

static void settle(struct flow *f, enum filter_result r)
{
    f->waiting = r == FILTER_WAIT;
    f->cut = f->cut || r == FILTER_CUT;
}

/* Gives back what the source may send anew, once nothing of it waits here. */
static void give_back(struct flow *f)
{
    if (f->owed == 0 || f->out.n > 0 || f->waiting)
        return;
    if (f->from != NULL)
        http_take(f->from, f->owed);
    f->owed = 0;
}

static void send_out(struct flow *f)
{
    size_t sent;

    if (f->to == NULL || f->out.n == 0)
        return;
    sent = http_send(f->to, f->out.p, f->out.n);
    if (sent == f->out.n) {
        buf_clear(&f->out);
        return;
    }
    memmove(f->out.p, f->out.p + sent, f->out.n - sent);
    f->out.n -= sent;
}

static bool can_filter(const struct flow *f)
{
    return !f->waiting && !f->cut && f->out.n == 0;
}

static void filter(struct flow *f, const void *p, size_t n)
{
    f->owed += n;
    settle(f, filter_chain_feed(&f->chain, p, n, &f->out));
    f->cut |= f->out.full;
}

void flow_data(struct flow *f, const void *p, size_t n)
{
    f->total += n;
    if (f->cut) {
        f->owed += n; /* nobody wants it */
        return;
    }
    if (f->in.n > 0 || !can_filter(f)) {
        buf_add(&f->in, p, n);
        f->cut |= f->in.full;
    } else if (f->chain.first == NULL && f->to != NULL) {
        /* the short way: no copy of what is taken at once */
        size_t sent = http_send(f->to, p, n);

        buf_add(&f->out, (const char *)p + sent, n - sent);
        f->owed += n;
    } else {
        filter(f, p, n);
    }
    flow_run(f);
}

void flow_end(struct flow *f, const struct http_field *trailers, size_t n)
{
    f->ended = true;
    f->trailers = trailers;
    f->ntrailers = n;
    flow_run(f);
}

void flow_run(struct flow *f)
{
    send_out(f);
    if (f->waiting && !f->cut) {
        give_back(f);
        return;
    }
    if (f->in.n > 0 && can_filter(f)) {
        struct buf in = f->in;

        buf_init(&f->in, IN_MAX);
        filter(f, in.p, in.n);
        buf_free(&in);
        send_out(f);
    }
    if (f->ended && f->in.n == 0 && can_filter(f) && !f->through) {
        f->through = true;
        settle(f, filter_chain_end(&f->chain, &f->out));
        send_out(f);
    }
    give_back(f);
}

void flow_resume(struct flow *f)
{
    settle(f, filter_chain_go_on(&f->chain, &f->out));
    f->cut |= f->out.full;
    flow_run(f);
}

bool flow_has_output(const struct flow *f)
{
    return f->out.n > 0 || f->cut || (f->through && !f->waiting);
}
