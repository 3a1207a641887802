/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan_filter.c - up: what may be part of a finding is kept back; a kind of finding that was not
 * judged yet is, before more leaves; then it goes on, masked, or the message is cut. Down: it
 * passes, and what is found is told.
 */
#include "gate/scan_filter.h"

#include "base/mem.h"
#include "gate/request_ask.h"
#include "gate/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 4096u /* kept back at a time, to be masked */

struct scan {
    struct filter filter;
    struct detect_stream *stream;
    struct scan_kinds kinds;
    size_t told; /* kinds that were judged, or noted */
    /* up */
    struct buf held; /* what was not let go, from offset `held_at` on */
    uint64_t held_at;
    struct detect_finding *finding; /* in what is held */
    size_t findings;
    bool redact; /* the last verdict: mask what is found */
    bool ended;
    unsigned reading; /* of the path: each is asked about */
    uint32_t question;
    char reason[VERDICT_REASON_MAX + 1];
};

static struct scan *scan_of(struct filter *f)
{
    return (struct scan *)f;
}

static void cut(struct scan *s, struct str reason, uint64_t event)
{
    size_t n = reason.n < sizeof(s->reason) - 1 ? reason.n : sizeof(s->reason) - 1;

    memcpy(s->reason, reason.p, n);
    s->reason[n] = '\0';
    s->filter.reason = s->reason;
    s->filter.verdict_event = event;
    buf_clear(&s->held);
}

static void on_finding(void *arg, const struct detect_finding *f)
{
    struct scan *s = arg;

    (void)scan_kinds_add(&s->kinds, f);
    if (s->filter.context->way == FILTER_DOWN || strcmp(f->label, "unscanned") == 0)
        return;
    if (s->finding == NULL)
        s->finding = xcalloc(FINDINGS_MAX, sizeof(*s->finding));
    if (s->findings < FINDINGS_MAX)
        s->finding[s->findings] = *f;
    s->findings++;
}

/* Masks what is found in the first n bytes held. False: that cannot be. */
static bool mask(struct scan *s, size_t n)
{
    size_t kept = 0;

    if (s->findings > FINDINGS_MAX)
        return !s->redact;
    for (size_t i = 0; i < s->findings; i++) {
        struct detect_finding *f = &s->finding[i];

        if (s->redact && !detect_mask(f, s->held_at, s->held.p, n))
            return false;
        if (f->end > s->held_at + n)
            s->finding[kept++] = *f;
    }
    s->findings = kept;
    return true;
}

/* Lets go what can be no part of a finding any more. */
static enum filter_result let_go(struct scan *s, struct buf *out)
{
    size_t pending = s->ended ? 0 : detect_pending(s->stream), n;

    n = s->held.n > pending ? s->held.n - pending : 0;
    if (!mask(s, n)) {
        cut(s, STR("what was found cannot be taken out of compressed data"),
            s->filter.context->event);
        return FILTER_CUT;
    }
    buf_add(out, s->held.p, n);
    memmove(s->held.p, s->held.p + n, s->held.n - n);
    s->held.n -= n;
    s->held_at += n;
    return FILTER_OK;
}

static bool ask(struct scan *s);

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct scan *s = arg;

    (void)id;
    s->question = 0;
    if (v->outcome != OUTCOME_ALLOW) {
        cut(s, v->reason, v->event);
    } else {
        s->redact = s->redact || (v->duties & DUTY_REDACT) != 0;
        if (++s->reading < s->filter.context->npaths && ask(s))
            return;
    }
    filter_resume(&s->filter);
}

/* About all kinds found so far. False: it cannot be asked, the message is cut. */
static bool ask(struct scan *s)
{
    const struct filter_context *c = s->filter.context;
    struct request_question q = *c->asked;
    AUTO_BUF struct buf carries = {0};

    buf_init(&carries, SCAN_KINDS * (SCAN_KIND_MAX + 8));
    scan_kinds_list(&s->kinds, &carries);
    q.path = c->paths[s->reading];
    q.carries = buf_str(&carries);
    q.cause = c->event;
    q.op = "body";
    s->question = request_ask(c->gate->asker, &q, on_verdict, s);
    if (s->question == 0)
        cut(s, STR("too many questions wait for a verdict"), 0);
    return s->question != 0;
}

