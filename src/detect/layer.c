/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/layer.h"

#include "base/mem.h"
#include "detect/alphabet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define POOL 32u /* layers that are kept for the next stream */

/*
 * Places
 */
struct place layer_place(const struct layer *l, uint64_t offset)
{
    assert(offset >= l->base && offset < layer_size(l));
    if (l->place == NULL)
        return (struct place){.at = (uint32_t)offset, .span = 1};
    return l->place[offset - l->base];
}

struct place layer_places(const struct layer *l, uint64_t from, uint64_t to)
{
    struct place a = layer_place(l, from), b = layer_place(l, to);
    uint32_t span = b.at + b.span - a.at;

    a.span = span > UINT16_MAX ? UINT16_MAX : (uint16_t)span;
    a.changed = true;
    return a;
}

/* From the low bits to the offset: what is meant lies within 4 GiB before what was fed. */
static uint64_t whole(const struct detect_stream *s, uint32_t at)
{
    return s->fed - (uint32_t)((uint32_t)s->fed - at);
}

static uint64_t begin_of(const struct layer *l, uint64_t offset)
{
    return whole(l->stream, layer_place(l, offset).at);
}

/*
 * Findings
 */
void layer_unscanned(struct detect_stream *s, const char *bound, uint64_t begin, uint64_t end)
{
    const struct detect_finding f = {
        .label = "unscanned", .detector = bound, .begin = begin, .end = end};

    if (!s->unscanned)
        s->found(s->arg, &f);
    s->unscanned = true;
}

/* A layer without escapes repeats its parent: only what they changed is news. */
static bool is_news(const struct layer *l, uint64_t from, uint64_t to)
{
    if (l->depth == 0 || l->via[l->depth - 1u] != DETECT_ESCAPED)
        return true;
    for (uint64_t i = from; i < to; i++)
        if (layer_place(l, i).changed)
            return true;
    return false;
}

static void tell(struct layer *l, const char *label, const char *detector, uint64_t from,
                 uint64_t to)
{
    struct detect_finding f = {.label = label, .detector = detector};
    struct place last = layer_place(l, to - 1);

    memcpy(f.via, l->via, sizeof(f.via));
    f.begin = begin_of(l, from);
    f.end = whole(l->stream, last.at) + last.span;
    if (f.end > l->stream->fed)
        f.end = l->stream->fed;
    l->stream->found(l->stream->arg, &f);
}

/* `context`: where what makes it a finding begins. */
static void tell_row(struct layer *l, unsigned row, uint64_t context, uint64_t from, uint64_t to)
{
    const struct detect *d = l->stream->d;
    const struct str value = {(const char *)l->data + (from - l->base), to - from};

    if (!is_news(l, context, to))
        return;
    if (d->allowed != NULL && rows[row].set != DETECT_INSTRUCTIONS &&
        d->allowed(d->allowed_arg, rows[row].name, value))
        return;
    tell(l, row_label(&rows[row]), rows[row].name, from, to);
}

/*
 * Candidates
 */
/* True: it is decided. */
static bool decide(struct layer *l, struct candidate *c, bool end)
{
    size_t from = 0, to = 0;
    enum match answer;

    do {
        const struct view v = {
            .p = l->data + (c->begin - l->base),
            .n = layer_size(l) - c->begin,
            .before = c->begin - l->base,
            .end = end,
        };
        assert(c->begin >= l->base && c->begin <= layer_size(l));
        answer = match_go(&l->stream->d->matcher, c, &v, &from, &to);
        if (answer != MATCH_FOUND)
            break;
        tell_row(l, c->row, c->begin, c->begin + from, c->begin + to);
        c->begin += to;
        c->at.done = 0;
    } while (c->piece);
    return answer != MATCH_MORE;
}

static void decide_all(struct layer *l, bool end)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < l->candidates; i++)
        if (!decide(l, &l->candidate[i], end))
            l->candidate[kept++] = l->candidate[i];
    l->candidates = (uint16_t)kept;
    assert(!end || kept == 0);
}

static bool word_byte(uint8_t c)
{
    return alphabet_alnum(c) || c == '_';
}

/* The engine saw the trigger of a row end before offset `to`. */
static int on_trigger(unsigned id, unsigned long long start, unsigned long long to, unsigned flags,
                      void *arg)
{
    struct layer *l = arg;
    const struct detect *d = l->stream->d;
    const struct row *r = &rows[id];
    uint64_t begin = to < r->width ? 0 : to - r->width;
    int back;

    (void)start;
    (void)flags;
    if ((r->set & l->stream->sets) == 0 || d->off[id] || begin < l->base)
        return 0;
    back = shape_back(&d->matcher.back[id], l->data, begin - l->base);
    if (back < 0)
        return 0;
    begin -= (uint64_t)back;
    if ((r->edges & ROW_LEFT) != 0 && begin > l->base && word_byte(l->data[begin - l->base - 1]))
        return 0;
    if (l->candidates == CANDIDATES)
        decide_all(l, false);
    if (l->candidates == CANDIDATES) {
        layer_unscanned(l->stream, "candidates", begin_of(l, begin), l->stream->fed);
        return 0;
    }
    l->candidate[l->candidates++] =
        (struct candidate){.begin = begin, .row = (uint16_t)id, .at.done = (uint32_t)(to - begin)};
    return 0;
}

