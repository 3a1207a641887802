/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/filter.h"

#include "base/mem.h"
#include "gate/creds_filter.h"
#include "gate/infer.h"
#include "gate/scan_filter.h"

#include <assert.h>
#include <stdlib.h>

/* In the order in which a request's body meets them; a response's meets them the other way round.
 */
static filter_maker *const makers[] = {
    infer_filter,
    creds_filter_make,
    scan_filter_make,
};

enum { MAKERS = ARRAY_LEN(makers) };

/* What may wait before a filter: all that the one before it keeps back, and what it is fed. */
enum { PENDING_MAX = 2 * FILTER_HOLD_MAX };

void filter_chain_make(struct filter_chain *c, const struct filter_context *context,
                       void (*resume)(void *arg), void *arg)
{
    struct filter **at = &c->first;

    *c = (struct filter_chain){.resume = resume, .arg = arg};
    for (size_t i = 0; i < MAKERS; i++) {
        filter_maker *maker = makers[context->way == FILTER_UP ? i : MAKERS - 1 - i];
        struct filter *f = maker(context);

        if (f == NULL)
            continue;
        f->context = context;
        f->chain = c;
        buf_init(&f->pending, PENDING_MAX);
        c->changes |= f->changes;
        *at = f;
        at = &f->next;
    }
}

void filter_chain_free(struct filter_chain *c)
{
    for (struct filter *f = c->first, *next; f != NULL; f = next) {
        next = f->next;
        buf_free(&f->pending);
        f->ops->free(f);
    }
    *c = (struct filter_chain){0};
}

void filter_resume(struct filter *f)
{
    const struct filter_chain *c = f->chain;

    assert(f->waits);
    f->waits = false;
    f->resumed = true;
    c->resume(c->arg);
}

static enum filter_result feed_pending(struct filter *f, struct buf *to)
{
    struct buf in = f->pending; /* the filter may not see it change */
    enum filter_result r;

    if (in.full) {
        f->reason = "more than the limit waits to be judged";
        return FILTER_CUT;
    }
    buf_init(&f->pending, PENDING_MAX);
    r = in.n == 0 ? FILTER_OK : f->ops->feed(f, in.p, in.n, to);
    buf_free(&in);
    return r;
}

/* One filter does all that it can now. `ending`: the one before it is done. */
static enum filter_result step(struct filter *f, const void *in, size_t n, bool ending,
                               struct buf *to)
{
    enum filter_result r = FILTER_OK;

    if (f->waits || f->resumed || f->pending.n > 0) {
        buf_add(&f->pending, in, n);
        n = 0;
    }
    if (f->waits)
        return FILTER_WAIT;
    if (f->resumed) {
        f->resumed = false;
        r = f->ops->go_on(f, to);
    }
    if (r == FILTER_OK)
        r = n > 0 ? f->ops->feed(f, in, n, to) : feed_pending(f, to);
    if (r == FILTER_OK && ending && !f->end_called) {
        f->end_called = true;
        r = f->ops->end(f, to);
    }
    f->waits = r == FILTER_WAIT;
    return r;
}

static enum filter_result run(struct filter_chain *c, const void *in, size_t n, struct buf *out)
{
    /* What is before the one that cut has nothing to say any more. */
    struct filter *f = c->cutter != NULL ? c->cutter->next : c->first;
    bool ending = c->cutter != NULL ? c->cutter->polite : c->ending;
    bool waiting = false;

    if (f == NULL && c->cutter == NULL)
        buf_add(out, in, n);
    for (; f != NULL; f = f->next) {
        enum filter_result r = step(f, in, n, ending, f->next != NULL ? &f->next->pending : out);

        in = NULL;
        n = 0;
        if (r == FILTER_CUT) {
            c->cutter = f;
            waiting = false;
            ending = f->polite;
            continue;
        }
        waiting |= r == FILTER_WAIT;
        ending = ending && f->end_called && r != FILTER_WAIT;
    }
    return waiting ? FILTER_WAIT : c->cutter != NULL ? FILTER_CUT : FILTER_OK;
}

enum filter_result filter_chain_feed(struct filter_chain *c, const void *in, size_t n,
                                     struct buf *out)
{
    assert(!c->ending);
    return run(c, in, n, out);
}

enum filter_result filter_chain_go_on(struct filter_chain *c, struct buf *out)
{
    return run(c, NULL, 0, out);
}

enum filter_result filter_chain_end(struct filter_chain *c, struct buf *out)
{
    c->ending = true;
    return run(c, NULL, 0, out);
}