static enum filter_result go_up(struct scan *s, struct buf *out)
{
    if (s->filter.reason != NULL)
        return FILTER_CUT;
    if (s->kinds.n > s->told) {
        s->told = s->kinds.n;
        s->reading = 0;
        return ask(s) ? FILTER_WAIT : FILTER_CUT;
    }
    return let_go(s, out);
}

static enum filter_result up_feed(struct filter *f, const void *in, size_t n, struct buf *out)
{
    struct scan *s = scan_of(f);

    buf_add(&s->held, in, n);
    detect_feed(s->stream, in, n);
    return go_up(s, out);
}

static enum filter_result up_go_on(struct filter *f, struct buf *out)
{
    return go_up(scan_of(f), out);
}

static enum filter_result up_end(struct filter *f, struct buf *out)
{
    struct scan *s = scan_of(f);

    detect_end(s->stream);
    s->ended = true;
    return go_up(s, out);
}

/* A note of what has come in that had not been seen in this message. */
static void tell(struct scan *s)
{
    const struct filter_context *c = s->filter.context;
    AUTO_BUF struct buf finds = {0};

    if (s->told == s->kinds.n)
        return;
    buf_init(&finds, SCAN_KINDS * (SCAN_KIND_MAX + 8));
    for (; s->told < s->kinds.n; s->told++)
        action_list_add(&finds, str_of(s->kinds.kind[s->told]));
    gate_note(
        c->gate->asker,
        &(struct note){
            .id = c->id, .event = c->event, .kind = "found", .text = "", .finds = buf_str(&finds)});
}

static enum filter_result down_feed(struct filter *f, const void *in, size_t n, struct buf *out)
{
    struct scan *s = scan_of(f);

    buf_add(out, in, n);
    detect_feed(s->stream, in, n);
    tell(s);
    return FILTER_OK;
}

static enum filter_result down_go_on(struct filter *f, struct buf *out)
{
    (void)f;
    (void)out;
    return FILTER_OK; /* it never waits */
}

static enum filter_result down_end(struct filter *f, struct buf *out)
{
    struct scan *s = scan_of(f);

    (void)out;
    detect_end(s->stream);
    tell(s);
    return FILTER_OK;
}

static void scan_free(struct filter *f)
{
    struct scan *s = scan_of(f);

    gate_ask_cancel(f->context->gate->asker, s->question);
    detect_close(s->stream);
    if (s->held.p != NULL)
        explicit_bzero(s->held.p, s->held.size);
    buf_free(&s->held);
    free(s->finding);
    free(s);
}

static const struct filter_ops up = {up_feed, up_go_on, up_end, scan_free};
static const struct filter_ops down = {down_feed, down_go_on, down_end, scan_free};

/* Encodings of a message that no detector looks into. */
static bool is_opaque(struct str encoding)
{
    static const char *const seen[] = {"", "identity", "gzip", "x-gzip", "deflate"};

    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        if (str_is(encoding, seen[i]))
            return false;
    return true;
}

struct filter *scan_filter_make(const struct filter_context *c)
{
    static const struct detect_finding opaque = {.label = "unscanned", .detector = "encoding"};
    bool is_up = c->way == FILTER_UP;
    unsigned sets = is_up ? DETECT_SECRETS | DETECT_PERSONAL | DETECT_MARKED : DETECT_ALL;
    const struct http_head *head = is_up ? c->request : c->response;
    struct scan *s;

    if ((c->duties & (is_up ? DUTY_SCAN : DUTY_LABELS)) == 0)
        return NULL;
    s = xcalloc(1, sizeof(*s));
    s->filter.ops = is_up ? &up : &down;
    s->filter.context = c;
    s->redact = (c->duties & DUTY_REDACT) != 0;
    buf_init(&s->held, FILTER_HOLD_MAX);
    s->stream = detect_open(scanner_detect(c->gate->scanner), sets, on_finding, s);
    if (!head->end && is_opaque(http_field(head, "content-encoding")))
        (void)scan_kinds_add(&s->kinds, &opaque);
    return &s->filter;
}