/*
 * Copies of marked content
 */
static void forget_copy(struct copies *c)
{
    c->seen = 0;
    c->labels = 0;
}

/* A mark was seen; the run that it stands for is [from, to). */
static void on_mark(struct layer *l, uint64_t hash, uint32_t labels, bool alone, uint64_t from,
                    uint64_t to)
{
    struct copies *c = &l->copies;

    if (c->seen > 0 && ((labels & c->labels) == 0 || to > c->last + MARK_NEAR))
        forget_copy(c);
    if (c->seen > 0 && hash == c->hash && !alone)
        return;
    if (c->seen == 0) {
        c->begin = from;
        c->labels = labels;
    }
    c->labels &= labels;
    c->seen++;
    c->hash = hash;
    c->last = to;
    if (c->seen < 2 && !alone)
        return;
    if (c->begin < l->base)
        c->begin = l->base;
    for (unsigned i = 0; i < l->stream->d->nlabels; i++)
        if ((c->labels >> i & 1) != 0 && is_news(l, c->begin, to))
            tell(l, l->stream->d->labels[i], "copy", c->begin, to);
    c->begin = to;
}

static void look_for_copies(struct layer *l)
{
    const struct marks *m = l->stream->d->marks;
    const uint64_t *filter = marks_filter(m);
    struct copies *c = &l->copies;

    for (uint32_t i = l->scanned; i < l->n; i++) {
        uint64_t at = l->base + i, hash, from;
        uint32_t labels;
        bool alone = false;

        if (!mark_roll(&c->roll, l->data[i], (uint32_t)at, &hash) || !marks_maybe(filter, hash))
            continue;
        labels = marks_find(m, hash, &alone);
        if (labels == 0)
            continue;
        from = at - (uint32_t)((uint32_t)at - mark_roll_begin(&c->roll));
        on_mark(l, hash, labels, alone, from < l->base ? l->base : from, at + 1);
    }
}

/*
 * Scanning
 */
static bool looks_for_copies(const struct layer *l)
{
    return (l->stream->sets & DETECT_MARKED) != 0 && marks_count(l->stream->d->marks) > 0;
}

static void scan_below(struct layer *l)
{
    struct layer *below[] = {
        l->base64.phase[0].child, l->base64.phase[1].child,
        l->base64.phase[2].child, l->base64.phase[3].child,
        l->hex.phase[0].child,    l->hex.phase[1].child,
        l->escapes.child,         l->zip.child,
    };

    for (size_t i = 0; i < ARRAY_LEN(below); i++)
        if (below[i] != NULL)
            layer_scan(below[i]);
}

static void scan(struct layer *l, bool end)
{
    const struct detect *d = l->stream->d;

    if (l->scanned < l->n) {
        hs_error_t e = hs_scan_stream(l->engine, (const char *)l->data + l->scanned,
                                      l->n - l->scanned, 0, d->scratch, on_trigger, l);
        assert(e == HS_SUCCESS);
        l->dirty = true;
    }
    decide_all(l, end);
    if (looks_for_copies(l))
        look_for_copies(l);
    if (l->depth < DETECT_DEPTH) {
        decode_runs(l, end);
        decode_escapes(l, end);
        unzip(l, end);
    }
    l->scanned = l->n;
}

void layer_scan(struct layer *l)
{
    if (l->scanned < l->n)
        scan(l, false);
    scan_below(l);
}

/* Makes room at the end of the window. */
static void move_on(struct layer *l)
{
    uint32_t by = l->n - LAYER_KEEP;

    scan(l, false);
    memmove(l->data, l->data + by, LAYER_KEEP);
    if (l->place != NULL)
        memmove(l->place, l->place + by, LAYER_KEEP * sizeof(*l->place));
    l->base += by;
    l->n = l->scanned = LAYER_KEEP;
}

void layer_add(struct layer *l, const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t part;

        if (l->n == LAYER_WINDOW)
            move_on(l);
        part = LAYER_WINDOW - l->n < n ? LAYER_WINDOW - l->n : n;
        memcpy(l->data + l->n, p, part);
        l->n += (uint32_t)part;
        l->stream->fed += part;
        p += part;
        n -= part;
    }
}

void layer_put(struct layer *l, uint8_t byte, struct place at)
{
    if (l->n == LAYER_WINDOW)
        move_on(l);
    l->data[l->n] = byte;
    l->place[l->n] = at;
    l->n++;
}

/*
 * Making and ending
 */
