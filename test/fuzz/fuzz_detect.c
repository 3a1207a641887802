/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of any bytes. The first byte says how they are cut in pieces and what is looked for; the
 * second which of the rest is marked content and which is a name. What is found, and where, must
 * not depend on the pieces (compressed data aside: their offsets are those of blocks).
 */
#include "detect/detect.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 4096

struct found {
    size_t n;
    bool unscanned;
    struct detect_finding f[MOST];
    uint64_t fed;
};

static struct found whole, pieces;

static void on_finding(void *arg, const struct detect_finding *f)
{
    struct found *found = arg;

    assert(f->begin <= f->end && f->end <= found->fed);
    if (strcmp(f->label, "unscanned") == 0)
        found->unscanned = true;
    else if (found->n < MOST)
        found->f[found->n++] = *f;
}

static int order(const void *x, const void *y)
{
    const struct detect_finding *a = x, *b = y;
    int by_name = strcmp(a->detector, b->detector), by_label = strcmp(a->label, b->label);
    int via = memcmp(a->via, b->via, sizeof(a->via));

    if (by_name != 0)
        return by_name;
    if (by_label != 0)
        return by_label;
    if (via != 0)
        return via;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end == b->end ? 0 : a->end < b->end ? -1 : 1;
}

static bool zipped(const struct detect_finding *f)
{
    return f->via[0] == DETECT_ZIPPED || f->via[1] == DETECT_ZIPPED;
}

static void feed(struct detect *d, unsigned sets, const uint8_t *p, size_t n, size_t piece,
                 struct found *found)
{
    struct detect_stream *s = detect_open(d, sets, on_finding, found);

    found->n = 0;
    found->unscanned = false;
    found->fed = 0;
    for (size_t at = 0; at < n; at += piece) {
        size_t part = n - at < piece ? n - at : piece;
        uint8_t *copy = malloc(part);

        assert(copy != NULL);
        memcpy(copy, p + at, part);
        found->fed += part;
        detect_feed(s, copy, part);
        assert(detect_pending(s) <= found->fed && detect_pending(s) <= DETECT_HOLD);
        free(copy);
    }
    detect_end(s);
    detect_close(s);
    qsort(found->f, found->n, sizeof(found->f[0]), order);
}

static void compare(void)
{
    if (whole.unscanned || pieces.unscanned || whole.n == MOST || pieces.n == MOST)
        return;
    assert(whole.n == pieces.n);
    for (size_t i = 0; i < whole.n; i++) {
        if (zipped(&whole.f[i]) || zipped(&pieces.f[i]))
            continue;
        assert(order(&whole.f[i], &pieces.f[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct detect_dns sent = {0};
    struct err e;
    static struct detect *unmarked;
    bool marked = size >= 2 && data[1] % 2 == 1;
    struct detect *d = unmarked;
    uint64_t marks[64];
    size_t part;

    if (marked || d == NULL)
        d = detect_new(NULL, &e);
    assert(d != NULL);
    if (!marked)
        unmarked = d;
    if (size >= 2) {
        part = data[1] < size - 2 ? data[1] : size - 2;
        if (marked)
            detect_marks_add(d, "marked", marks, detect_marks_of(data + 2, part, marks, 64));
        feed(d, DETECT_ALL, data + 2, size - 2, size, &whole);
        feed(d, DETECT_ALL, data + 2, size - 2, 1 + data[0] % 64, &pieces);
        compare();
        whole.fed = part;
        detect_dns_name(d, &sent, (struct str){(const char *)data + 2, part}, on_finding, &whole);
    }
    if (marked)
        detect_free(d);
    return 0;
}