static void start(struct layer *l)
{
    hs_stream_t *engine = l->engine;
    z_stream *z = l->zip.z;
    struct place *place = l->place;

    if (l->dirty) {
        hs_error_t e = hs_reset_stream(engine, 0, NULL, NULL, NULL);
        assert(e == HS_SUCCESS);
    }
    l->base = 0;
    l->n = l->scanned = 0;
    l->candidates = 0;
    l->dirty = false;
    memset(&l->base64, 0, sizeof(l->base64));
    memset(&l->hex, 0, sizeof(l->hex));
    memset(&l->escapes, 0, sizeof(l->escapes));
    memset(&l->zip, 0, sizeof(l->zip));
    memset(&l->copies, 0, sizeof(l->copies));
    l->zip.z = z;
    l->place = place;
}

static struct layer *take(struct detect *d, bool places)
{
    struct layer **pool = places ? &d->free : &d->free_root, *l = *pool;

    if (l != NULL) {
        *pool = l->next_free;
        (*(places ? &d->nfree : &d->nfree_root))--;
        return l;
    }
    l = xcalloc(1, sizeof(*l));
    if (places)
        l->place = xcalloc(LAYER_WINDOW, sizeof(*l->place));
    if (hs_open_stream(d->database, 0, &l->engine) != HS_SUCCESS)
        abort(); /* no memory: as xcalloc */
    return l;
}

struct layer *layer_open(struct detect_stream *s, const struct layer *parent,
                         enum detect_encoding via)
{
    struct layer *l;

    if (s->layers == LAYER_MAX) {
        layer_unscanned(s, "layers", s->fed, s->fed);
        return NULL;
    }
    s->layers++;
    l = take(s->d, parent != NULL);
    l->stream = s;
    l->depth = 0;
    memset(l->via, 0, sizeof(l->via));
    start(l);
    if (parent != NULL) {
        memcpy(l->via, parent->via, sizeof(l->via));
        l->depth = (uint8_t)(parent->depth + 1);
        l->via[parent->depth] = (uint8_t)via;
    }
    return l;
}

void layer_free(struct layer *l)
{
    hs_close_stream(l->engine, NULL, NULL, NULL);
    if (l->zip.z != NULL)
        inflateEnd(l->zip.z);
    free(l->zip.z);
    explicit_bzero(l->data, sizeof(l->data));
    free(l->place);
    free(l);
}

static void give_back(struct layer *l)
{
    struct detect *d = l->stream->d;
    bool places = l->place != NULL;
    size_t *n = places ? &d->nfree : &d->nfree_root;
    struct layer **pool = places ? &d->free : &d->free_root;

    l->stream->layers--;
    explicit_bzero(l->data, sizeof(l->data));
    if (*n == POOL) {
        layer_free(l);
        return;
    }
    (*n)++;
    l->next_free = *pool;
    *pool = l;
}

void layer_end(struct layer *l)
{
    scan(l, true);
    start(l);
}

void layer_close(struct layer *l)
{
    scan(l, true);
    give_back(l);
}

void layer_discard(struct layer *l)
{
    for (size_t i = 0; i < ARRAY_LEN(l->base64.phase); i++) {
        if (l->base64.phase[i].child != NULL)
            layer_discard(l->base64.phase[i].child);
        if (l->hex.phase[i].child != NULL)
            layer_discard(l->hex.phase[i].child);
    }
    if (l->escapes.child != NULL)
        layer_discard(l->escapes.child);
    if (l->zip.child != NULL)
        layer_discard(l->zip.child);
    give_back(l);
}

/*
 * What waits
 */
static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Bytes that the triggers and what stands before them are made of. */
static bool token_byte(uint8_t c)
{
    return alphabet_alnum(c) || (c != 0 && strchr("_-.~:/=+%\\<|[!", c) != NULL) || c >= 128;
}

static uint64_t pending_phases(const struct layer *l, const struct run *r, uint64_t pending)
{
    for (size_t i = 0; i < ARRAY_LEN(r->phase); i++) {
        const struct phase *p = &r->phase[i];

        if (p->child == NULL && p->text > 0)
            pending = least(pending, whole(l->stream, p->lead_at[0].at));
        if (p->child != NULL)
            pending = least(pending, layer_pending(p->child));
    }
    return pending;
}

uint64_t layer_pending(const struct layer *l)
{
    uint64_t pending = l->stream->fed;
    uint32_t token = 0;

    while (token < l->n && token < TOKEN_MOST && token_byte(l->data[l->n - 1 - token]))
        token++;
    if (token > 0)
        pending = begin_of(l, layer_size(l) - token);
    for (unsigned i = 0; i < l->candidates; i++)
        if (rows[l->candidate[i].row].set != DETECT_INSTRUCTIONS &&
            l->candidate[i].begin < layer_size(l))
            pending = least(pending, begin_of(l, l->candidate[i].begin));
    if (l->copies.seen > 0 && layer_size(l) <= l->copies.last + MARK_NEAR &&
        l->copies.begin < layer_size(l))
        pending =
            least(pending, begin_of(l, l->copies.begin < l->base ? l->base : l->copies.begin));
    pending = pending_phases(l, &l->base64, pending);
    pending = pending_phases(l, &l->hex, pending);
    if (l->escapes.child != NULL)
        pending = least(pending, layer_pending(l->escapes.child));
    if (l->zip.child != NULL)
        pending = least(pending, layer_pending(l->zip.child));
    return pending;
}
